"""The rows of the benchmark: the question, the carrier, the number of connections."""

from dataclasses import dataclass, replace
from pathlib import Path

from gateway.carriers import Carrier, Question, open_connection
from gateway.dataset import codes
from gateway.load_generator import Plan
from qotgate.protocol.body import decode
from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.frame import PROTOBUF
from qotgate.protocol.messages import RESPONSES, ProtoId

US = 11
PIPELINED = (64, 16)
ONE_EACH = (64, 1)
PAGES_MOST = 200


@dataclass(frozen=True)
class Row:
    """``shape`` is connections and requests in flight on each."""

    name: str
    questions: tuple[Question, ...]
    shape: tuple[int, int] = PIPELINED
    carrier: Carrier = "tcp"

    def plan(self, port: int, seconds: float, key: Path | None = None, *, greet: bool = True) -> Plan:
        connections, window = self.shape
        return Plan(self.carrier, port, self.questions, connections, window, seconds, greet=greet, key=key)

    def reply(self, port: int, key: Path | None) -> bytes:
        """A reply of the gateway to this row, of about the mean size, as its carrier delivers it."""
        opened = open_connection(self.carrier, port, RsaKey.load(key) if key else None, greet=True)
        replies = []
        with opened.socket as connection:
            for question in self.questions:
                connection.sendall(opened.frame(question))
                reply = b""
                while not opened.cut(reply, 0):
                    reply += connection.recv(1 << 16)
                replies.append(reply)
        mean = sum(map(len, replies)) / len(replies)
        return min(replies, key=lambda reply: abs(len(reply) - mean))


def dynamic(code: str) -> Question:
    return Question(
        ProtoId.Qot_GetArkStockDynamic, {"security": {"market": US, "code": code}}, f"/ark/US.{code}"
    )


FIRST_PAGE = Question(ProtoId.Qot_GetRatingChange, {"market": US, "count": 20}, "/ratings/US?count=20")


def pages(port: int) -> tuple[Question, ...]:
    """The first page of 20, and the later pages."""
    found = [FIRST_PAGE]
    opened = open_connection("tcp", port, None, greet=True)
    with opened.socket as connection:
        while len(found) < PAGES_MOST:
            connection.sendall(opened.frame(found[-1]))
            reply = b""
            while not opened.cut(reply, 0):
                reply += connection.recv(1 << 16)
            s2c = decode(RESPONSES[ProtoId.Qot_GetRatingChange], reply[44:], PROTOBUF).s2c
            if not s2c.nextPage:
                break
            assert FIRST_PAGE.fields is not None
            fields = FIRST_PAGE.fields | {"page": s2c.nextPage}
            path = f"{FIRST_PAGE.path}&offset={20 * len(found)}"
            found.append(Question(ProtoId.Qot_GetRatingChange, fields, path))
    return tuple(found)


def rows(port: int) -> list[Row]:
    """All rows; the pages to walk come from the gateway at ``port``."""
    warm = Row("3424 warm", (dynamic("AAA"),))
    many = tuple(map(dynamic, codes(500)))
    return [
        warm,
        replace(warm, name="3424 warm, one connection", shape=(1, 64)),
        replace(warm, name="3424 warm, one in flight each", shape=ONE_EACH),
        replace(warm, name="3424 warm, one client that waits", shape=(1, 1)),
        Row("3424 over 500 securities", many),
        Row("3426 first page of 20", (FIRST_PAGE,)),
        Row("3426 walking pages of 20", pages(port)),
        replace(warm, name="3424 warm, JSON", carrier="json"),
        Row("3426 first page of 20, JSON", (FIRST_PAGE,), carrier="json"),
        replace(warm, name="3424 warm, AES_CBC", carrier="aes"),
        replace(warm, name="3424 warm, WebSocket", carrier="websocket"),
    ]
