"""The rate limit on the wire: how many requests to each interface are granted in a window of time, for all
connections together or for each one."""

from collections.abc import Callable, Hashable
from functools import partial
from math import ceil
from typing import Any

from qotgate.gateway.interfaces import INTERFACES
from qotgate.gateway.options import GatewayOptions
from qotgate.gateway.session import Description, Session
from qotgate.limits.allowance import Allowance, BackendLink
from qotgate.limits.redis import RedisBackend
from qotgate.limits.window import Window
from qotgate.model import RateLimited
from qotgate.protocol.messages import ProtoId


class WireAllowance:
    """Counts requests of sessions. ``backend_link`` is the link to the limit backend that several gateways
    share; None without a backend."""

    def __init__(self, options: GatewayOptions, window: Window | None) -> None:
        self.backend_link: BackendLink | None = None
        if options.limit_store is not None and options.rate_limit is not None:
            backend = RedisBackend(options.limit_store, options.rate_limit)
            self.backend_link = BackendLink(backend, options.limit_store_down)
        self._by_connection = options.rate_limit_scope == "connection"
        self._free_research = options.free_research
        # A connection belongs to one gateway, so no other gateway needs its counts.
        link = None if self._by_connection else self.backend_link
        self._allowance = Allowance(options.rate_limit, "wire", window=window, link=link)

    async def open(self) -> None:
        """Check that the limit backend can serve this gateway. Raises QotGateError."""
        if self.backend_link is not None:
            await self.backend_link.open()

    async def close(self) -> None:
        if self.backend_link is not None:
            await self.backend_link.close()

    def change(self, options: GatewayOptions) -> None:
        """Apply a new limit. Requests granted so far count towards it."""
        self._by_connection = options.rate_limit_scope == "connection"
        self._free_research = options.free_research
        self._allowance.change(options.rate_limit)

    @property
    def elsewhere(self) -> bool:
        """Whether the limit backend decides, which takes a round trip."""
        return self._allowance.elsewhere

    def counts(self, session: Session, proto_id: ProtoId, c2s: Any) -> bool:
        """Whether a request counts towards the limit."""
        interface = INTERFACES[proto_id]
        free = interface.is_research and self._free_research and session.is_local
        return not free and interface.counts(c2s)

    def over_limit(self, session: Session) -> Callable[[ProtoId], object] | None:
        """A function that counts a request of a session at once. It returns a true value when the request is
        over the limit or the limit backend has to decide. None without a limit."""
        allowance = self._allowance
        if allowance.limit is None or allowance.window is None:
            return None
        if allowance.elsewhere:
            return _always
        # An interface is the window's key, unless each connection has a limit of its own.
        return partial(self._take, session) if self._by_connection else allowance.window.take

    def count(self, session: Session, proto_id: ProtoId) -> None:
        """Count a request. Raises RateLimited over the limit; the refused request does not count."""
        self._check(proto_id, self._take(session, proto_id))

    async def count_elsewhere(self, proto_id: ProtoId) -> None:
        """Count a request at the limit backend. Raises RateLimited, and Unavailable if the backend is away
        and the gateway may not grant requests without it."""
        taken = await self._allowance.take(proto_id)
        if taken is not None:
            self._check(proto_id, taken.wait)

    def granted(self, session: Session | None = None) -> Description:
        """Ages in seconds of the requests granted lately, by interface: of all sessions, or of one session
        where each has its own limit."""
        window = self._allowance.window
        if window is None or self._by_connection == (session is None):
            return {}
        return {str(int(one)): window.granted(self._key(session, one)) for one in INTERFACES}

    def restore(self, granted: Description, session: Session | None = None) -> None:
        """Count requests that another process granted."""
        ages = {self._key(session, one): granted.get(str(int(one))) for one in INTERFACES}
        self._allowance.restore({key: found for key, found in ages.items() if found})

    def forget(self, session: Session) -> None:
        """Drop the counts of a session that has ended."""
        window = self._allowance.window
        if window is not None and self._by_connection:
            for proto_id in INTERFACES:
                window.forget((session.connection_id, proto_id))

    def _key(self, session: Session | None, proto_id: ProtoId) -> Hashable:
        if session is not None and self._by_connection:
            return session.connection_id, proto_id
        return proto_id

    def _take(self, session: Session, proto_id: ProtoId) -> float:
        """Count a request and return 0. Over the limit, count nothing and return the seconds to wait."""
        return self._allowance.take_here(self._key(session, proto_id))

    def _check(self, proto_id: ProtoId, wait: float) -> None:
        if not wait:
            return
        limit = self._allowance.limit
        assert limit is not None
        raise RateLimited(
            "rate_limited",
            proto=proto_id.name,
            proto_id=int(proto_id),
            limit=limit.requests,
            window=f"{limit.seconds:g}",
            seconds=ceil(wait * 10) / 10,
        )


def _always(_proto_id: ProtoId) -> bool:
    return True
