"""A cache of sealed answers: a repeated question costs one look-up.

The key of a request is its packet without the serial number: the bytes before the number (proto id, format)
and the bytes after it (length, SHA-1, body). Only requests with a correct SHA-1 become keys, so a request
that equals a key needs no hashing. An answer consists of the bytes before the number, the number, and the
cached rest.

An answer holds until something is committed to the database. The cache checks for commits at most once a
millisecond, in each turn of the event loop that answers anything, and whenever a question comes back from the
worker threads: after one client has seen new data, no client sees old data.
"""

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from qotgate.protocol.frame import HEADER_SIZE
from qotgate.protocol.messages import ProtoId

KEPT_BYTES = 64 << 20
"""Upper bound for the memory of cached answers."""
REQUEST_MOST = 4096
"""Longest request that is cached, in bytes."""
ENTRY_BYTES = 300
"""Approximate overhead of an entry, in bytes, without its request and answer."""
START = Struct("<8s4sI")
"""The start of a packet: the bytes before the serial number, the number, the length of the body."""


class RequestKey(NamedTuple):
    """The cache key of a request: the bytes before and after the serial number in its unencrypted packet."""

    lead: bytes
    rest: bytes


class CachedAnswer(NamedTuple):
    """An answer: the bytes after the serial number in its packet, and the interface whose allowance the
    request counts towards (None for none)."""

    sealed: bytes
    counted: ProtoId | None


Table = dict[bytes, dict[bytes, CachedAnswer]]


class AnswerCache:
    """``moved`` returns whether anything was committed since its last call.

    There are two generations of tables. A hit looks into the younger one; when full, it replaces the older
    one. So old entries expire at no cost to a hit.
    """

    def __init__(self, moved: Callable[[], bool], most: int = KEPT_BYTES) -> None:
        self.checked = -1.0
        self.epoch = 0
        self._moved = moved
        self._most = most // 2
        self._young: Table = {}
        self._old: Table = {}
        self._size = 0

    @property
    def size(self) -> int:
        """Approximate memory of the younger table, in bytes."""
        return self._size

    def forget(self) -> None:
        """Drop all answers."""
        self.epoch += 1
        self._young, self._old, self._size = {}, {}, 0

    def check(self, now: float) -> None:
        """Drop all answers if they may no longer hold; ``now`` is the loop's time."""
        self.checked = now
        if self._moved():
            self.forget()

    def reply(
        self,
        data: bytes,
        position: int,
        end: int,
        replies: list[bytes],
        refuses: Callable[[ProtoId], object] | None,
    ) -> int:
        """Answer the packets that start between ``position`` and ``end``, up to the first one without a
        cached answer.

        Appends the answers' bytes to ``replies`` and returns the position after the last answered packet.
        ``refuses`` counts a request towards the allowance and returns a true value when it is over; such a
        packet is left to the caller.
        """
        # The hottest loop of the gateway. An incomplete packet equals no key, since the length is among the
        # compared bytes.
        unpack = START.unpack_from
        young = self._young
        last = min(len(data) - HEADER_SIZE, end - 1)
        try:
            while position <= last:
                lead, serial, length = unpack(data, position)
                stop = position + HEADER_SIZE + length
                sealed, counted = young[lead][data[position + 12 : stop]]
                if counted is not None and refuses is not None and refuses(counted):
                    break
                replies += (lead, serial, sealed)
                position = stop
        except KeyError:
            pass
        return position

    def find(self, request: RequestKey) -> CachedAnswer | None:
        """The cached answer to a request."""
        lead, rest = request
        kept = self._young.get(lead, {}).get(rest)
        if kept is None:
            kept = self._old.get(lead, {}).get(rest)
            if kept is not None:
                self._add(request, kept)
        return kept

    def keep(self, request: RequestKey, kept: CachedAnswer, epoch: int) -> None:
        """Add an answer computed in ``epoch``, unless the data may have changed since."""
        if epoch == self.epoch and len(request.rest) <= REQUEST_MOST:
            self._add(request, kept)

    def _add(self, request: RequestKey, kept: CachedAnswer) -> None:
        size = len(request.rest) + len(kept.sealed) + ENTRY_BYTES
        if self._size + size > self._most:
            self._young, self._old, self._size = {}, self._young, 0
        self._young.setdefault(request.lead, {})[request.rest] = kept
        self._size += size
