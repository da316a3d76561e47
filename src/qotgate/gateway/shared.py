"""Limits that several processes keep together: one allowance, one number of connections.

The counts stand in memory that the processes share, and a lock of the operating system's on a file guards
them. Such a lock ends with its process, however that ends, and what is written under it is ordered so that
a process that ends half way has counted nothing: a killed worker leaves neither a closed door nor a wrong
count.
"""

import fcntl
import mmap
import os
import tempfile
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from qotgate.gateway.allowance import RateLimit
from qotgate.model import QotGateError

WORD = 8
REQUESTS_MOST = 1_000_000
"""The largest allowance that is shared: each request of it takes eight bytes for each interface."""


class SharedMemory:
    """``words`` numbers of eight bytes, zero at first, and a lock; shared with processes forked later."""

    def __init__(self, words: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the gateway
        os.ftruncate(self._file.fileno(), words * WORD)
        memory = memoryview(mmap.mmap(self._file.fileno(), words * WORD))
        self.counts = memory.cast("Q")
        self.moments = memory.cast("d")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the other processes out; not the other threads of this one."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


class SharedAllowance:
    """An :class:`~qotgate.gateway.allowance.Allowance` over several processes, for the ``keys`` named ahead.

    For each key there is a count of what was ever granted, and a ring of the moments of the latest: one more
    than the limit, so that the next moment is written where none is read.
    """

    def __init__(
        self, limit: RateLimit, keys: Iterable[Hashable], clock: Callable[[], float] = monotonic
    ) -> None:
        if limit.requests > REQUESTS_MOST:
            raise QotGateError(f"With --workers, --rate-limit takes at most {REQUESTS_MOST} requests.")
        self.limit = limit
        self._clock = clock
        self._size = limit.requests + 1
        self._places = {key: number * (self._size + 1) for number, key in enumerate(keys)}
        self._memory = SharedMemory(len(self._places) * (self._size + 1))

    def take(self, key: Hashable) -> float:
        """Grant a request and return 0, or refuse it and return the seconds until one will be granted."""
        place, counts, moments = self._places[key], self._memory.counts, self._memory.moments
        with self._memory.locked():
            now = self._clock()
            granted = counts[place]
            if granted >= self.limit.requests:
                oldest = moments[place + 1 + (granted - self.limit.requests) % self._size]
                wait = oldest + self.limit.seconds - now
                if wait > 0:
                    return wait
            moments[place + 1 + granted % self._size] = now
            counts[place] = granted + 1
        return 0.0

    def note(self, key: Hashable) -> None:
        """Count a request that was granted elsewhere."""
        place, counts, moments = self._places[key], self._memory.counts, self._memory.moments
        with self._memory.locked():
            granted = counts[place]
            moments[place + 1 + granted % self._size] = self._clock()
            counts[place] = granted + 1


class SharedPlaces:
    """``most`` places over several ``workers``; each counts its own, so that a killed one's are known."""

    def __init__(self, most: int, workers: int) -> None:
        self._most = most
        self._memory = SharedMemory(workers)

    def of(self, worker: int) -> "WorkerPlaces":
        """The places as one worker takes them."""
        return WorkerPlaces(self._memory, worker, self._most)

    def clear(self, worker: int) -> None:
        """Give back all places of a worker that has ended."""
        self._memory.counts[worker] = 0


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """What a worker counts together with the others; ``allowance`` None where it counts by itself."""

    allowance: SharedAllowance | None
    places: "WorkerPlaces"


class WorkerPlaces:
    """A worker's view of the shared places."""

    def __init__(self, memory: SharedMemory, worker: int, most: int) -> None:
        self._memory = memory
        self._worker = worker
        self._most = most

    def take(self) -> bool:
        """Take a place; False where there is none."""
        counts = self._memory.counts
        with self._memory.locked():
            if sum(counts) >= self._most:
                return False
            counts[self._worker] += 1
        return True

    def give_back(self) -> None:
        """Leave a place that was taken."""
        self._memory.counts[self._worker] -= 1
