"""Records the packets between clients and the upstream that it wraps.

The lines of one turn of the event loop are written together at its end, when clients get the recorded
packets. So a killed gateway loses at most its last turn. A packet that cannot be recorded is forwarded all
the same.
"""

import asyncio
import time
from typing import Any

import structlog

from qotgate.model import Refused
from qotgate.protocol.body import FORMATS
from qotgate.protocol.frame import JSON, PROTOBUF, Frame
from qotgate.protocol.messages import CLASSES, ProtoId, RetType
from qotgate.relay.bodies import Body, meaning, read_body, write_body
from qotgate.relay.published import Messages, known_messages
from qotgate.relay.recording import RecordingFile
from qotgate.relay.scrubbing import NEVER_RECORDED, Scrubber
from qotgate.relay.upstream import Client, Figures, Reply, Upstream, UpstreamSession

FIRST_OF_MARKET = 3000
"""The first proto id of market data. Lower ones are about the user: an unknown body of theirs cannot be
scrubbed, and is left out."""

log = structlog.get_logger()


class Recorder:
    """Turns exchanges and pushes into lines of ``file``, scrubbed with ``key``."""

    def __init__(self, file: RecordingFile, key: bytes, messages: Messages | None = None) -> None:
        self.file = file
        self.messages = messages or known_messages()
        self._scrubber = Scrubber(key)
        self._stopped = False
        self._flushes = False
        """Whether this turn of the event loop added lines."""

    def began(self, session: int, c2s: Any, s2c: Any) -> None:
        """Record the start of a session with this InitConnect."""
        name = ProtoId.InitConnect.name
        request = CLASSES[f"{name}.Request"](c2s=c2s)
        response = CLASSES[f"{name}.Response"](retType=RetType.SUCCEED, s2c=s2c)
        asked = Frame(ProtoId.InitConnect, PROTOBUF, 0, request.SerializePartialToString())
        answer = Frame(ProtoId.InitConnect, PROTOBUF, 0, response.SerializePartialToString())
        self.exchanged(session, 0, asked, answer, 0.0)

    def exchanged(self, session: int, number: int, request: Frame, response: Frame, took: float) -> None:
        """Record OpenD's answer to the request ``number`` of a session, after ``took`` seconds."""
        messages, proto_id = self.messages, request.proto_id
        bodies = {
            "request": read_body(messages.requests.get(proto_id), request.body, request.body_format),
            "response": read_body(messages.responses.get(proto_id), response.body, response.body_format),
        }
        self._write(session, proto_id, bodies, n=number, took=round(took, 6))

    def pushed(self, session: int, push: Frame) -> None:
        """Record a push."""
        kind = self.messages.responses.get(push.proto_id)
        self._write(session, push.proto_id, {"push": read_body(kind, push.body, push.body_format)})

    def _write(self, session: int, proto_id: int, bodies: dict[str, Body], **more: Any) -> None:
        if self._stopped or proto_id in NEVER_RECORDED:
            return
        try:
            written, left_out = self._scrubbed(proto_id, bodies)
            line = {"session": session, **more, "at": self.file.now(), "proto": proto_id}
            line["name"] = self.messages.name(proto_id)
            if any(body.body_format == JSON for body in bodies.values()):
                line["format"] = "json"
            if left_out is not None:
                line["left_out"] = left_out
            self.file.add(line | written)
            if not self._flushes:
                self._flushes = True
                asyncio.get_running_loop().call_soon(self._flush)
        except Exception as error:  # noqa: BLE001, RUF100 - recording must not stop an order, for example
            self._stop(error)

    def _flush(self) -> None:
        self._flushes = False
        try:
            self.file.flush()
        except OSError as error:
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        if not self._stopped:
            reason = error.strerror if isinstance(error, OSError) else repr(error)
            log.error("recording stopped", file=str(self.file.path), reason=reason)
        self._stopped = True

    def close(self) -> None:
        if not self._stopped:
            self._flush()
        self.file.close()

    def _scrubbed(self, proto_id: int, bodies: dict[str, Body]) -> tuple[dict[str, Any], str | None]:
        """The bodies to write, and why some are left out."""
        written: dict[str, Any] = {}
        left_out = None
        about_user = proto_id < FIRST_OF_MARKET
        for name, body in bodies.items():
            if body.message is None:
                if about_user:
                    return {}, "the message is not known, so that nothing personal could be found in it"
            else:
                if about_user:
                    whole = meaning(body.message)
                    body.message.DiscardUnknownFields()
                    if meaning(body.message) != whole:
                        left_out = "fields that are not known"
                self._scrubber.scrub(body.message)
            written |= write_body(name, body)
        return written, left_out


class RecordingUpstream:
    """An upstream whose sessions are recorded."""

    def __init__(self, upstream: Upstream, recorder: Recorder) -> None:
        self._upstream = upstream
        self._recorder = recorder

    def accepts(self, proto_id: int) -> bool:
        return self._upstream.accepts(proto_id)

    async def open(self, c2s: Any, client: Client, *, secure: bool) -> UpstreamSession:
        recording = RecordingClient(client, self._recorder)
        session = await self._upstream.open(c2s, recording, secure=secure)
        if session.s2c is None:
            # No OpenD behind it, so nothing to record.
            return session
        recording.begin(c2s, session.s2c)
        return RecordingSession(session, self._recorder, recording.number)

    def figures(self) -> Figures:
        return self._upstream.figures()

    async def start(self) -> None:
        await self._upstream.start()
        file, source = self._recorder.file, self._recorder.messages.source
        log.info("recording", file=str(file.path), sessions=file.sessions, messages=source)
        if source is None:
            log.warning(
                "accounts and orders are not recorded", reason="no futu-api or moomoo-api is installed"
            )

    async def close(self) -> None:
        await self._upstream.close()
        self._recorder.close()


class RecordingClient:
    """A client whose pushes are recorded."""

    raw = None
    """The fast path is off: each packet is recorded."""

    def __init__(self, client: Client, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._early: list[Frame] = []
        self.number = 0
        """The session's number, once it has started."""

    def begin(self, c2s: Any, s2c: Any) -> None:
        self.number = self._recorder.file.begin()
        self._recorder.began(self.number, c2s, s2c)
        for frame in self._early:
            self._recorder.pushed(self.number, frame)
        self._early.clear()

    def push(self, frame: Frame) -> None:
        if self.number:
            self._recorder.pushed(self.number, frame)
        else:
            self._early.append(frame)
        self._client.push(frame)

    def hold(self, held: bool) -> None:
        self._client.hold(held)

    def lost(self, error: Refused) -> None:
        self._client.lost(error)


class RecordingSession:
    """An upstream session whose exchanges are recorded. Refusals by the upstream itself are not."""

    raw = None
    """The fast path is off: each packet is recorded."""

    def __init__(self, session: UpstreamSession, recorder: Recorder, number: int) -> None:
        self._session = session
        self._recorder = recorder
        self._number = number
        self._requests = 0

    @property
    def s2c(self) -> Any:
        return self._session.s2c

    def ask(self, frame: Frame, reply: Reply) -> None:
        self._requests += 1
        number, asked = self._requests, time.monotonic()

        def recorded(answer: Frame | Refused) -> None:
            if isinstance(answer, Frame) and answer.body_format in FORMATS:
                took = time.monotonic() - asked
                self._recorder.exchanged(self._number, number, frame, answer, took)
            reply(answer)

        self._session.ask(frame, recorded)

    def pause(self) -> None:
        self._session.pause()

    def resume(self) -> None:
        self._session.resume()

    def close(self) -> None:
        self._session.close()
