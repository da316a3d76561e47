"""The fast path: if neither side has a cipher, all packets of a read are forwarded unchanged in one piece.

Work common to all packets of a read is done once. For each packet the fast path reads the header, checks the
SHA-1, and remembers a request until its answer comes. A packet that needs more goes to the slow path, which
handles one :class:`~qotgate.protocol.frame.Frame` at a time. Both keep the order of the packets.
"""

from collections import Counter
from collections.abc import Callable, Container
from hashlib import sha1
from typing import TypeAlias

from qotgate.protocol.body import FORMATS
from qotgate.protocol.frame import FLAG, HEADER, HEADER_SIZE, Frame
from qotgate.protocol.messages import ProtoId
from qotgate.relay.upstream import Forwarded, RawClient, Reply

Key: TypeAlias = tuple[int, int]
"""The proto id and the serial number, the same in a request and its answer."""
KEEP_ALIVE = int(ProtoId.KeepAlive)


class FastPath:
    """The fast path between ``client`` and OpenD. ``send`` sends to OpenD; ``slow_path`` has the pending
    requests of the slow path, ``excluded`` the proto ids that always take it; ``counts`` counts packets by
    kind."""

    def __init__(
        self,
        client: RawClient,
        send: Callable[[bytes], None],
        slow_path: Container[Key],
        excluded: Container[int],
        counts: Counter[str],
    ) -> None:
        self._client = client
        self._send = send
        self._slow_path = slow_path
        self._excluded = excluded
        self._counts = counts
        self._under_way: dict[Key, Forwarded] = {}

    def forward(
        self, data: bytes, position: int, end: int, *, limit: int, room: int, number: int, at: float
    ) -> tuple[int, int]:
        unpack, under_way, excluded = HEADER.unpack_from, self._under_way, self._excluded
        start, size = position, len(data)
        last = min(size - HEADER_SIZE, end - 1)
        first = number
        while position <= last and number - first < room:
            flag, proto_id, body_format, _version, serial, length, digest = unpack(data, position)
            body = position + HEADER_SIZE
            stop = body + length
            key = proto_id, serial
            if flag != FLAG or proto_id in excluded or body_format not in FORMATS or key in under_way:
                break
            if stop > size or length > limit:
                break
            if sha1(data[body:stop], usedforsecurity=False).digest() != digest:
                break
            number += 1
            under_way[key] = Forwarded(proto_id, body_format, serial, number, at)
            position = stop
        if position > start:
            self._send(data[start:position])
        return position, number - first

    def forward_back(self, data: bytes, position: int) -> int:
        """Send the client the answers and pushes in ``data`` from ``position`` on, up to the first that needs
        the slow path. Returns the position after the last one."""
        unpack, under_way, slow_path = HEADER.unpack_from, self._under_way, self._slow_path
        start, size = position, len(data)
        last = size - HEADER_SIZE
        view = memoryview(data)
        answered: list[Forwarded] = []
        pushes = 0
        while position <= last:
            flag, proto_id, _format, _version, serial, length, digest = unpack(data, position)
            body = position + HEADER_SIZE
            stop = body + length
            if flag != FLAG or stop > size or proto_id == KEEP_ALIVE:
                break
            if sha1(view[body:stop], usedforsecurity=False).digest() != digest:
                break
            key = proto_id, serial
            request = under_way.pop(key, None)
            if request is not None:
                answered.append(request)
            elif key in slow_path:
                break
            else:
                pushes += 1
            position = stop
        if position > start:
            self._counts["answers"] += len(answered)
            self._counts["pushes"] += pushes
            self._client.forward(data[start:position], answered)
        return position

    def recall(self, key: Key) -> tuple[Frame, Reply] | None:
        """Move a pending request to the slow path; None if it is not pending."""
        request = self._under_way.pop(key, None)
        return None if request is None else (request.frame, self._client.reply_to(request))

    def recall_all(self) -> list[tuple[Frame, Reply]]:
        """Move all pending requests to the slow path."""
        recalled = map(self.recall, list(self._under_way))
        return [one for one in recalled if one is not None]
