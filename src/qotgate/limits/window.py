"""The moving window: so many requests of one key in any stretch of so many seconds.

It is exact, on the monotonic clock: a clock that is set back grants nothing and blocks nothing. A refused
request leaves no trace, so asking again does not lengthen the wait.
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
"""What the reference documents state: 60 requests in 30 seconds."""


class Taken(NamedTuple):
    """What a window says of a request: the seconds until one is granted, 0 where this one is; how many more
    would be, and the seconds until there is one more."""

    wait: float
    left: int
    until_more: float


class Window(Protocol):
    """Counts requests by key, such as an interface, where this process and perhaps others see it."""

    limit: RateLimit

    def take(self, key: Hashable) -> float:
        """Grant a request and return 0, or refuse it and return the seconds until one will be granted."""

    def note(self, key: Hashable) -> None:
        """Count a request that was granted elsewhere."""

    def left(self, key: Hashable) -> tuple[int, float]:
        """How many requests would be granted at once, and the seconds until one more would be."""

    def granted(self, key: Hashable) -> list[float]:
        """How many seconds ago each of the latest requests was granted, the oldest first."""

    def known(self) -> list[Hashable]:
        """The keys of which something may have been granted."""

    def restore(self, key: Hashable, ages: list[float]) -> None:
        """Count requests that were granted so many seconds ago, the oldest first, and nothing before."""

    def change(self, limit: RateLimit) -> None:
        """Go on with another limit: what was granted counts towards it."""

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
        granted = self._granted.setdefault(key, deque(maxlen=self.limit.requests))
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
        # Dropped and not passed over: with a large limit, a client that asks each time would count for ever.
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
