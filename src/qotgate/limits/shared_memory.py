"""Limits in memory that several processes share: one window, one number of connections.

A file lock of the operating system guards the counts and is released when its process ends. The order of the
writes makes sure that a process killed half-way has counted nothing: it leaves neither a held lock nor a
wrong count.
"""

import fcntl
import mmap
import os
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from qotgate.limits.slots import Lack
from qotgate.limits.window import RateLimit
from qotgate.model import QotGateError

WORD = 8
MAX_REQUESTS = 1_000_000
"""Largest allowance in shared memory: each request takes eight bytes for each interface."""

MIN_ROOM = 10_000
"""Minimum number of requests with room, so that the limit can grow while the processes run."""


class SharedMemory:
    """``words`` numbers of eight bytes, initially zero, and a lock; shared with processes forked later."""

    def __init__(self, words: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the gateway runs
        os.ftruncate(self._file.fileno(), words * WORD)
        memory = memoryview(mmap.mmap(self._file.fileno(), words * WORD))
        self.counts = memory.cast("Q")
        self.moments = memory.cast("d")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock out other processes; not other threads of this one."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


class SharedWindow:
    """A :class:`~qotgate.limits.window.Window` over several processes, for ``keys`` known in advance.

    Each key has a count of all requests granted, and a ring of the times of the latest ones. The ring has one
    entry more than the limit, so that the next time goes into an entry that no reader uses.
    """

    def __init__(
        self, limit: RateLimit, keys: Iterable[Hashable], clock: Callable[[], float] = monotonic
    ) -> None:
        if limit.requests > MAX_REQUESTS:
            raise QotGateError(f"With --workers, --rate-limit takes at most {MAX_REQUESTS} requests.")
        self.limit = limit
        self._clock = clock
        self._size = max(limit.requests, MIN_ROOM) + 1
        self._offsets = {key: number * (self._size + 1) for number, key in enumerate(keys)}
        self._memory = SharedMemory(len(self._offsets) * (self._size + 1))

    def take(self, key: Hashable) -> float:
        offset, counts, moments = self._offsets[key], self._memory.counts, self._memory.moments
        with self._memory.locked():
            now = self._clock()
            granted = counts[offset]
            if granted >= self.limit.requests:
                oldest = moments[offset + 1 + (granted - self.limit.requests) % self._size]
                wait = oldest + self.limit.seconds - now
                if wait > 0:
                    return wait
            moments[offset + 1 + granted % self._size] = now
            counts[offset] = granted + 1
        return 0.0

    def note(self, key: Hashable) -> None:
        offset, counts, moments = self._offsets[key], self._memory.counts, self._memory.moments
        with self._memory.locked():
            granted = counts[offset]
            moments[offset + 1 + granted % self._size] = self._clock()
            counts[offset] = granted + 1

    def granted(self, key: Hashable) -> list[float]:
        offset, now = self._offsets[key], self._clock()
        with self._memory.locked():
            count = self._memory.counts[offset]
            first = max(0, count - self._size + 1)
            return [now - self._memory.moments[offset + 1 + n % self._size] for n in range(first, count)]

    def known(self) -> list[Hashable]:
        return list(self._offsets)

    def restore(self, key: Hashable, ages: list[float]) -> None:
        offset, now = self._offsets[key], self._clock()
        with self._memory.locked():
            kept = ages[-(self._size - 1) :]
            self._memory.counts[offset] = len(kept)
            for number, age in enumerate(kept):
                self._memory.moments[offset + 1 + number] = now - age

    def left(self, key: Hashable) -> tuple[int, float]:
        offset, now = self._offsets[key], self._clock()

        def moment(number: int) -> float:
            return self._memory.moments[offset + 1 + number % self._size]

        with self._memory.locked():
            count = self._memory.counts[offset]
            latest = range(max(0, count - self._size + 1), count)
            standing = latest[bisect_right(latest, now - self.limit.seconds, key=moment) :]
            wait = moment(standing[0]) + self.limit.seconds - now if standing else 0.0
        return max(self.limit.requests - len(standing), 0), wait

    def forget(self, key: Hashable) -> None:
        self.restore(key, [])

    def change(self, limit: RateLimit) -> None:
        """Apply a new limit in this process. Raises QotGateError."""
        self.check(limit)
        self.limit = limit

    def check(self, limit: RateLimit) -> None:
        """Raises QotGateError for a limit that does not fit the memory."""
        if limit.requests >= self._size:
            raise QotGateError(
                f"--rate-limit takes at most {self._size - 1} requests until the gateway is started again."
            )


class SharedSlots:
    """``most`` slots over several ``workers``. Each worker has its own count, so that the slots of a killed
    one can be released.

    With ``most_of_address``, a table has the address and the worker of each slot.
    """

    def __init__(self, most: int, workers: int, most_of_address: int | None = None) -> None:
        self.most = most
        self.most_of_address = most_of_address
        self.memory = SharedMemory(workers + (0 if most_of_address is None else 2 * most))
        counts = self.memory.counts
        self.counts = counts[:workers]
        self.addresses, self.owners = counts[workers : workers + most], counts[workers + most :]

    def of(self, worker: int) -> "WorkerSlots":
        """One worker's view of the slots."""
        return WorkerSlots(self, worker)

    def clear(self, worker: int) -> None:
        """Release all slots of a worker that has ended."""
        with self.memory.locked():
            self.counts[worker] = 0
            for place, owner in enumerate(self.owners.tolist()):
                if owner == worker and self.addresses[place]:
                    self.addresses[place] = 0


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """The limits that the workers share; ``window`` is None if each counts alone."""

    window: SharedWindow | None
    slots: "WorkerSlots"


class WorkerSlots:
    """A worker's view of the shared slots."""

    def __init__(self, shared: SharedSlots, worker: int) -> None:
        self._shared = shared
        self._worker = worker
        self._own: dict[int, list[int]] = {}
        """The worker's own entries in the table, by address."""

    @property
    def most(self) -> int:
        return self._shared.most

    @most.setter
    def most(self, most: int) -> None:
        # In this process only; each worker gets the change.
        self._shared.most = most

    def acquire(self, address: int | None = None, *, force: bool = False) -> Lack | None:
        """Acquire a slot. Returns None, or the reason why none is free, unless ``force``."""
        shared = self._shared
        with shared.memory.locked():
            if sum(shared.counts) >= shared.most and not force:
                return "too_many_connections"
            if shared.most_of_address is not None and address is not None:
                taken = shared.addresses.tolist()
                if taken.count(address) >= shared.most_of_address and not force:
                    return "too_many_of_address"
                # A worker killed half-way may have left an entry that its count does not include.
                if 0 in taken:
                    place = taken.index(0)
                    # In this order, so that no entry lacks an owner.
                    shared.owners[place] = self._worker
                    shared.addresses[place] = address
                    self._own.setdefault(address, []).append(place)
                elif not force:
                    return "too_many_connections"
            shared.counts[self._worker] += 1
        return None

    def release(self, address: int | None = None) -> None:
        """Release a slot."""
        shared = self._shared
        with shared.memory.locked():
            if shared.most_of_address is not None and address is not None:
                own = self._own.get(address, [])
                if own:
                    shared.addresses[own.pop()] = 0
                if not own:
                    self._own.pop(address, None)
            shared.counts[self._worker] -= 1
