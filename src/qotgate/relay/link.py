"""One connection to a real OpenD, for one client's session. It logs in with the client's data, and forwards
requests, answers and pushes under its own cipher.

It follows the published clients' rules: a KeepAlive at 4/5 of OpenD's interval; an answer has the proto id
and serial number of its request. A packet that matches no pending request is a push.
"""

import asyncio
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Container
from typing import Any, cast

from qotgate.model import ProtocolError, Refused, Unavailable
from qotgate.protocol.body import decode, encode
from qotgate.protocol.cipher import AesCipher, PacketEncAlgo, RsaKey
from qotgate.protocol.frame import HEADER_SIZE, MAX_SERIAL, PROTOBUF, Frame, FrameParser, Packet
from qotgate.protocol.messages import REQUESTS, RESPONSES, ProtoId, RetType
from qotgate.relay.fast_path import FastPath, Key
from qotgate.relay.trading import is_trading
from qotgate.relay.upstream import Client, Reply

MAX_ANSWER_BYTES = 64 << 20
"""The longest body accepted from OpenD: the static info of a whole market is a few megabytes."""
LOGIN_SECONDS = 5.0
"""Time for the connection and OpenD's answer to InitConnect: the published clients wait 12 seconds."""
CLOSE_SECONDS = 5.0
"""Time for OpenD to read the requests sent before the client left."""
SILENT_INTERVALS = 2
"""Keep-alive intervals without a byte from OpenD, after which it counts as hung: it answers each
KeepAlive."""


class Link(asyncio.Protocol):
    """An upstream session. It starts paused. ``ended`` is called with the link and the reason if the link is
    lost after the login; ``counts`` counts packets by kind. :attr:`raw` is the fast path, if there is one,
    while the session lasts."""

    s2c: Any
    raw: FastPath | None = None

    def __init__(
        self, key: RsaKey | None, counts: Counter[str], ended: Callable[["Link", str], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._key = key
        self._counts = counts
        self._ended = ended
        self._client: Client | None = None
        self._excluded: Container[int] = ()
        self._transport: asyncio.Transport | None = None
        self._parser = FrameParser(MAX_ANSWER_BYTES)
        self._cipher: AesCipher | None = None
        self._algorithm = PacketEncAlgo.NONE
        self._login: asyncio.Future[None] = self._loop.create_future()
        self._under_way: dict[Key, deque[tuple[Frame, Reply]]] = {}
        self._outgoing: list[bytes] = []
        self._backlog = bytearray()
        """Bytes received while the client was not reading."""
        self._paused = True
        self._over = False
        self._received = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        address: tuple[str, int],
        key: RsaKey | None,
        algorithm: PacketEncAlgo,
        c2s: Any,
        counts: Counter[str],
        ended: Callable[["Link", str], None],
    ) -> "Link":
        """Connect and log in with ``c2s``. Raises Unavailable if OpenD is away, and Refused with OpenD's own
        sentence if it refuses the login."""
        link = cls(key, counts, ended)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                await loop.create_connection(lambda: link, *address)
                link._log_in(c2s, algorithm if key else PacketEncAlgo.NONE)
                await link._login
        except TimeoutError as error:
            link.abort()
            raise Unavailable("upstream_silent", seconds=f"{LOGIN_SECONDS:g}") from error
        except OSError as error:
            raise Unavailable("upstream_away", reason=_reason(error)) from error
        except BaseException:
            link.abort()
            raise
        return link

    def start(self, client: Client, excluded: Container[int] = ()) -> None:
        """Start the session of ``client``, which gets nothing before :meth:`resume`. Requests of the proto
        ids ``excluded`` only come through :meth:`ask`."""
        self._client, self._excluded = client, excluded

    def ask(self, frame: Frame, reply: Reply) -> None:
        if self._over or self._transport is None:
            reply(_lost(frame))
            return
        sent = frame
        if frame.serial >= MAX_SERIAL:
            sent = frame._replace(serial=frame.serial % MAX_SERIAL)
        self._under_way.setdefault((sent.proto_id, sent.serial), deque()).append((frame, reply))
        self._send(sent)

    def pause(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        self._paused = False
        client = self._client.raw if self._client is not None else None
        if self.raw is None and client is not None and self._cipher is None and not self._over:
            self.raw = FastPath(client, self._write, self._under_way, self._excluded, self._counts)
        if self._backlog:
            backlog, self._backlog = bytes(self._backlog), bytearray()
            self._take(backlog)
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._received = self._loop.time()
            self._transport.resume_reading()

    def close(self) -> None:
        self._stop()
        if self._transport is not None:
            transport = self._transport
            self._flush()
            transport.close()
            self._loop.call_later(CLOSE_SECONDS, transport.abort)

    def abort(self) -> None:
        """Close at once."""
        self._stop()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received = self._loop.time()
        if self._login.done() and self._paused:
            self._backlog += data
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Handle the packets that ``data`` completes, as long as the client reads."""
        arrived, position = self._parser.join(data), 0
        try:
            while arrived and not self._over:
                if self._login.done() and self._paused:
                    self._backlog += arrived[position:]
                    return
                if self.raw is not None:
                    position = self.raw.forward_back(arrived, position)
                packet = self._parser.cut(arrived, position)
                if packet is None:
                    self._parser.keep(arrived, position)
                    return
                position += HEADER_SIZE + len(packet.body)
                if self._login.done():
                    self._deliver(packet)
                else:
                    self._take_login(packet)
        except ProtocolError as error:
            self._end(str(error))

    def pause_writing(self) -> None:
        if self._client is not None and not self._over:
            self._client.hold(True)

    def resume_writing(self) -> None:
        if self._client is not None and not self._over:
            self._client.hold(False)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self._login.done():
            self._login.set_exception(Unavailable("upstream_hung_up"))
            # Retrieved here, since no task awaits it after the login has timed out.
            self._login.exception()
        self._end(str(error) if error else "OpenD closed the connection")

    def _log_in(self, c2s: Any, algorithm: PacketEncAlgo) -> None:
        self._algorithm = algorithm
        request = REQUESTS[ProtoId.InitConnect]()
        # Fields that this version does not know are kept.
        request.c2s.CopyFrom(c2s)
        request.c2s.packetEncAlgo = algorithm
        frame = Frame(ProtoId.InitConnect, PROTOBUF, 1, encode(request, PROTOBUF))
        assert self._transport is not None
        self._transport.write(frame.encode(self._key.encrypt if self._key else None))

    def _take_login(self, packet: Packet) -> None:
        """Handle OpenD's answer to InitConnect; later packets are under the cipher that it names."""
        if packet.proto_id != ProtoId.InitConnect:
            return
        try:
            self.s2c = self._read_login(packet)
            if self._algorithm is not PacketEncAlgo.NONE:
                key, iv = self.s2c.connAESKey.encode(), self.s2c.aesCBCiv.encode()
                self._cipher = AesCipher(self._algorithm, key, iv)
        except Refused as error:
            self._login.set_exception(error)
        except ValueError:
            self._login.set_exception(Unavailable("upstream_key"))
        else:
            self._login.set_result(None)
            assert self._transport is not None
            self._transport.pause_reading()
            self._beat()

    def _read_login(self, packet: Packet) -> Any:
        """Raises Refused, and ValueError for an unreadable answer."""
        plain = packet.open()
        frame = packet.open(self._key.decrypt) if self._key is not None else plain
        if not frame.intact:
            # OpenD may answer in plain text if it cannot read the request.
            if not plain.intact:
                raise ValueError("it is not under our key")
            frame = plain
        response = decode(RESPONSES[ProtoId.InitConnect], frame.body, frame.body_format)
        if response.retType != RetType.SUCCEED:
            raise Refused("upstream_refused", words=response.retMsg or f"retType {response.retType}")
        if frame is plain and self._algorithm is not PacketEncAlgo.NONE:
            raise ValueError("it is not encrypted")
        if not response.HasField("s2c"):
            raise ValueError("it has no s2c")
        return response.s2c

    def _send(self, frame: Frame) -> None:
        self._write(frame.encode(self._cipher.encrypt if self._cipher else None))

    def _write(self, data: bytes) -> None:
        """Send ``data`` with the other output of this turn of the loop."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(data)

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _deliver(self, packet: Packet) -> None:
        frame = packet.open(self._cipher.decrypt if self._cipher else None)
        if frame.proto_id == ProtoId.KeepAlive:
            return
        waiting = self._pop((frame.proto_id, frame.serial))
        if waiting is not None:
            request, reply = waiting
            if frame.intact:
                self._counts["answers"] += 1
                reply(frame if frame.serial == request.serial else frame._replace(serial=request.serial))
            else:
                self._counts["damaged"] += 1
                reply(_damaged(request))
        elif frame.intact:
            self._counts["pushes"] += 1
            if self._client is not None:
                self._client.push(frame)
        else:
            self._counts["damaged"] += 1

    def _pop(self, key: Key) -> tuple[Frame, Reply] | None:
        """Remove and return the pending request that an answer belongs to; None if there is none."""
        waiting = self._under_way.get(key)
        if waiting is None:
            return self.raw.recall(key) if self.raw is not None else None
        found = waiting.popleft()
        if not waiting:
            del self._under_way[key]
        return found

    def _beat(self) -> None:
        """Send a KeepAlive, and check that OpenD answers."""
        interval = max(1, self.s2c.keepAliveInterval)
        now = self._loop.time()
        if not self._paused and self._received < now - SILENT_INTERVALS * interval:
            self._end(f"OpenD was silent for {SILENT_INTERVALS * interval} seconds")
            return
        if self._transport is not None and self._transport.get_write_buffer_size() == 0:
            request = REQUESTS[ProtoId.KeepAlive](c2s={"time": int(time.time())})
            self._send(Frame(ProtoId.KeepAlive, PROTOBUF, int(now) % MAX_SERIAL, encode(request, PROTOBUF)))
        self._timer = self._loop.call_later(interval * 4 / 5, self._beat)

    def _stop(self) -> None:
        self._over = True
        self.raw = None
        self._under_way.clear()
        self._backlog.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, reason: str) -> None:
        """Close the link because of an error."""
        if self._over:
            return
        waiting = [one for requests in self._under_way.values() for one in requests]
        if self.raw is not None:
            waiting += self.raw.recall_all()
        self.abort()
        self._counts["lost"] += len(waiting)
        for frame, reply in waiting:
            reply(_lost(frame))
        if self._client is not None:
            self._ended(self, reason)
            self._client.lost(Unavailable("upstream_lost"))


def _reason(error: OSError) -> str:
    """Why the connection failed, without the address, which the client must not learn."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return "its name is not known" if isinstance(error, socket.gaierror) else "no address of it answers"


def _lost(frame: Frame) -> Refused:
    """The reply to a pending request whose answer cannot arrive any more."""
    # The order may have been carried out; a retry could place it twice.
    if is_trading(frame.proto_id):
        return Refused("upstream_lost_trade")
    return Unavailable("upstream_lost")


def _damaged(frame: Frame) -> Refused:
    if is_trading(frame.proto_id):
        return Refused("upstream_damaged_trade")
    return Unavailable("upstream_damaged")
