"""A cache of sealed answers: a question that is asked again costs a look-up.

A request is known by its bytes, all but its serial number: what comes before the number (proto id, format)
and what comes after it (length, SHA-1, body). Only requests with a right SHA-1 are keys, so a request that
equals a key is right as well, and is not hashed again. The answer repeats what comes before the number, and
the number; the cache has the rest of it.

An answer holds until something is committed to the database. That is looked up once in each turn of the
event loop that answers anything, at most once a millisecond, and whenever a question comes back from the
threads: after one client has seen new data, no client sees the old.
"""

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from qotgate.protocol.frame import HEADER_SIZE
from qotgate.protocol.messages import ProtoId

KEPT_BYTES = 64 << 20
"""Memory that answers take at most."""
REQUEST_MOST = 4096
"""Bytes of the longest request that is kept."""
ENTRY_BYTES = 300
"""What an entry takes beside the bytes of its request and answer, roughly."""
START = Struct("<8s4sI")
"""Of a packet: what comes before the serial number, the number, the length of the body."""


class RequestKey(NamedTuple):
    """A request that can be known again: what comes before and after the serial number in its packet, in the
    plain."""

    lead: bytes
    rest: bytes


class CachedAnswer(NamedTuple):
    """An answer: what comes after the serial number in its packet, and the interface with the allowance
    that the request counts towards, None for none."""

    sealed: bytes
    counted: ProtoId | None


Table = dict[bytes, dict[bytes, CachedAnswer]]


class AnswerCache:
    """``moved`` tells whether anything was committed since it was last called.

    Two generations of a table: a hit looks into the younger one. When it is full it replaces the older one,
    so old entries go without any cost of a hit."""

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
        """Bytes of memory that the younger table takes, roughly."""
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
        """Answer the packets from ``position`` on, and until ``end``, up to the first that is not known.

        The answers' bytes are added to ``replies``; the position after the last answered packet is given.
        ``refuses`` counts a request towards the allowance, and gives something true where it is over it: such
        a packet is left to the caller.
        """
        # The hottest loop of the gateway. A packet that is not there in full is equal to none that is kept,
        # since the length is among the bytes compared.
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

    def has(self, lead: bytes) -> bool:
        """Whether :meth:`reply` may know a packet that starts with ``lead``."""
        return lead in self._young

    def find(self, request: RequestKey) -> CachedAnswer | None:
        """The answer to a request."""
        lead, rest = request
        kept = self._young.get(lead, {}).get(rest)
        if kept is None:
            kept = self._old.get(lead, {}).get(rest)
            if kept is not None:
                self._add(request, kept)
        return kept

    def keep(self, request: RequestKey, kept: CachedAnswer, epoch: int) -> None:
        """Add an answer of ``epoch``, unless the data may have moved since."""
        if epoch == self.epoch and len(request.rest) <= REQUEST_MOST:
            self._add(request, kept)

    def _add(self, request: RequestKey, kept: CachedAnswer) -> None:
        size = len(request.rest) + len(kept.sealed) + ENTRY_BYTES
        if self._size + size > self._most:
            self._young, self._old, self._size = {}, self._young, 0
        self._young.setdefault(request.lead, {})[request.rest] = kept
        self._size += size
