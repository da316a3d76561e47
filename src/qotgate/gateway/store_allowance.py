"""An allowance over all gateways on one store, and what a gateway does while the store is away.

What is asked for in one turn of the event loop goes to the store together, in one round trip. The gateway
keeps an account of its own beside it. While the store is away (it did not answer within a second, or not as
it should), nobody waits for it: requests are granted from the gateway's own account, or refused with a
sentence. In the background it is tried again, and first told what was granted without it, which counts there
from then on.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Hashable
from time import monotonic
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import structlog

from qotgate.gateway.allowance import Allowance
from qotgate.gateway.limit_store import ANSWER_SECONDS, LimitStore, StoreAway, Taken
from qotgate.model import QotGateError, Unavailable

if TYPE_CHECKING:
    from qotgate.gateway.shared import SharedAllowance

WhenDown: TypeAlias = Literal["local", "refuse"]

BATCHES_MOST = 4
"""Under way at once, each on a connection of its own."""
BATCH_MOST = 256
"""Requests that go to the store together: it serves nobody else meanwhile, for about a millisecond."""
WAITING_MOST = 10_000
"""Requests that wait for the store, beyond which further ones are decided as if it were away."""
TRY_SECONDS = 0.5
"""Between two tries to reach a store that is away."""

log = structlog.get_logger()


class _Request(NamedTuple):
    allowance: "StoreAllowance"
    key: Hashable
    deadline: float
    future: "asyncio.Future[Taken]"
    own: Taken | None = None
    """What the gateway's own account said, where that was asked first."""


class StoreLink:
    """A gateway's way to the store, for all that it counts there."""

    def __init__(self, store: LimitStore, down: WhenDown) -> None:
        self.store = store
        self.up = True
        self.failures = 0
        """How often the store did not answer."""
        self.decisions: Counter[str] = Counter(store=0, local=0, refused=0)
        """By whom requests were decided: the ``store``, the gateway's own account (``local``), or nobody
        (``refused``)."""
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
        """Try the store once. Raises QotGateError where it answers and will not serve this gateway; one
        that does not answer is away."""
        try:
            await self.store.take([], self._deadline())
        except StoreAway as error:
            if error.hopeless:
                name = self.store.name
                raise QotGateError(f"The limit store {name} refuses this gateway: {error}.") from error
            self._gone(error)

    async def close(self) -> None:
        """Decide what waits without the store, and leave it."""
        self.up = False
        self._closed = True
        self._give_up()
        tasks = [*self._batches, *([self._returning] if self._returning else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.store.close()

    def take(self, allowance: "StoreAllowance", key: Hashable) -> "asyncio.Future[Taken]":
        """What the store says of a request; Refused where it is away and nothing is granted without it."""
        loop = asyncio.get_running_loop()
        request = _Request(allowance, key, self._deadline(), loop.create_future())
        if monotonic() < self._wary_until:
            # The store may have forgotten what it granted, or other workers may still be without it.
            own = allowance.take_alone(key)
            if own.wait:
                self.decisions["local"] += 1
                request.future.set_result(own)
                return request.future
            request = request._replace(own=own)
        if not self.up or len(self._waiting) >= WAITING_MOST:
            self._decide(request)
            return request.future
        self._waiting.append(request)
        if not self._called:
            self._called = True
            loop.call_soon(self._send)
        return request.future

    def _send(self) -> None:
        self._called = False
        while self._waiting and len(self._batches) < BATCHES_MOST:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MOST, len(self._waiting)))]
            task = asyncio.get_running_loop().create_task(self._ask(batch))
            self._batches.add(task)
            task.add_done_callback(self._done)

    def _done(self, batch: "asyncio.Task[None]") -> None:
        self._batches.discard(batch)
        self._send()

    async def _ask(self, batch: list[_Request]) -> None:
        keys = [self._name(request) for request in batch]
        try:
            answers = await self.store.take(keys, batch[0].deadline)
        except BaseException as error:
            if isinstance(error, StoreAway):
                self._gone(error)
            for request in batch:
                self._decide(request)
            if not isinstance(error, StoreAway):
                raise
            return
        self.decisions["store"] += len(batch)
        for request, taken in zip(batch, answers, strict=True):
            if not taken.wait and request.own is None:
                request.allowance.own.note(request.key)
            if not request.future.done():
                request.future.set_result(taken)

    def _decide(self, request: _Request) -> None:
        """Decide without the store."""
        if request.future.done():
            return
        if self._down == "refuse":
            self.decisions["refused"] += 1
            request.future.set_exception(Unavailable("limit_store_away"))
            return
        self.decisions["local"] += 1
        taken = request.own or request.allowance.take_alone(request.key)
        if not taken.wait:
            self._granted_alone.append((monotonic(), self._name(request)))
            self._forget()
            self._come_back()
        request.future.set_result(taken)

    def _gone(self, error: StoreAway) -> None:
        self.failures += 1
        if not self.up:
            return
        self.up = False
        log.warning("limit store away", store=self.store.name, reason=str(error), until_then=self._down)
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
            except StoreAway as error:
                self.failures += 1
                if error.hopeless and not self._refused:
                    self._refused = True
                    log.error("limit store refuses", store=self.store.name, reason=str(error))  # noqa: TRY400
                continue
            self._refused = False
            if self.up:
                continue
            self.up = True
            if self._down == "local":
                self._wary_until = monotonic() + self.store.limit.seconds
            log.info("limit store back", store=self.store.name)

    async def _tell(self) -> None:
        """Tell the store what was granted without it, if only that it was nothing."""
        while True:
            self._forget()
            alone = self._granted_alone
            told = [alone.popleft() for _ in range(min(BATCH_MOST, len(alone)))]
            try:
                await self.store.take([name for _, name in told], self._deadline(), anyway=True)
            except StoreAway:
                alone.extendleft(reversed(told))
                raise
            if not self._granted_alone:
                return

    def _forget(self) -> None:
        gone = monotonic() - self.store.limit.seconds
        while self._granted_alone and self._granted_alone[0][0] <= gone:
            self._granted_alone.popleft()

    def _name(self, request: _Request) -> str:
        return self.store.key(f"{request.allowance.side}:{request.key}")

    @staticmethod
    def _deadline() -> float:
        return asyncio.get_running_loop().time() + ANSWER_SECONDS


class StoreAllowance:
    """What is counted of one ``side`` (the wire, HTTP) on the store; ``own`` is the gateway's own account."""

    def __init__(self, link: StoreLink, side: str, own: "Allowance | SharedAllowance") -> None:
        self.side = side
        self.own = own
        self.limit = own.limit
        self._link = link

    def take(self, key: Hashable) -> "asyncio.Future[Taken]":
        """Count a request. Raises Refused where the store is away and nothing is granted without it."""
        return self._link.take(self, key)

    def take_alone(self, key: Hashable) -> Taken:
        """Count a request in the gateway's own account."""
        wait = self.own.take(key)
        left, until_more = self.own.left(key) if isinstance(self.own, Allowance) else (0, wait)
        return Taken(wait, left, until_more)
