"""The protocol between the gateway and its upstream. A link to a real OpenD, a recorder around one and a
replay from a file all implement it. Every call is made in the gateway's event loop.

Each client's session has its own upstream session, since subscriptions, account pushes and the connection id
in trade requests belong to a connection. Bodies are plain (each side has its own cipher) and pass unchanged,
in the format that their frame names.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from qotgate.model import Refused
from qotgate.protocol.frame import Frame

Reply: TypeAlias = Callable[[Frame | Refused], None]
"""Takes the answer to a request, with the request's proto id and serial number, or the reason why there is
none."""


class Forwarded(NamedTuple):
    """A request that was forwarded unchanged: its number in its session, and its arrival time by the
    performance counter, in seconds."""

    proto_id: int
    body_format: int
    serial: int
    number: int
    at: float

    @property
    def frame(self) -> Frame:
        """The request without its body."""
        return Frame(self.proto_id, self.body_format, self.serial, b"")


class RawClient(Protocol):
    """A client's session that takes OpenD's packets unchanged."""

    def forward(self, packets: bytes, answered: list[Forwarded]) -> None:
        """Send packets to the client: the answers to ``answered``, and pushes."""

    def reply_to(self, request: Forwarded) -> Reply:
        """A function that takes the answer to a forwarded request, if its packet cannot be forwarded."""


class Client(Protocol):
    """The calls from an upstream session to the client's session. No call raises."""

    @property
    def raw(self) -> RawClient | None:
        """The session as one that takes OpenD's packets unchanged, if it can; else None. Fixed by the answer
        to InitConnect."""

    def push(self, frame: Frame) -> None:
        """Send a push to the client. Pushes come in OpenD's order; the serial number is OpenD's."""

    def hold(self, held: bool) -> None:
        """Stop reading requests from the client while ``held``: the queue to OpenD is full."""

    def lost(self, error: Refused) -> None:
        """The upstream session has ended; or a session without OpenD asked for it, and OpenD is back. Every
        pending request has had its reply. Called once. The client's connection is then closed, so that the
        client connects and subscribes again."""


class RawUpstream(Protocol):
    """An upstream session that takes the client's packets unchanged."""

    def forward(
        self, data: bytes, position: int, end: int, *, limit: int, room: int, number: int, at: float
    ) -> tuple[int, int]:
        """Send the requests that start in ``data`` between ``position`` and ``end``, up to the first that
        needs :meth:`UpstreamSession.ask`: at most ``room`` of them, with bodies of at most ``limit`` bytes.
        ``at`` is their arrival time; their numbers follow ``number``. Returns the position after the last
        one, and their count."""


class UpstreamSession(Protocol):
    """One session with OpenD. It starts paused: no pushes come before the first :meth:`resume`, after the
    client has its answer to InitConnect."""

    @property
    def s2c(self) -> Any | None:
        """OpenD's InitConnect.S2C. The client gets all of it except the key and the IV, which differ on each
        side. None if no OpenD is behind the session: the gateway then answers itself, and :meth:`ask` gives
        refusals."""

    @property
    def raw(self) -> RawUpstream | None:
        """The session as one that takes the client's packets unchanged, if it can; else None."""

    def ask(self, frame: Frame, reply: Reply) -> None:
        """Forward a request with its own serial number. ``reply`` is called exactly once, perhaps before this
        returns, and never after :meth:`close`."""

    def pause(self) -> None:
        """Stop replies and pushes soon: the client does not read. A bounded number may still come."""

    def resume(self) -> None:
        """Continue after :meth:`pause`."""

    def close(self) -> None:
        """The client has gone. Nothing is called afterwards."""


class Figures(NamedTuple):
    """Measurements of an upstream: whether OpenD answered the last attempt, how many sessions have an OpenD,
    and counters of events."""

    up: bool
    sessions: int
    events: Mapping[str, int]


class Upstream(Protocol):
    """The source of upstream sessions."""

    def figures(self) -> Figures:
        """Figures for the metrics; also called from another thread."""

    def accepts(self, proto_id: int) -> bool:
        """Whether a request with this proto id goes here, rather than to the gateway's own interfaces.
        InitConnect and KeepAlive never do."""

    async def open(self, c2s: Any, client: Client, *, secure: bool) -> UpstreamSession:
        """Start a session for a client that sent ``c2s``, an InitConnect.C2S (for a WebSocket client, the
        equivalent of its InitWebSocket). ``secure`` says that the client's connection is encrypted or does
        not leave this machine. Does not raise: if OpenD is away or refuses, the session has no ``s2c``."""

    async def start(self) -> None:
        """Called once, before the first session. Raises QotGateError."""

    async def close(self) -> None:
        """Called once, after the last session."""
