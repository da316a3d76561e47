"""A client's session, as the engine and the door know it; a carrier (TCP, WebSocket) implements it."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from enum import Enum, Flag, auto
from typing import Any, NamedTuple, TypeAlias

from qotgate.model import InvalidRequest, Language, Refused, is_loopback
from qotgate.protocol.frame import Frame
from qotgate.relay.upstream import RawClient, UpstreamSession

Description: TypeAlias = dict[str, Any]
"""A session's state as JSON, handed from one process to another."""
MAX_UNREAD = 16 << 10
"""Largest partial request that migrates with its session, in bytes."""
MAX_UNDER_WAY = 256
"""Pending requests of one session, beyond which the gateway reads no more from it."""


class State(Enum):
    """The state of a session. LOGGING_IN lasts while an OpenD behind the gateway answers the login."""

    NEW = auto()
    LOGGING_IN = auto()
    OPEN = auto()
    ENDED = auto()


class Hold(Flag):
    """Why a session is held: the client does not read, its InitConnect waits for the private key or for the
    OpenD behind the gateway, or the queue to that OpenD is full."""

    WRITING = auto()
    KEY = auto()
    LOGIN = auto()
    UPSTREAM = auto()


class Login(NamedTuple):
    """A client's first request: an InitConnect.C2S, whether the connection will be encrypted, the fields for
    the log, and what the carrier has agreed on for :meth:`Session.welcome`."""

    c2s: Any
    encrypted: bool
    fields: dict[str, Any]
    agreed: Any = None


class EndReason(NamedTuple):
    """Why a session ends; ``warns`` if an operator should look at it."""

    text: str
    warns: bool = False


class Session(ABC):
    """A client's session in an event loop. ``moved`` is its state in the process that it migrated from, if
    any."""

    def __init__(self, loop: asyncio.AbstractEventLoop, moved: Description | None = None) -> None:
        self._loop = loop
        self.moved = moved is not None
        moved = moved or {}
        # Clients keep connection ids in one map per process, so ids of several gateways must differ.
        self.connection_id: int = moved.get("id") or secrets.randbits(53) | 1
        self.state = State.OPEN if moved.get("initialised") else State.NEW
        self.turned_away: InvalidRequest | None = None
        """Why it got no connection slot; the client gets this refusal before the close."""
        self.origin: int | None = None
        """A number for the peer's IPv4 address or IPv6 network; None for a peer without an address."""
        self.peer = ""
        self.lang: Language | None = moved.get("lang")
        """The language that the client asked for, if any."""
        self.keep_alive_interval: int | None = None
        """Keep-alive interval in seconds, if the client was given another than the gateway's own."""
        self.upstream: UpstreamSession | None = None
        """Its session with the OpenD behind the gateway."""
        self.requests: int = moved.get("requests", 0)
        """Requests that were not answered from the cache. The number identifies them in the log."""
        self.under_way = 0
        """Requests that wait for their answers."""
        self.opened = self.last_received = loop.time()
        self._holds = Hold(0)
        self.end_reason: EndReason | None = None

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine."""
        return is_loopback(self.peer.rpartition(":")[0].strip("[]"))

    @property
    def busy(self) -> bool:
        """Whether a request is pending."""
        return self.under_way > 0

    @property
    def raw(self) -> RawClient | None:
        """The session as one that takes OpenD's packets unchanged, if it can; else None."""
        return None

    def hold(self, held: bool) -> None:
        """Stop reading requests while ``held``: the queue to OpenD is full."""
        self._hold(Hold.UPSTREAM, held=held)

    def pause_writing(self) -> None:
        """Stop reading requests: the client does not read its answers. A transport calls it."""
        if self.upstream is not None:
            self.upstream.pause()
        self._hold(Hold.WRITING, held=True)

    def resume_writing(self) -> None:
        """Read requests again: the client reads its answers. A transport calls it."""
        # The gateway read nothing from the client meanwhile and cannot know its keep-alives. Reading answers
        # is a sign of life.
        self.last_received = self._loop.time()
        if self.upstream is not None:
            self.upstream.resume()
        self._hold(Hold.WRITING, held=False)

    @property
    def _may_answer(self) -> bool:
        return not self._holds and self.under_way < MAX_UNDER_WAY

    def _hold(self, reason: Hold, *, held: bool) -> None:
        self._holds = self._holds | reason if held else self._holds & ~reason
        self._balance()

    @abstractmethod
    def _balance(self) -> None:
        """Continue with waiting input and read again, if the session is not held."""

    def silent_since(self, moment: float) -> bool:
        """Whether the client has sent nothing since ``moment``, in the loop's time. A client with pending
        requests is not silent: with many pending, the gateway stops reading from it."""
        return not self.under_way and self.last_received < moment

    def because(self, reason: str, *, warns: bool = False) -> None:
        """Set why the session ends; the first reason stays. ``warns`` if an operator should look at it."""
        self.end_reason = self.end_reason or EndReason(reason, warns)

    def lost(self, error: Refused) -> None:
        """Close because the OpenD session behind the gateway has ended, so that the client logs in again."""
        self.because(error.text("en"), warns=True)
        self.close()

    @abstractmethod
    def read_login(self, frame: Frame) -> Login:
        """Read the carrier's first request, InitConnect or its equivalent. Raises InvalidRequest."""

    @abstractmethod
    def welcome(self, login: Login, s2c: Any) -> Any:
        """The Response that logs the client in; ``s2c``, an InitConnect.S2C, describes the server. Later
        packets are encrypted as agreed."""

    @abstractmethod
    def broken(self, frame: Frame) -> str:
        """The sentence about a frame whose body does not match its header."""

    @abstractmethod
    def deliver(self, frame: Frame, sealed: bytes) -> None:
        """Send the answer to the pending ``frame`` at once. Does nothing if the client has gone."""

    @abstractmethod
    def push(self, frame: Frame) -> None:
        """Send a frame that answers no request. Does nothing if the client has gone."""

    @abstractmethod
    def close(self) -> None:
        """Close once all answers have been sent."""

    @abstractmethod
    def abort(self) -> None:
        """Close at once."""

    @abstractmethod
    def stop_reading(self) -> None:
        """Accept no more requests."""

    @property
    @abstractmethod
    def looked_at(self) -> bool:
        """Whether all received input has been counted."""

    @abstractmethod
    def hand_over(self) -> None:
        """Prepare for another gateway to take over: close once the pending requests are answered, or
        migrate."""
