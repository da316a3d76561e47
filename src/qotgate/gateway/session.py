"""A client's session, as the engine and the door know it; a carrier (TCP, WebSocket) makes it one."""

import secrets
from abc import ABC, abstractmethod
from enum import Enum, Flag, auto
from typing import Any, NamedTuple, TypeAlias

from qotgate.model import InvalidRequest, Language, Refused, is_loopback
from qotgate.protocol.frame import Frame
from qotgate.relay.upstream import RawClient, UpstreamSession

Description: TypeAlias = dict[str, Any]
"""What one process says of a session to another, as JSON has it."""
MAX_UNREAD = 16 << 10
"""Bytes of a request that is half there, with which a session is moved."""
MAX_UNDER_WAY = 256
"""Requests of one session under way, beyond which no more is read from it."""


class State(Enum):
    """The state of a session. LOGGING_IN lasts while an OpenD behind the gateway answers the login."""

    NEW = auto()
    LOGGING_IN = auto()
    OPEN = auto()
    ENDED = auto()


class Hold(Flag):
    """Why a session answers nothing for now: the client does not read, its InitConnect waits for the private
    key or for the server behind the gateway, or the way to that server is full."""

    WRITING = auto()
    KEY = auto()
    LOGIN = auto()
    UPSTREAM = auto()


class Login(NamedTuple):
    """What a client says of itself: an InitConnect.C2S, whether the connection will be encrypted, what the
    log says of it, and what the carrier has agreed on for :meth:`Session.welcome`."""

    c2s: Any
    encrypted: bool
    fields: dict[str, Any]
    agreed: Any = None


class EndReason(NamedTuple):
    """Why a session ends; ``warns`` where an operator should look at it."""

    text: str
    warns: bool = False


class Session(ABC):
    """A client's session. ``moved`` is what another process said of it, where one began it."""

    def __init__(self, now: float, moved: Description | None = None) -> None:
        self.moved = moved is not None
        moved = moved or {}
        # Clients keep connection ids in one map per process, so ids of several gateways must differ.
        self.connection_id: int = moved.get("id") or secrets.randbits(53) | 1
        self.state = State.OPEN if moved.get("initialised") else State.NEW
        self.turned_away: InvalidRequest | None = None
        """Why it has no connection slot: it is told so and closed."""
        self.origin: int | None = None
        """A number for its address or network; None for nowhere."""
        self.peer = ""
        self.lang: Language | None = moved.get("lang")
        """The language that the client has asked for, if any."""
        self.keep_alive_interval: int | None = None
        """Seconds, where the client was told others than the gateway's own."""
        self.upstream: UpstreamSession | None = None
        """Its session with the OpenD behind the gateway."""
        self.requests: int = moved.get("requests", 0)
        """Requests that were looked at one by one. It numbers them in the log, where no others are."""
        self.under_way = 0
        """Requests that wait for their answers."""
        self.opened = self.last_received = now
        self.end_reason: EndReason | None = None

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine."""
        return is_loopback(self.peer.rpartition(":")[0].strip("[]"))

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer."""
        return self.under_way > 0

    @property
    def raw(self) -> RawClient | None:
        """The session where it takes OpenD's packets unchanged, else None."""
        return None

    def silent_since(self, moment: float) -> bool:
        """Whether the client has sent nothing since ``moment``, in the loop's time. One with questions under
        way waits for the gateway: where they are many, no more is read."""
        return not self.under_way and self.last_received < moment

    def because(self, reason: str, *, warns: bool = False) -> None:
        """Set why the session ends; the first reason stays. ``warns`` where an operator should look at it."""
        self.end_reason = self.end_reason or EndReason(reason, warns)

    def lost(self, error: Refused) -> None:
        """The session with the OpenD behind the gateway has ended: close, so that the client begins anew."""
        self.because(error.text("en"), warns=True)
        self.close()

    @abstractmethod
    def read_login(self, frame: Frame) -> Login:
        """Read the carrier's first request, InitConnect or its like. Raises InvalidRequest."""

    @abstractmethod
    def welcome(self, login: Login, s2c: Any) -> Any:
        """The Response that lets the client in, with what ``s2c``, an InitConnect.S2C, says of the server.
        What comes after it is encrypted as was agreed."""

    @abstractmethod
    def broken(self, frame: Frame) -> str:
        """The sentence about a frame whose body is not what its header says."""

    @abstractmethod
    def deliver(self, frame: Frame, sealed: bytes) -> None:
        """Send the answer to ``frame``, which was under way, at once. Nothing where the client has gone."""

    @abstractmethod
    def push(self, frame: Frame) -> None:
        """Send a frame that answers no request. Nothing where the client has gone."""

    @abstractmethod
    def hold(self, held: bool) -> None:
        """Read no more requests while ``held``: the queue to OpenD is full."""

    @abstractmethod
    def close(self) -> None:
        """Close once all answers have been sent."""

    @abstractmethod
    def abort(self) -> None:
        """Close at once."""

    @abstractmethod
    def stop_reading(self) -> None:
        """Take no more requests."""

    @property
    @abstractmethod
    def looked_at(self) -> bool:
        """Whether all input has been counted."""

    @abstractmethod
    def hand_over(self) -> None:
        """Another gateway takes over. Close once the pending requests are answered, or move."""
