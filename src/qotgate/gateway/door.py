"""The door: which connections come in, and which may stay.

It gives out the connection slots, of all and of one address. It drops a client that does not log in
in time, and one that is silent for too long.
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
"""Keep-alive intervals without a byte, sent or read, after which a connection is dropped."""
MAX_TURNED_AWAY = 32
"""Connections without a slot that are kept long enough to be told so; further ones are closed unheard."""

log = structlog.get_logger()


class Phase(IntEnum):
    """SERVING, then DRAINING, when no more connections and requests are taken, then CLOSING what there is."""

    SERVING = auto()
    DRAINING = auto()
    CLOSING = auto()


class Door:
    """Admits sessions, and knows those that are in. ``left`` is called with each that has ended."""

    def __init__(
        self, options: GatewayOptions, slots: Slots, counts: Counts, left: Callable[[Session], object]
    ) -> None:
        self.options = options
        self.sessions: set[Session] = set()
        self.phase = Phase.SERVING
        self.deadline = 0.0
        """Until when answers under way are waited for, in the loop's time, from DRAINING on."""
        self._loop = asyncio.get_running_loop()
        self._slots = slots
        self._addresses: dict[Session, int | None] = {}
        """Of each session with a slot the address that it is counted by."""
        self._counts = counts
        self._left = left
        self._told = 0
        """Sessions that are being told that there is no slot."""
        self._unlogged = 0

    @property
    def draining(self) -> bool:
        """Whether no more connections and requests are taken."""
        return self.phase is not Phase.SERVING

    def change(self, options: GatewayOptions) -> None:
        """Go on by other options; connections stay."""
        self.options = options
        self._slots.most = options.max_connections

    def drain(self, phase: Phase) -> None:
        """Take no more connections and requests. From the first call on the time to drain counts."""
        if self.phase is Phase.SERVING:
            self.deadline = self._loop.time() + self.options.drain_seconds
        self.phase = max(self.phase, phase)
        for session in self.sessions:
            session.stop_reading()

    def admit(self, session: Session, transport: asyncio.BaseTransport) -> bool:
        """Whether a new session is served, or at least told that there is no slot for it."""
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
        """A session has ended."""
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
        """Drop clients that have been silent for too long, and those without a login for as long,
        however much else they send."""
        # What may happen by the thousand a second is told once a second.
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
        """Log why a session has ended; at debug level where the client never logged in."""
        reason, warns = session.end_reason or ("the client closed it", False)
        level = "warning" if warns else "info" if opened else "debug"
        getattr(log, level)(
            "connection closed",
            connection=session.connection_id,
            peer=session.peer,
            reason=reason,
            seconds=round(self._loop.time() - session.opened, 1),
        )
