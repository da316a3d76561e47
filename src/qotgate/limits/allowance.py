"""The allowance: where requests are counted, separately for the wire and for HTTP.

Requests count in a window of the gateway and, with a limit backend, in one window of all gateways that use
it. The requests of one turn of the event loop go to the backend in one round trip. While the backend is away
(no answer within a second, or a wrong one), no request waits for it: the gateway's own window grants
requests, or they are refused with a sentence. The gateway retries the backend in the background. When the
backend is back, it first gets the requests granted without it, which count there from then on.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Hashable, Mapping
from time import monotonic
from typing import Any, Literal, NamedTuple, TypeAlias

import structlog

from qotgate.limits.redis import ANSWER_SECONDS, BackendAway, RedisBackend
from qotgate.limits.window import ProcessWindow, RateLimit, Taken, Window
from qotgate.model import QotGateError, Unavailable

WhenDown: TypeAlias = Literal["local", "refuse"]

MAX_BATCHES = 4
"""Batches sent at once, each on its own connection."""
MAX_BATCH = 256
"""Requests in one batch; the backend takes about a millisecond for it."""
MAX_WAITING = 10_000
"""Requests that wait for the backend; further ones are decided as if it were away."""
TRY_SECONDS = 0.5
"""Seconds between two attempts to reach a backend that is away."""

log = structlog.get_logger()


class _Request(NamedTuple):
    name: str
    """The key at the backend."""
    window: Window
    """The gateway's own window."""
    key: Hashable
    deadline: float
    future: "asyncio.Future[Taken]"
    own: Taken | None = None
    """The decision of the gateway's own window, if it was asked first."""


class BackendLink:
    """A gateway's link to the limit backend, for all that the gateway counts there."""

    def __init__(self, backend: RedisBackend, down: WhenDown) -> None:
        self.backend = backend
        self.up = True
        self.failures = 0
        """Number of times the backend did not answer."""
        self.decisions: Counter[str] = Counter(store=0, local=0, refused=0)
        """Decisions by their origin: the backend (``store``), the gateway's own window (``local``), or a
        refusal without either (``refused``)."""
        self._down = down
        self._waiting: deque[_Request] = deque()
        self._called = False
        self._closed = False
        self._batches: set[asyncio.Task[None]] = set()
        self._refused = False
        self._returning: asyncio.Task[None] | None = None
        self._wary_until = 0.0
        self._granted_alone: deque[tuple[float, str]] = deque()

    async def open(self) -> None:
        """Try the backend once. Raises QotGateError if it answers but cannot serve this gateway. A backend
        that does not answer counts as away."""
        try:
            await self.backend.take([], self._deadline())
        except BackendAway as error:
            if error.hopeless:
                name = self.backend.name
                raise QotGateError(f"The limit store {name} refuses this gateway: {error}.") from error
            self._gone(error)

    async def close(self) -> None:
        """Decide pending requests without the backend, and close the link."""
        self.up = False
        self._closed = True
        self._give_up()
        tasks = [*self._batches, *([self._returning] if self._returning else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.backend.close()

    def take(self, side: str, window: Window, key: Hashable) -> "asyncio.Future[Taken]":
        """The backend's decision on a request; Refused if it is away and the gateway may not grant requests
        without it."""
        loop = asyncio.get_running_loop()
        name = self.backend.key(f"{side}:{key}")
        request = _Request(name, window, key, self._deadline(), loop.create_future())
        if monotonic() < self._wary_until:
            # The backend may have lost its counts, or may not know yet what other workers granted without it.
            own = take(window, key)
            if own.wait:
                self.decisions["local"] += 1
                request.future.set_result(own)
                return request.future
            request = request._replace(own=own)
        if not self.up or len(self._waiting) >= MAX_WAITING:
            self._decide(request)
            return request.future
        self._waiting.append(request)
        if not self._called:
            self._called = True
            loop.call_soon(self._send)
        return request.future

    def _send(self) -> None:
        self._called = False
        while self._waiting and len(self._batches) < MAX_BATCHES:
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            task = asyncio.get_running_loop().create_task(self._ask(batch))
            self._batches.add(task)
            task.add_done_callback(self._done)

    def _done(self, batch: "asyncio.Task[None]") -> None:
        self._batches.discard(batch)
        self._send()

    async def _ask(self, batch: list[_Request]) -> None:
        keys = [request.name for request in batch]
        try:
            answers = await self.backend.take(keys, batch[0].deadline)
        except BaseException as error:
            if isinstance(error, BackendAway):
                self._gone(error)
            for request in batch:
                self._decide(request)
            if not isinstance(error, BackendAway):
                raise
            return
        self.decisions["store"] += len(batch)
        for request, taken in zip(batch, answers, strict=True):
            if not taken.wait and request.own is None:
                request.window.note(request.key)
            if not request.future.done():
                request.future.set_result(taken)

    def _decide(self, request: _Request) -> None:
        """Decide without the backend."""
        if request.future.done():
            return
        if self._down == "refuse":
            self.decisions["refused"] += 1
            request.future.set_exception(Unavailable("limit_store_away"))
            return
        self.decisions["local"] += 1
        taken = request.own or take(request.window, request.key)
        if not taken.wait:
            self._granted_alone.append((monotonic(), request.name))
            self._forget()
            self._come_back()
        request.future.set_result(taken)

    def _gone(self, error: BackendAway) -> None:
        self.failures += 1
        if not self.up:
            return
        self.up = False
        log.warning("limit store away", store=self.backend.name, reason=str(error), until_then=self._down)
        self._give_up()
        self._come_back()

    def _come_back(self) -> None:
        if not self._closed and (self._returning is None or self._returning.done()):
            self._returning = asyncio.get_running_loop().create_task(self._return())

    def _give_up(self) -> None:
        while self._waiting:
            self._decide(self._waiting.popleft())

    async def _return(self) -> None:
        while not self.up or self._granted_alone:
            await asyncio.sleep(TRY_SECONDS)
            try:
                await self._tell()
            except BackendAway as error:
                self.failures += 1
                if error.hopeless and not self._refused:
                    self._refused = True
                    log.error("limit store refuses", store=self.backend.name, reason=str(error))  # noqa: TRY400 - it says all
                continue
            self._refused = False
            if self.up:
                continue
            self.up = True
            if self._down == "local":
                self._wary_until = monotonic() + self.backend.limit.seconds
            log.info("limit store back", store=self.backend.name)

    async def _tell(self) -> None:
        """Send the backend the requests granted without it; an empty list checks whether it is back."""
        while True:
            self._forget()
            alone = self._granted_alone
            told = [alone.popleft() for _ in range(min(MAX_BATCH, len(alone)))]
            try:
                await self.backend.take([name for _, name in told], self._deadline(), anyway=True)
            except BackendAway:
                alone.extendleft(reversed(told))
                raise
            if not self._granted_alone:
                return

    def _forget(self) -> None:
        gone = monotonic() - self.backend.limit.seconds
        while self._granted_alone and self._granted_alone[0][0] <= gone:
            self._granted_alone.popleft()

    @staticmethod
    def _deadline() -> float:
        return asyncio.get_running_loop().time() + ANSWER_SECONDS


class Allowance:
    """The allowance of one ``side`` (the wire, HTTP), by key; no limit if ``limit`` is None.

    Requests count in ``window`` (by default one of this process) and, with a ``link``, on the limit backend.
    Use it in the event loop only.
    """

    def __init__(
        self,
        limit: RateLimit | None,
        side: str = "",
        *,
        window: Window | None = None,
        link: BackendLink | None = None,
    ) -> None:
        self.limit = limit
        self.side = side
        self.window = window or (ProcessWindow(limit) if limit else None)
        self.link = link

    def change(self, limit: RateLimit | None) -> None:
        """Apply a new limit. Requests granted so far count towards it."""
        self.limit = limit
        if limit is None:
            return
        if self.window is None:
            self.window = ProcessWindow(limit)
        else:
            self.window.change(limit)

    @property
    def elsewhere(self) -> bool:
        """Whether the limit backend decides, so that only :meth:`take` can count."""
        return self.limit is not None and self.link is not None

    def take_here(self, key: Hashable) -> float:
        """Count a request in the window. Returns 0 if it is granted, else the seconds until one is."""
        return 0.0 if self.limit is None or self.window is None else self.window.take(key)

    async def take(self, key: Hashable) -> Taken | None:
        """Count a request, at the backend if there is one. None without a limit. Raises Refused if the
        backend is away and the gateway may not grant requests without it."""
        if self.limit is None or self.window is None:
            return None
        if self.link is None:
            return take(self.window, key)
        return await self.link.take(self.side, self.window, key)

    def granted(self) -> dict[str, list[float]]:
        """Ages in seconds of the requests granted lately, by key."""
        window = self.window
        return {} if window is None else {str(key): window.granted(key) for key in window.known()}

    def restore(self, granted: Mapping[Any, list[float]]) -> None:
        """Count requests that another process granted."""
        if self.window is not None:
            for key, ages in granted.items():
                self.window.restore(key, ages)


def take(window: Window, key: Hashable) -> Taken:
    """Count a request in ``window``."""
    return Taken(window.take(key), *window.left(key))
