"""An upstream that answers from a recording: no OpenD, no login, no network; it sends nothing anywhere.

Clients' sessions get the recorded sessions in turn, starting over after the last. A request gets the recorded
answer to an equal one: in the same session, else in any. A repeated request gets the next recorded answer to
it, and then the last one again and again. Each exchange brings the pushes that it caused, once for each
client's session.
"""

import asyncio
import secrets
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

import structlog

from qotgate.model import InvalidRequest, QotGateError, Refused
from qotgate.protocol.body import FORMATS
from qotgate.protocol.frame import PROTOBUF, Frame
from qotgate.protocol.interface import OWN_QUESTIONS
from qotgate.protocol.messages import CLASSES, AnyResponse, ProtoId, RetType
from qotgate.relay.bodies import Body, read_body
from qotgate.relay.opend import CONNECTION, STATE
from qotgate.relay.recorded import (
    Exchange,
    Push,
    RecordedSession,
    Recording,
    differences,
    likeness,
    request_key,
)
from qotgate.relay.upstream import Client, Figures, Reply

UNLOCK = 2005
"""Trd_UnlockTrade, never recorded: any password is accepted, since nothing is there to unlock."""
BURST = 256
"""Pushes sent in one turn of the event loop."""
MAX_DIFFERENCES = 3
"""Differences from the nearest recorded request that a refusal lists."""

log = structlog.get_logger()


class Replay:
    """Answers from ``recording``. Pushes come ``speed`` times as fast as recorded, at once with 0. With
    ``strict``, a session's requests are accepted only in the recorded order."""

    def __init__(self, recording: Recording, *, speed: float = 1.0, strict: bool = False) -> None:
        self.recording = recording
        self.speed = speed
        self.strict = strict
        self._sessions = 0

    def accepts(self, proto_id: int) -> bool:
        if proto_id in CONNECTION:
            return False
        if proto_id in OWN_QUESTIONS or proto_id in STATE:
            return proto_id in self.recording.proto_ids
        return True

    async def open(self, c2s: Any, client: Client, *, secure: bool) -> "ReplaySession":  # noqa: ARG002 - no data leaves
        sessions = self.recording.sessions
        recorded = sessions[self._sessions % len(sessions)] if sessions else RecordedSession(0)
        self._sessions += 1
        return ReplaySession(self, recorded, c2s.pushProtoFmt, client)

    def figures(self) -> Figures:
        return Figures(up=True, sessions=0, events={"replayed_sessions": self._sessions})

    async def start(self) -> None:
        recording = self.recording
        log.info(
            "replaying",
            file=str(recording.path),
            sessions=len(recording.sessions),
            exchanges=len(recording.exchanges),
            pushes=recording.pushes,
        )

    async def close(self) -> None:
        pass


class ReplaySession:
    """A client's session, answered from ``recorded``."""

    raw = None

    def __init__(self, replay: Replay, recorded: RecordedSession, push_format: int, client: Client) -> None:
        self._replay = replay
        self._recorded = recorded
        self._client = client
        self._push_format = push_format if push_format in FORMATS else PROTOBUF
        self._loop = asyncio.get_running_loop()
        self._s2c = self._greeting()
        self._cursors: dict[bytes, int] = {}
        self._place = 0
        """The position in the recorded order, if ``strict``."""
        self._released: set[int] = set()
        self._due: list[tuple[float, int, Push]] = []
        self._numbers = count(1)
        self._serials = count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._held = True
        """Until the first :meth:`resume`."""
        self._plan(recorded.pushes)

    @property
    def s2c(self) -> Any:
        return self._s2c

    @property
    def waiting(self) -> int:
        """The number of pushes still to come for the requests so far."""
        return len(self._due)

    def ask(self, frame: Frame, reply: Reply) -> None:
        try:
            if frame.proto_id == UNLOCK:
                reply(frame._replace(body=self._unlocked(frame.body_format)))
                return
            exchange = self._find(frame)
            body = self._answer(exchange, frame)
        except Refused as error:
            # Only the client learns how the request differs: accounts and orders do not belong in a log.
            name = self._replay.recording.messages.name(frame.proto_id)
            log.warning("not in the recording", proto_id=frame.proto_id, interface=name, why=error.sentence)
            reply(error)
            return
        reply(frame._replace(body=body))
        self._cancel(exchange)
        if exchange.line not in self._released:
            self._released.add(exchange.line)
            self._plan(exchange.pushes)

    def pause(self) -> None:
        self._held = True

    def resume(self) -> None:
        self._held = False
        self._set_timer()

    def close(self) -> None:
        self._due.clear()
        self._set_timer()

    def _greeting(self) -> Any:
        """The recorded InitConnect.S2C, with a new connection id."""
        s2c = CLASSES["InitConnect.S2C"](serverVer=0, loginUserID=0, keepAliveInterval=10)
        greeting = self._recorded.greeting
        if greeting is not None and greeting.response is not None and greeting.response.message is not None:
            known = greeting.response.message.s2c
            s2c.MergeFromString(known.SerializePartialToString())
        s2c.connID = secrets.randbits(53) | 1
        s2c.connAESKey = ""
        s2c.ClearField("aesCBCiv")
        return s2c

    def _find(self, frame: Frame) -> Exchange:
        """The recorded exchange that answers a request. Raises InvalidRequest."""
        recording = self._replay.recording
        kind = recording.messages.requests.get(frame.proto_id)
        body = read_body(kind, frame.body, frame.body_format)
        key = request_key(frame.proto_id, body)
        name = recording.messages.name(frame.proto_id)
        asked = {"proto": name, "proto_id": frame.proto_id}
        if self._replay.strict:
            order = self._recorded.exchanges
            if self._place == len(order):
                raise InvalidRequest("replay_ended", **asked)
            expected = order[self._place]
            if expected.key != key:
                told = f"{expected.name} ({expected.proto_id})"
                if expected.proto_id == frame.proto_id:
                    told += ", " + differences(expected.request, body, MAX_DIFFERENCES)
                raise InvalidRequest("replay_order", expected=told, line=expected.line, **asked)
            self._place += 1
            return expected
        found = recording.by_key.get(key)
        if found is None:
            raise self._unknown(asked, frame.proto_id, body)
        mine = [exchange for exchange in found if exchange.session == self._recorded.number] or found
        place = self._cursors.get(key, 0)
        self._cursors[key] = place + 1
        return mine[min(place, len(mine) - 1)]

    def _unknown(self, asked: dict[str, Any], proto_id: int, body: Any) -> InvalidRequest:
        recording = self._replay.recording
        left_out = recording.left_out.get(proto_id)
        if left_out is not None:
            return InvalidRequest("replay_left_out", line=left_out, **asked)
        alike = [exchange for exchange in recording.exchanges if exchange.proto_id == proto_id]
        if not alike:
            names = sorted({f"{one.name} ({one.proto_id})" for one in recording.exchanges})
            return InvalidRequest("replay_no_such", names=", ".join(names) or "nothing", **asked)
        nearest = max(alike, key=lambda exchange: likeness(exchange.request, body))
        told = differences(nearest.request, body, MAX_DIFFERENCES)
        return InvalidRequest("replay_differs", line=nearest.line, differences=told, **asked)

    def _answer(self, exchange: Exchange, frame: Frame) -> bytes:
        """The recorded answer in the requested format. Raises InvalidRequest."""
        body = exchange.response
        message = body.message
        if message is not None and frame.proto_id == ProtoId.GetGlobalState and message.s2c.connID:
            message = type(message).FromString(message.SerializePartialToString())
            message.s2c.connID = self._s2c.connID
            body = body._replace(message=message)
        try:
            return body.encode(frame.body_format if frame.body_format in FORMATS else PROTOBUF)
        except ValueError as error:
            raise InvalidRequest(
                "replay_format", proto=exchange.name, proto_id=exchange.proto_id, line=exchange.line
            ) from error

    def _unlocked(self, body_format: int) -> bytes:
        kind = self._replay.recording.messages.responses.get(UNLOCK, AnyResponse)
        answer = kind(retType=RetType.SUCCEED, retMsg="", errCode=0)
        if "s2c" in kind.DESCRIPTOR.fields_by_name:
            answer.s2c.SetInParent()
        return Body(answer).encode(body_format)

    def _plan(self, pushes: list[Push]) -> None:
        """Schedule pushes at their recorded delays from now, just after the answer."""
        speed, now = self._replay.speed, self._loop.time()
        for push in pushes:
            due = now + push.after / speed if speed else now
            heappush(self._due, (due, next(self._numbers), push))
        if pushes:
            self._set_timer()

    def _cancel(self, exchange: Exchange) -> None:
        """Cancel the pushes that a client has unsubscribed from."""
        ended = exchange.unsubscribes
        if ended is not None and self._due:
            self._due = [one for one in self._due if not ended.covers(one[2])]
            heapify(self._due)
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due and not self._held:
            self._timer = self._loop.call_at(self._due[0][0], self._send_due)

    def _send_due(self) -> None:
        self._timer = None
        now = self._loop.time()
        sent = 0
        while self._due and not self._held and sent < BURST and self._due[0][0] <= now:
            push = heappop(self._due)[2]
            sent += 1
            try:
                body = push.load().encode(self._push_format)
            except (QotGateError, ValueError) as error:
                log.warning("push left out", line=push.line, proto_id=push.proto_id, reason=str(error))
                continue
            self._client.push(Frame(push.proto_id, self._push_format, next(self._serials), body))
        self._set_timer()
