"""The moving window: a number of requests of one key in any period of a given length.

The count is exact and uses the monotonic clock, so setting the system clock has no effect. A refused request
does not count, so retrying does not lengthen the wait.
"""

import re
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple, Protocol, Self

from qotgate.model import QotGateError


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``requests`` in any ``seconds``."""

    requests: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``60/30s``; None for ``off``. Raises QotGateError."""
        if text == "off":
            return None
        match = re.fullmatch(r"([1-9]\d{0,8})/(\d{1,8}(?:\.\d+)?)s", text)
        if not match or not float(match[2]):
            raise QotGateError(f"--rate-limit takes REQUESTS/SECONDSs, such as 60/30s, or off, not {text!r}.")
        return cls(int(match[1]), float(match[2]))


DEFAULT_LIMIT = RateLimit(60, 30)
"""The limit in the reference documents: 60 requests in 30 seconds."""


class Taken(NamedTuple):
    """A window's decision on a request: the seconds to wait (0 if it is granted), how many more would be
    granted, and the seconds until there is one more."""

    wait: float
    left: int
    until_more: float


class Window(Protocol):
    """Counts requests by key, such as an interface, in this process or over several."""

    limit: RateLimit

    def take(self, key: Hashable) -> float:
        """Grant a request and return 0, or refuse it and return the seconds until one will be granted."""

    def note(self, key: Hashable) -> None:
        """Count a request that was granted elsewhere."""

    def left(self, key: Hashable) -> tuple[int, float]:
        """How many requests would be granted now, and the seconds until there is one more."""

    def granted(self, key: Hashable) -> list[float]:
        """Ages in seconds of the requests granted lately, the oldest first."""

    def known(self) -> list[Hashable]:
        """The keys that may have granted requests."""

    def restore(self, key: Hashable, ages: list[float]) -> None:
        """Count requests of these ages in seconds, the oldest first, before any other."""

    def change(self, limit: RateLimit) -> None:
        """Apply a new limit. Requests granted so far count towards it."""

    def forget(self, key: Hashable) -> None:
        """Forget the requests counted for ``key``; its connection is closed."""


class ProcessWindow:
    """A :class:`Window` of one process."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._granted: dict[Hashable, deque[float]] = {}

    def take(self, key: Hashable) -> float:
        now = self._clock()
        granted = self._granted.get(key)
        if granted is None:
            granted = self._granted[key] = deque(maxlen=self.limit.requests)
        if len(granted) == self.limit.requests:
            wait = granted[0] + self.limit.seconds - now
            if wait > 0:
                return wait
        granted.append(now)
        return 0.0

    def note(self, key: Hashable) -> None:
        self._granted.setdefault(key, deque(maxlen=self.limit.requests)).append(self._clock())

    def left(self, key: Hashable) -> tuple[int, float]:
        now = self._clock()
        standing = self._granted.get(key, deque())
        # Old entries are dropped, not skipped: with a large limit, each request would scan them all again.
        while standing and standing[0] + self.limit.seconds <= now:
            standing.popleft()
        wait = standing[0] + self.limit.seconds - now if standing else 0.0
        return self.limit.requests - len(standing), wait

    def granted(self, key: Hashable) -> list[float]:
        now = self._clock()
        return [now - at for at in self._granted.get(key, ())]

    def known(self) -> list[Hashable]:
        return list(self._granted)

    def restore(self, key: Hashable, ages: list[float]) -> None:
        now = self._clock()
        self._granted[key] = deque((now - age for age in ages), maxlen=self.limit.requests)

    def change(self, limit: RateLimit) -> None:
        self.limit = limit
        self._granted = {key: deque(kept, maxlen=limit.requests) for key, kept in self._granted.items()}

    def forget(self, key: Hashable) -> None:
        self._granted.pop(key, None)
