"""The contents of a recording: counts by interface and session, texts that look personal, and whether it
replays."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qotgate.model import QotGateError, Refused
from qotgate.protocol.frame import Frame
from qotgate.protocol.messages import REQUESTS, ProtoId
from qotgate.relay.bodies import Body, meaning, read_body
from qotgate.relay.recorded import Exchange, Recording
from qotgate.relay.recording import Header, Line, read_header, read_lines
from qotgate.relay.replay import Replay, ReplaySession
from qotgate.relay.scrubbing import (
    LOOKS_PERSONAL,
    NEVER_RECORDED,
    NOT_PERSONAL,
    OWN_WORDS,
    SENTENCES,
    may_be_stand_in,
    personal_kind,
    personal_text,
)

AMOUNTS = {2101: "funds", 2102: "positions", 2111: "buying power", 2226: "cash flows"}
"""Answers with amounts of the user's account, which are recorded unchanged, by proto id."""
KNOWN = {name.rpartition(".")[2] for name in NOT_PERSONAL} | SENTENCES | OWN_WORDS
"""Reviewed fields, by their names alone: a line of a recording does not tell the message class of a part."""
MAX_SHOWN = 5
"""Largest number of lines that a finding names."""


@dataclass
class InterfaceCount:
    """What a recording has of one interface; ``requests`` is the number of different requests."""

    proto_id: int
    name: str
    exchanges: int = 0
    requests: int = 0
    refused: int = 0
    pushes: int = 0


@dataclass
class SessionCount:
    """What a recording has of one session, which lasted from ``begins`` to ``ends`` (seconds)."""

    session: int
    client: str
    begins: float
    ends: float
    exchanges: int = 0
    pushes: int = 0


@dataclass
class Contents:
    """The contents of a recording."""

    header: Header
    interfaces: list[InterfaceCount]
    sessions: list[SessionCount]


@dataclass
class Finding:
    """Something to check before others see a recording; ``personal`` if it certainly is."""

    told: str
    lines: list[int] = field(default_factory=list)
    personal: bool = False

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.lines[:MAX_SHOWN])) + (", ..." if len(self.lines) > MAX_SHOWN else "")
        return f"{self.told} (line{'s' if len(self.lines) > 1 else ''} {shown})"


def read_contents(path: Path) -> Contents:
    """The contents of the recording at ``path``. Needs no message classes.

    Raises QotGateError for a file that is not a recording.
    """
    interfaces: dict[int, InterfaceCount] = {}
    requests: set[tuple[int, str]] = set()
    sessions: dict[int, SessionCount] = {}
    for _, line in read_lines(path):
        interface = interfaces.setdefault(line.proto, InterfaceCount(line.proto, line.name))
        session = sessions.get(line.session)
        if session is None:
            session = SessionCount(line.session, _client(line), line.at, line.at)
            sessions[line.session] = session
        session.ends = max(session.ends, line.at)
        if line.is_push:
            interface.pushes += 1
            session.pushes += 1
            continue
        interface.exchanges += 1
        interface.refused += (line.response or {}).get("retType", 0) != 0
        asked = (line.proto, repr(line.request or line.request_base64))
        interface.requests += asked not in requests
        requests.add(asked)
        session.exchanges += line.proto != ProtoId.InitConnect
    found = sorted(interfaces.values(), key=lambda interface: interface.proto_id)
    return Contents(read_header(path), found, list(sessions.values()))


def _client(line: Line) -> str:
    """The name that a session's client gave."""
    if line.proto != ProtoId.InitConnect or line.request is None:
        return ""
    c2s = line.request.get("c2s", {})
    return f"{c2s.get('programmingLanguage', '')} {c2s.get('clientVer', '')}".strip()


def look_for_personal(path: Path) -> list[Finding]:
    """The parts of a recording to check before others see it. Raises QotGateError."""
    found: dict[str, Finding] = {}
    for number, line in read_lines(path):
        for told, personal in _personal(line):
            finding = found.setdefault(told, Finding(told, personal=personal))
            if number not in finding.lines:
                finding.lines.append(number)
    return sorted(found.values(), key=lambda finding: not finding.personal)


def _personal(line: Line) -> Iterator[tuple[str, bool]]:
    name = f"{line.name} ({line.proto})"
    if line.proto in NEVER_RECORDED:
        yield f"{name} carries secrets, and qotgate records none of it", True
    if line.proto in AMOUNTS and line.response is not None:
        yield f"{name} has {AMOUNTS[line.proto]} of an account, whose amounts are as they were", False
    if line.request_base64 or line.response_base64 or line.push_base64:
        yield f"{name} is base64, which qotgate could not look into", False
    for body in (line.request, line.response, line.push):
        for part, value in _texts(body):
            if part in SENTENCES and personal_text(value):
                yield f"{name} says {value!r} in {part}", True
            elif part in OWN_WORDS and value:
                yield f"{name} has words of yours in {part}: {value!r}", False
            elif (kind := _kind(line.name, part)) is not None:
                if not may_be_stand_in(kind, value):
                    yield f"{name} has {part} {value!r}, which is no stand-in of qotgate's", True
            elif LOOKS_PERSONAL.search(part) and part not in KNOWN:
                yield f"{name} has a field {part} that no rule of qotgate knows", False


def _kind(message: str, part: str) -> str | None:
    """The kind of personal value that a field holds, anywhere in the messages of a proto id."""
    return personal_kind(f"{message}.", part)


def _texts(value: Any, part: str = "") -> Iterator[tuple[str, Any]]:
    """The values in a body, each with the name of its field."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, part)
    elif value is not None:
        yield part, value


def try_replay(recording: Recording) -> int:
    """Replay every recorded request in order. Returns the number of answers, all equal to the recorded ones.

    Raises QotGateError for the first answer that differs.
    """
    return asyncio.run(_ask_all(recording))


async def _ask_all(recording: Recording) -> int:
    replay = Replay(recording, speed=0, strict=True)
    answered: Counter[int] = Counter()
    for recorded in recording.sessions:
        client = _Listener()
        c2s = REQUESTS[ProtoId.InitConnect]().c2s
        session = await replay.open(c2s, client, secure=True)
        session.resume()
        for push in recorded.pushes:
            push.load()
        for serial, exchange in enumerate(recorded.exchanges, 1):
            for push in exchange.pushes:
                push.load()
            _ask(recording, session, serial, exchange)
            answered[recorded.number] += 1
        expected = len(recorded.pushes) + sum(len(exchange.pushes) for exchange in recorded.exchanges)
        while client.pushes < expected and session.waiting:
            await asyncio.sleep(0)
        session.close()
        if client.pushes < expected:
            raise QotGateError(
                f"{recording.path} does not replay: of {expected} pushes of session {recorded.number} "
                f"{client.pushes} come back."
            )
    return answered.total()


def _ask(recording: Recording, session: ReplaySession, serial: int, exchange: Exchange) -> None:
    """Repeat a recorded request. Raises QotGateError if the answer differs from the recorded one."""
    body_format = exchange.request.body_format
    told: list[Frame | Refused] = []
    frame = Frame(exchange.proto_id, body_format, serial, exchange.request.encode(body_format))
    session.ask(frame, told.append)
    (answer,) = told
    where = f"{recording.path}, line {exchange.line}, does not replay"
    if isinstance(answer, Refused):
        raise QotGateError(f"{where}: {answer.text('en')}")
    kind = recording.messages.responses.get(exchange.proto_id)
    if _meaning(read_body(kind, answer.body, body_format)) != _meaning(exchange.response):
        raise QotGateError(f"{where}: its answer comes back changed.")


def _meaning(body: Body) -> bytes:
    if body.message is None:
        return body.data
    message = type(body.message)()
    message.CopyFrom(body.message)
    s2c = getattr(message, "s2c", None)
    if s2c is not None and "connID" in s2c.DESCRIPTOR.fields_by_name:
        # Each connection gets its own.
        s2c.ClearField("connID")
    return meaning(message)


class _Listener:
    """A client that counts pushes."""

    raw = None

    def __init__(self) -> None:
        self.pushes = 0

    def push(self, frame: Frame) -> None:  # noqa: ARG002 - only counted
        self.pushes += 1

    def hold(self, held: bool) -> None:
        pass

    def lost(self, error: Refused) -> None:
        pass
