"""What the gateway asks of the OpenD behind it. A link to a real OpenD, a recorder around one and a replay
from a file all have this shape. Everything here is called in the gateway's event loop.

A client's session has one upstream session of its own, since subscriptions, account pushes and the
connection id in trade requests belong to a connection. Bodies are plain (each side has its own cipher) and
pass untouched, in the format that their frame names.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from qotgate.model import Refused
from qotgate.protocol.frame import Frame

Reply: TypeAlias = Callable[[Frame | Refused], None]
"""Takes the answer to a request, under the request's proto id and serial number, or why there is none."""


class Forwarded(NamedTuple):
    """A request that was forwarded unchanged: its number in its session, and when it came by the performance
    counter, in seconds."""

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
        """Takes the answer to a forwarded request, where the answer's packet cannot be forwarded."""


class Client(Protocol):
    """What an upstream session tells the client's session. No call raises."""

    @property
    def raw(self) -> RawClient | None:
        """The session where it takes OpenD's packets unchanged, else None; settled by the answer to
        InitConnect."""

    def push(self, frame: Frame) -> None:
        """Send a push to the client. Pushes come in OpenD's order; the serial number is OpenD's."""

    def hold(self, held: bool) -> None:
        """Read no more requests from the client while ``held``: the way to OpenD is full."""

    def lost(self, error: Refused) -> None:
        """The upstream session has ended by itself, or it was begun without OpenD, asked for it, and OpenD is
        there again. Every request under way has had its reply. Called once; the client's connection is then
        closed, so that the client connects and subscribes again."""


class RawUpstream(Protocol):
    """An upstream session that takes the client's packets unchanged."""

    def forward(
        self, data: bytes, position: int, end: int, *, limit: int, room: int, number: int, at: float
    ) -> tuple[int, int]:
        """Send the requests that start in ``data`` between ``position`` and ``end``, up to the first that
        takes :meth:`UpstreamSession.ask`: at most ``room`` of them, with bodies of at most ``limit`` bytes.
        They came ``at`` this moment, and their numbers follow ``number``. Gives the position behind the last
        one, and how many they are."""


class UpstreamSession(Protocol):
    """One session with OpenD. It begins paused: nothing is pushed before the first :meth:`resume`, which
    comes when the client has its answer to InitConnect."""

    @property
    def s2c(self) -> Any | None:
        """OpenD's InitConnect.S2C. The client is told all of it but the key and the IV, which are each side's
        own. None where there is no OpenD behind the session: the gateway then answers by itself, and
        :meth:`ask` gives refusals."""

    @property
    def raw(self) -> RawUpstream | None:
        """The session where it takes the client's packets unchanged, else None."""

    def ask(self, frame: Frame, reply: Reply) -> None:
        """Pass a request on under its own serial number. ``reply`` is called exactly once, perhaps before
        this returns, and never after :meth:`close`."""

    def pause(self) -> None:
        """Give no more replies and pushes soon: the client does not read. A bounded number may still come."""

    def resume(self) -> None:
        """Go on after :meth:`pause`."""

    def close(self) -> None:
        """The client has gone. Nothing is called after this."""


class Figures(NamedTuple):
    """What is measured of an upstream: whether OpenD answered when it was last asked, how many sessions have
    one behind them, and how often what has happened."""

    up: bool
    sessions: int
    events: Mapping[str, int]


class Upstream(Protocol):
    """Where upstream sessions come from."""

    def figures(self) -> Figures:
        """Figures for the metrics; called from another thread, too."""

    def takes(self, proto_id: int) -> bool:
        """Whether a request of this number goes here, rather than to the gateway's own interfaces.
        InitConnect and KeepAlive never do."""

    async def open(self, c2s: Any, client: Client, *, secure: bool) -> UpstreamSession:
        """Begin a session for a client that sent ``c2s``, an InitConnect.C2S (for a WebSocket client, one
        with what its InitWebSocket says). ``secure`` says that the client's connection is encrypted or does
        not leave this machine. Does not raise: where OpenD is away or refuses, the session has no ``s2c``.
        """

    async def start(self) -> None:
        """Called once, before the first session. Raises QotGateError."""

    async def close(self) -> None:
        """Called once, after the last session."""
