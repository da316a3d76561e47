"""A recording in memory: exchanges by their request, and pushes by the exchange that caused them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from qotgate.model import QotGateError
from qotgate.protocol.frame import JSON, PROTOBUF
from qotgate.protocol.messages import ProtoId
from qotgate.relay.bodies import Body, json_fields, load_body, meaning
from qotgate.relay.published import PACKAGES, Messages, known_messages
from qotgate.relay.recording import Line, read_lines

QUOTE_SUB, QUOTE_PUSH = 3001, 3002
"""Qot_Sub and Qot_RegQotPush name securities and kinds of data, in any order."""
ORDERS = (2202, 2205, 2227)
CAUSES = {
    **dict.fromkeys((3005, 3007, 3009, 3011, 3013, 3015), (QUOTE_SUB, QUOTE_PUSH)),
    **dict.fromkeys((2208, 2218), (*ORDERS, 2008)),
    **dict.fromkeys((3450, 3451, 3452), (3455,)),
    3019: (3220,),
    3261: (3260,),
    3310: (3309,),
}
"""The requests that may cause a push, by the push's proto id. The start of a session causes other pushes."""
ALL_CAUSES = frozenset(proto_id for causes in CAUSES.values() for proto_id in causes)
PUSHES = {1: 3005, 2: 3013, 4: 3011, 5: 3009, 14: 3015, 22: 3013}
"""The proto id of pushes by SubType; other SubTypes are K-lines of some period."""
KLINE_PUSH = 3007
WITHIN_ANY_CONNECTION = {"packetID", "connID", "userID"}
"""Fields of a request that identify the client, not the question. userID is out of use: clients send their
own or 0."""

Security = tuple[int, str]


class Unsubscribed(NamedTuple):
    """The pushes that a request ends; ``proto_ids`` None means all quotes."""

    proto_ids: frozenset[int] | None
    securities: frozenset[Security]

    def covers(self, push: "Push") -> bool:
        if self.proto_ids is None:
            return push.proto_id in CAUSES and QUOTE_SUB in CAUSES[push.proto_id]
        return push.proto_id in self.proto_ids and push.securities <= self.securities


@dataclass(slots=True, frozen=True)
class Push:
    """A push, ``after`` seconds after its cause."""

    line: int
    proto_id: int
    after: float
    load: Callable[[], Body]
    """Reads its body when needed: it takes a third of a millisecond, and a recording may have very many
    pushes."""
    securities: frozenset[Security]


@dataclass
class Exchange:
    """A request and its answer. ``at`` and ``asked_at`` are seconds from the beginning of the file."""

    line: int
    session: int
    number: int
    proto_id: int
    name: str
    at: float
    asked_at: float
    request: Body
    response: Body
    key: bytes
    pushes: list[Push] = field(default_factory=list)

    @property
    def subscribes(self) -> bool:
        """Whether it may cause pushes."""
        return self.unsubscribes is None

    @cached_property
    def unsubscribes(self) -> Unsubscribed | None:
        message = self.request.message
        if message is None or self.proto_id not in (QUOTE_SUB, QUOTE_PUSH):
            return None
        c2s = message.c2s
        if self.proto_id == QUOTE_SUB and c2s.isUnsubAll:
            return Unsubscribed(None, frozenset())
        if c2s.isSubOrUnSub if self.proto_id == QUOTE_SUB else c2s.isRegOrUnReg:
            return None
        return Unsubscribed(self.subscribed_to, self.securities)

    def covers(self, proto_id: int, securities: frozenset[Security]) -> bool:
        """Whether a subscription covers a push of this kind about these securities."""
        if self.request.message is None or self.proto_id not in (QUOTE_SUB, QUOTE_PUSH):
            return True
        return proto_id in self.subscribed_to and securities <= self.securities

    @cached_property
    def subscribed_to(self) -> frozenset[int]:
        """The proto ids of the pushes in a quote subscription."""
        return frozenset(PUSHES.get(kind, KLINE_PUSH) for kind in self.request.message.c2s.subTypeList)

    @cached_property
    def securities(self) -> frozenset[Security]:
        return frozenset((one.market, one.code) for one in self.request.message.c2s.securityList)


@dataclass(slots=True)
class RecordedSession:
    """A client's session: the answer to its login, its exchanges in the order of the requests, and the pushes
    that its start caused."""

    number: int
    greeting: Exchange | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)


class Recording:
    """The recording in the file at ``path``, read with ``messages``.

    Raises QotGateError for a file that is not a recording, and for a line that cannot be replayed.
    """

    def __init__(self, path: Path, messages: Messages | None = None) -> None:
        self.path = path
        self.messages = messages or known_messages()
        self.exchanges: list[Exchange] = []
        """In the order of the file, without those that start a session."""
        self.by_key: dict[bytes, list[Exchange]] = {}
        self.left_out: dict[int, int] = {}
        """Proto ids of exchanges without bodies, and the line of the last one."""
        self.pushes = 0
        sessions: dict[int, RecordedSession] = {}
        pushes: list[tuple[Line, Push]] = []
        for number, line in read_lines(path):
            session = sessions.setdefault(line.session, RecordedSession(line.session))
            if line.is_push:
                if line.left_out is None or line.push is not None or line.push_base64 is not None:
                    pushes.append((line, self._push(number, line)))
                continue
            exchange = self._exchange(number, line)
            if exchange is None:
                self.left_out[line.proto] = number
            elif line.proto == ProtoId.InitConnect:
                session.greeting = exchange
            else:
                session.exchanges.append(exchange)
                self.exchanges.append(exchange)
                self.by_key.setdefault(exchange.key, []).append(exchange)
        self.pushes = len(pushes)
        self.sessions = [sessions[number] for number in sorted(sessions)]
        for session in self.sessions:
            session.exchanges.sort(key=lambda exchange: exchange.number)
        causing = {session.number: list(filter(_may_cause, session.exchanges)) for session in self.sessions}
        for line, push in pushes:
            _hang(sessions[line.session], causing[line.session], line.at, push)
        self.proto_ids = frozenset(exchange.proto_id for exchange in self.exchanges)

    def _exchange(self, number: int, line: Line) -> Exchange | None:
        request = self._body(number, line, "request", self.messages.requests.get(line.proto))
        response = self._body(number, line, "response", self.messages.responses.get(line.proto))
        if request is None or response is None:
            return None
        return Exchange(
            line=number,
            session=line.session,
            number=line.n or 0,
            proto_id=line.proto,
            name=line.name,
            at=line.at,
            asked_at=line.at - (line.took or 0.0),
            request=request,
            response=response,
            key=request_key(line.proto, request),
        )

    def _push(self, number: int, line: Line) -> Push:
        kind = self.messages.responses.get(line.proto)

        def load() -> Body:
            body = self._body(number, line, "push", kind)
            assert body is not None
            return body

        written = line.push
        if written is None:
            message = load().message
            written = json_fields(message) if message is not None else {}
        elif kind is None:
            # So that an unreadable body is reported before the replay serves.
            load()
        return Push(number, line.proto, 0.0, load, _securities(written))

    def _body(self, number: int, line: Line, name: str, kind: Any) -> Body | None:
        written, written_base64 = getattr(line, name), getattr(line, f"{name}_base64")
        if written is None and written_base64 is None:
            if line.left_out is None:
                raise QotGateError(f"{self.path}, line {number}: has no {name}.")
            return None
        try:
            return load_body(kind, written, written_base64, JSON if line.format == "json" else PROTOBUF)
        except ValueError as error:
            told = f"{self.path}, line {number}: the {name} of {line.name} ({line.proto}) {error}"
            if self.messages.source is None:
                packages = " or ".join(PACKAGES.values())
                raise QotGateError(f"{told}; install {packages}, which has the messages.") from error
            raise QotGateError(f"{told} ({self.messages.source}).") from error


def request_key(proto_id: int, body: Body) -> bytes:
    """A key that is equal for requests that ask the same; client, connection and PacketID do not count."""
    head = f"{proto_id}:".encode()
    if body.message is None:
        return head + b"%d:" % body.body_format + body.data
    message = _copied(body.message)
    c2s = getattr(message, "c2s", None)
    if c2s is not None:
        for one, _ in c2s.ListFields():
            if one.name in WITHIN_ANY_CONNECTION:
                c2s.ClearField(one.name)
        if proto_id in (QUOTE_SUB, QUOTE_PUSH):
            c2s.securityList.sort(key=lambda security: (security.market, security.code))
            c2s.subTypeList.sort()
    return head + b"*:" + meaning(message)


def _copied(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _securities(push: dict[str, Any]) -> frozenset[Security]:
    """The securities in a push's JSON; empty if it names none."""
    try:
        s2c = push["s2c"]
        parts = [s2c] if "security" in s2c else s2c.get("basicQotList", ())
        return frozenset((part["security"]["market"], part["security"]["code"]) for part in parts)
    except (KeyError, TypeError, AttributeError):
        return frozenset()


def _may_cause(exchange: Exchange) -> bool:
    return exchange.proto_id in ALL_CAUSES and exchange.subscribes


def _hang(session: RecordedSession, causing: list[Exchange], at: float, push: Push) -> None:
    """Add a push to the exchange that caused it: of its session's exchanges that may cause pushes, the last
    earlier one that covers the push."""
    causes = CAUSES.get(push.proto_id, ())
    before = [exchange for exchange in causing if exchange.proto_id in causes and exchange.asked_at <= at]
    covering = [exchange for exchange in before if exchange.covers(push.proto_id, push.securities)]
    cause = max(covering or before, key=lambda exchange: exchange.at, default=None)
    began = cause or session.greeting
    after = max(0.0, at - began.at) if began is not None else 0.0
    hung = replace(push, after=after)
    (cause.pushes if cause is not None else session.pushes).append(hung)


def _flat(body: Body) -> dict[str, Any]:
    """The values of a request by path."""
    found: dict[str, Any] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, Mapping):
            items: Iterable[tuple[str, Any]] = ((f"{path}.{name}", part) for name, part in value.items())
        elif isinstance(value, list):
            items = ((f"{path}[{number}]", part) for number, part in enumerate(value))
        else:
            found[path.lstrip(".")] = value
            return
        for where, part in items:
            walk(where, part)

    if body.message is not None:
        walk("", json_fields(body.message))
    return {path: value for path, value in found.items() if not _is_connection(path)}


def _is_connection(path: str) -> bool:
    return path.removeprefix("c2s.").partition(".")[0] in WITHIN_ANY_CONNECTION


def likeness(recorded: Body, asked: Body) -> float:
    """The similarity of two requests, to find the nearest one."""
    one, other = _flat(recorded), _flat(asked)
    equal = sum(1 for path, value in other.items() if one.get(path) == value)
    return equal - len(set(one) ^ set(other)) / 1000


def differences(recorded: Body, asked: Body, most: int) -> str:
    """The differences between two requests, as ``path (recorded, asked)``, the first ``most`` of them."""
    one, other = _flat(recorded), _flat(asked)
    paths = [path for path in {**one, **other} if one.get(path) != other.get(path)]
    told = [f"{path} ({_shown(one.get(path))}, {_shown(other.get(path))})" for path in paths[:most]]
    if len(paths) > most:
        told.append("...")
    return ", ".join(told) or "?"


def _shown(value: Any) -> str:
    return "-" if value is None else repr(value)[:60]
