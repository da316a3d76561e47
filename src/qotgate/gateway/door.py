"""The door: which connections are admitted, and which may stay.

It hands out the connection slots, in all and for each address. It drops clients that do not log in in time
and clients that are silent for too long.
"""

import asyncio
from collections.abc import Callable
from enum import IntEnum, auto

import structlog

from qotgate.gateway.counts import Counts
from qotgate.gateway.options import GatewayOptions
from qotgate.gateway.session import Session, State
from qotgate.limits.slots import Slots, address_of
from qotgate.model import InvalidRequest

SILENT_INTERVALS = 3
"""Keep-alive intervals without a byte in either direction, after which a connection is dropped."""
MAX_TURNED_AWAY = 32
"""Connections without a slot that stay open until they get their refusal; further ones are closed at once."""

log = structlog.get_logger()


class Phase(IntEnum):
    """SERVING; then DRAINING, when no new connections and requests are accepted; then CLOSING the rest."""

    SERVING = auto()
    DRAINING = auto()
    CLOSING = auto()


class Door:
    """Admits sessions and tracks them. ``left`` is called with each session that has ended."""

    def __init__(
        self, options: GatewayOptions, slots: Slots, counts: Counts, left: Callable[[Session], object]
    ) -> None:
        self.options = options
        self.sessions: set[Session] = set()
        self.phase = Phase.SERVING
        self.deadline = 0.0
        """Loop time until which pending answers may finish; set when DRAINING begins."""
        self._loop = asyncio.get_running_loop()
        self._slots = slots
        self._addresses: dict[Session, int | None] = {}
        """The address that each session with a slot counts towards."""
        self._counts = counts
        self._left = left
        self._told = 0
        """Sessions without a slot that are getting their refusal."""
        self._unlogged = 0

    @property
    def draining(self) -> bool:
        """Whether new connections and requests are refused."""
        return self.phase is not Phase.SERVING

    def change(self, options: GatewayOptions) -> None:
        """Apply new options; connections stay."""
        self.options = options
        self._slots.most = options.max_connections

    def drain(self, phase: Phase) -> None:
        """Accept no new connections and requests. The time to drain starts with the first call."""
        if self.phase is Phase.SERVING:
            self.deadline = self._loop.time() + self.options.drain_seconds
        self.phase = max(self.phase, phase)
        for session in self.sessions:
            session.stop_reading()

    def admit(self, session: Session, transport: asyncio.BaseTransport) -> bool:
        """Whether a new session is served, or at least refused with a sentence."""
        options = self.options
        session.origin = address_of(transport)
        address = None if options.max_connections_per_address is None else session.origin
        lack = self._slots.acquire(address, force=session.moved)
        if lack is None:
            self._addresses[session] = address
        else:
            of_address = lack == "too_many_of_address"
            self._counts.turned_away["address" if of_address else "connections"] += 1
            self._unlogged += 1
            if self._told >= MAX_TURNED_AWAY:
                return False
            self._told += 1
            limit = options.max_connections_per_address if of_address else options.max_connections
            session.turned_away = InvalidRequest(lack, limit=limit)
        self.sessions.add(session)
        if session.moved:
            log.debug("connection arrived", connection=session.connection_id, peer=session.peer)
        return True

    def leave(self, session: Session) -> None:
        """Forget a session that has ended and release its slot."""
        opened = session.state is State.OPEN
        session.state = State.ENDED
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        if session.turned_away is not None:
            self._told -= 1
        else:
            self._log_closed(session, opened=opened)
            self._slots.release(self._addresses.pop(session))
        self._left(session)

    def sweep(self) -> None:
        """Drop clients that have been silent for too long, and clients that have not logged in for as long,
        whatever else they send."""
        # Logged once a second: it may happen a thousand times a second.
        if self._unlogged:
            log.warning(
                "connections refused", number=self._unlogged, max_connections=self.options.max_connections
            )
            self._unlogged = 0
        now = self._loop.time()
        for session in list(self.sessions):
            allowed = SILENT_INTERVALS * (session.keep_alive_interval or self.options.keep_alive_interval)
            oldest = now - allowed
            if session.silent_since(oldest):
                session.because(f"it was silent for {allowed} seconds", warns=True)
            elif session.state is not State.OPEN and session.opened < oldest:
                session.because(f"it did not say who it is for {allowed} seconds", warns=True)
            else:
                continue
            session.abort()

    def _log_closed(self, session: Session, *, opened: bool) -> None:
        """Log why a session has ended; at debug level if the client never logged in."""
        reason, warns = session.end_reason or ("the client closed it", False)
        level = "warning" if warns else "info" if opened else "debug"
        getattr(log, level)(
            "connection closed",
            connection=session.connection_id,
            peer=session.peer,
            reason=reason,
            seconds=round(self._loop.time() - session.opened, 1),
        )
