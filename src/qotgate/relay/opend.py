"""A real OpenD behind the gateway.

Each client's session has its own :class:`~qotgate.relay.link.Link`. If OpenD is away or refuses the login,
the client is served without it: the gateway's own questions are answered, others refused. If such a session
asked for OpenD, the gateway retries from time to time. Once OpenD is back, the gateway closes the client's
connection, since the connection id that trade requests carry is assigned at login.
"""

import asyncio
import contextlib
import random
import re
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from qotgate.model import QotGateError, Refused, Unavailable, is_loopback
from qotgate.protocol.cipher import PacketEncAlgo, RsaKey
from qotgate.protocol.frame import Frame
from qotgate.protocol.interface import OWN_QUESTIONS
from qotgate.protocol.messages import REQUESTS, ProtoId
from qotgate.relay.cache import RULES, AnswerCache
from qotgate.relay.link import Link
from qotgate.relay.trading import TRADING, VERIFICATION, trading_refusal
from qotgate.relay.upstream import Client, Figures, RawUpstream, Reply

STATE = frozenset(
    {
        ProtoId.GetGlobalState,
        ProtoId.GetUserInfo,
        ProtoId.Qot_RequestTradeDate,
        ProtoId.Qot_GetMarketState,
    }
)
"""Questions for OpenD if there is one; otherwise the gateway answers them."""
CONNECTION = frozenset({ProtoId.InitConnect, ProtoId.KeepAlive, ProtoId.Qotgate_GetResearch})
"""Requests about one connection, which each side handles itself, and requests that no OpenD knows."""
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 10.0
REFUSED_BACKOFF_SECONDS = 30.0
"""Time before a login that OpenD refused is retried."""
COUNTED = ("answers", "cached", "pushes", "lost", "damaged", "refused", "failures")
"""The counters: OpenD's answers, answers from the cache, pushes, requests whose answer was lost, damaged
packets, refused logins, failed attempts to reach OpenD."""
NUMBERS = re.compile(r"\d{5,}")
"""Digits that may be the number of an account or a user."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OpenDOptions:
    """OpenD's address, its RSA key, and which requests may pass. ``own`` are the proto ids that the gateway
    answers itself; ``trade`` lets trading requests pass; ``cache`` is the folder of cached answers.

    Raises QotGateError for trading over an unencrypted network.
    """

    host: str
    port: int
    key: RsaKey | None = None
    algorithm: PacketEncAlgo = PacketEncAlgo.AES_CBC
    own: frozenset[int] = OWN_QUESTIONS
    trade: bool = False
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.trade and self.key is None and not is_loopback(self.host):
            raise QotGateError(
                f"--upstream-trade with an OpenD on another machine ({self.host}) takes "
                "--upstream-rsa-key: trading requests leave this machine only encrypted."
            )

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class OpenD:
    """Upstream sessions with the OpenD at ``options``, for one event loop."""

    def __init__(self, options: OpenDOptions) -> None:
        self.options = options
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        """Counters, by the names in COUNTED."""
        self.cache = AnswerCache(options.cache) if options.cache is not None else None
        self.excluded = CONNECTION | options.own | {VERIFICATION, *TRADING}
        """The proto ids whose requests are checked one by one, since not all of them may pass."""
        if self.cache is not None:
            self.excluded |= RULES.keys()
        self.links: set[Link] = set()
        self.state = ""
        """The last known state: up, lost, away or refused; empty before the first attempt."""
        self._sessions: set[_Session] = set()
        self._keeping: set[asyncio.Task[None]] = set()
        self._error: Unavailable | None = None
        self._failures = 0
        self._next_try = 0.0
        self._first: asyncio.Task[None] | None = None

    def figures(self) -> Figures:
        return Figures(self.state == "up", len(self.links), dict(self.counts))

    def accepts(self, proto_id: int) -> bool:
        return proto_id not in self.options.own and proto_id not in CONNECTION

    async def start(self) -> None:
        if self.cache is not None:
            await self.cache.open()
        # In the background: the gateway starts without OpenD too.
        self._first = asyncio.create_task(self._look())

    async def open(self, c2s: Any, client: Client, *, secure: bool) -> "_Session":
        session = _Session(self, c2s, client, secure=secure)
        self._sessions.add(session)
        await session.begin()
        return session

    async def close(self) -> None:
        if self._first is not None:
            self._first.cancel()
        for session in list(self._sessions):
            session.close()
        if self.cache is not None:
            await asyncio.gather(*self._keeping)
            await self.cache.close()

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Store an answer in the cache."""
        task = asyncio.create_task(work)
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def forget(self, session: "_Session") -> None:
        self._sessions.discard(session)

    async def connect(self, c2s: Any) -> Link:
        """A link logged in with ``c2s``. Raises Refused, and Unavailable at once if OpenD was away a moment
        ago."""
        loop = asyncio.get_running_loop()
        if self._error is not None and loop.time() < self._next_try:
            raise self._error
        options = self.options
        try:
            link = await Link.open(
                (options.host, options.port), options.key, options.algorithm, c2s, self.counts, self._ended
            )
        except Unavailable as error:
            self.counts["failures"] += 1
            seconds = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(self._failures, 10))
            self._failures += 1
            # Random, so that several gateways do not retry at once. Nothing secret depends on the number.
            self._next_try = loop.time() + seconds * random.uniform(0.8, 1.0)  # noqa: S311  # nosec B311
            self._error = error
            self._tell("away", error.text("en"))
            raise
        except Refused as error:
            self.counts["refused"] += 1
            self._error, self._failures = None, 0
            self._tell("refused", error.text("en"))
            raise
        self._error, self._failures = None, 0
        self._tell("up")
        self.links.add(link)
        return link

    def drop(self, link: Link) -> None:
        """Close a link."""
        self.links.discard(link)
        link.close()

    def until_next_try(self) -> float:
        """Seconds until the next attempt."""
        return max(0.0, self._next_try - asyncio.get_running_loop().time())

    async def _look(self) -> None:
        """Check whether OpenD is reachable, for the log."""
        with contextlib.suppress(Refused):
            self.drop(await self.connect(own_login()))

    def _ended(self, link: Link, reason: str) -> None:
        self.links.discard(link)
        self._tell("lost", reason)

    def _tell(self, state: str, reason: str = "") -> None:
        """Log the state of OpenD, once for each change."""
        if state == self.state:
            return
        self.state = state
        reason = NUMBERS.sub("*", reason)
        if state == "up":
            log.info("upstream is there", address=self.options.address)
        else:
            log.warning(f"upstream {_EVENTS[state]}", address=self.options.address, reason=reason)


_EVENTS = {"away": "is away", "lost": "link lost", "refused": "refused the login"}


class _Session:
    """A client's upstream session: a link with the rules about which requests pass, or no link yet."""

    def __init__(self, opend: OpenD, c2s: Any, client: Client, *, secure: bool) -> None:
        self._opend = opend
        self._c2s = c2s
        self._client = client
        self._secure = secure
        self._link: Link | None = None
        self._error: Refused = Unavailable("upstream_lost")
        self._seeking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        try:
            self._link = await self._opend.connect(self._c2s)
        except Refused as error:
            self._error = error
        else:
            self._link.start(self._client, self._opend.excluded)

    @property
    def s2c(self) -> Any | None:
        return self._link.s2c if self._link is not None else None

    @property
    def raw(self) -> RawUpstream | None:
        return self._link.raw if self._link is not None else None

    def ask(self, frame: Frame, reply: Reply) -> None:
        allowed = self._opend.options.trade
        refusal = trading_refusal(frame.proto_id, allowed=allowed, secure=self._secure)
        if refusal is not None:
            reply(refusal)
        elif self._link is not None:
            cache = self._opend.cache
            if cache is not None and cache.rule(frame) is not None:
                self._start(self._ask_cache(cache, self._link, frame, reply))
            else:
                self._link.ask(frame, reply)
        else:
            reply(self._error)
            if self._seeking is None:
                self._seeking = self._start(self._seek())

    def pause(self) -> None:
        if self._link is not None:
            self._link.pause()

    def resume(self) -> None:
        if self._link is not None:
            self._link.resume()

    def close(self) -> None:
        self._opend.forget(self)
        if self._link is not None:
            self._opend.drop(self._link)
        for task in self._tasks:
            task.cancel()

    async def _ask_cache(self, cache: AnswerCache, link: Link, frame: Frame, reply: Reply) -> None:
        """Answer from the cache; otherwise ask OpenD and cache the answer."""
        scope = f"{self._opend.options.address} {link.s2c.loginUserID}"
        found = await cache.find(scope, frame)
        if found is not None:
            self._opend.counts["cached"] += 1
            reply(frame._replace(body=found))
            return

        def answered(answer: Frame | Refused) -> None:
            reply(answer)
            if isinstance(answer, Frame):
                # The client need not stay connected for it.
                self._opend.keep(cache.keep(scope, frame, answer.body))

        link.ask(frame, answered)

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _seek(self) -> None:
        """Wait until OpenD accepts the client's login, then have the client log in again."""
        while True:
            refused = not isinstance(self._error, Unavailable)
            await asyncio.sleep(REFUSED_BACKOFF_SECONDS if refused else self._opend.until_next_try())
            try:
                link = await self._opend.connect(self._c2s)
            except Refused as error:
                self._error = error
                continue
            self._opend.drop(link)
            self._client.lost(Unavailable("upstream_back"))
            return


def own_login() -> Any:
    """The InitConnect.C2S that the gateway uses to check OpenD."""
    c2s = REQUESTS[ProtoId.InitConnect]().c2s
    c2s.clientVer, c2s.clientID, c2s.recvNotify = 1011, "qotgate", False
    c2s.programmingLanguage = "Python"
    return c2s
