"""The client's side of the protocol, sans I/O: requests to bytes, bytes to answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from qotgate.model import ProtocolError
from qotgate.protocol.body import decode_response, encode
from qotgate.protocol.frame import PROTOBUF, Frame, FrameParser
from qotgate.protocol.messages import REQUESTS, ProtoId

ANSWER_LIMIT = 64 << 20
"""The longest body that an answer may have, in bytes."""
CLIENT_VERSION = 1011
CLIENT_ID = "qotgate-python"
NO_ENCRYPTION = -1
SERIALS = 0xFFFFFFFF

Ticket = tuple[int, int]
"""A request's proto id and serial number, by which its answer is known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A Response, and the ticket of the request that it answers."""

    ticket: Ticket
    response: Any


class ClientCore:
    """One connection's requests and answers."""

    def __init__(self) -> None:
        self._serials = count(1)
        self._parser = FrameParser(ANSWER_LIMIT)

    def request(self, proto_id: ProtoId, fields: dict[str, Any]) -> tuple[Ticket, bytes]:
        """A request with ``fields`` in its C2S, as bytes to send; absent where a value is None."""
        serial = next(self._serials) & SERIALS
        body = encode(REQUESTS[proto_id](c2s=fields), PROTOBUF)
        return (int(proto_id), serial), Frame(proto_id, PROTOBUF, serial, body).encode()

    def init_connect(self) -> tuple[Ticket, bytes]:
        """The request that starts every connection."""
        fields = {
            "clientVer": CLIENT_VERSION,
            "clientID": CLIENT_ID,
            "recvNotify": False,
            "packetEncAlgo": NO_ENCRYPTION,
            "programmingLanguage": "Python",
        }
        return self.request(ProtoId.InitConnect, fields)

    def receive(self, data: bytes) -> Iterator[Answer]:
        """The answers that ``data`` completes. Pushes are passed over. Raises ProtocolError."""
        for packet in self._parser.feed(data):
            try:
                proto_id = ProtoId(packet.proto_id)
            except ValueError:
                continue
            frame = packet.open()
            if not frame.intact:
                raise ProtocolError(f"an answer to {proto_id.name} does not fit its SHA-1")
            try:
                response = decode_response(proto_id, frame.body, frame.body_format)
            except ValueError as error:
                raise ProtocolError(f"an answer to {proto_id.name} cannot be decoded: {error}") from error
            yield Answer((frame.proto_id, frame.serial), response)
