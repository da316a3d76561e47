"""OpenD's answers that do not change, kept on disk and given again without spending OpenD's quota.

What is kept, and for how long, is :data:`RULES`. A question is known by its proto id and its fields, as it
was sent to one OpenD by one user; the body of these questions names no connection. Only Protobuf bodies and
answers that succeeded are kept. Forward-adjusted K-lines are not, as each split or dividend changes all of
them, at a time that nothing tells.

A page is given only where all pages behind it are kept as well: OpenD may not know its key any more, or on
another connection.

The file is SQLite's, which several workers share. The cache has a thread of its own, so that a slow disk
delays no other answer.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from qotgate.model import QotGateError
from qotgate.protocol.frame import PROTOBUF, Frame
from qotgate.protocol.messages import AnyResponse, RetType

MAX_CACHE_BYTES = 256 << 20
"""Bytes of all answers together; beyond that those that were not asked for longest go."""
ROOM = 0.9
"""The share of it that is left after that."""
DAY = 86_400
FORWARD_ADJUSTED = 1
"""RehabType of Qot_Common.proto; 0 is not adjusted, 2 is adjusted backward, from the first day on."""
SETTLED = timedelta(days=2)
"""So long after a day begins in UTC it has ended everywhere, and its last trades are in."""
FILE = "opend_answers.sqlite3"
SCHEMA_VERSION = 1
"""Of the table; what another version has kept is dropped."""
WAIT_SECONDS = 5.0
"""How long another worker may write."""

log = structlog.get_logger()
Fields = dict[int, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which answers to a question are kept, and for how many seconds: ``request`` looks at the C2S as values
    by field number, with the day of today in UTC. Where answers come in pages, ``page`` is the field of the
    C2S that names one, and ``next_page`` that of the S2C that names the next."""

    max_age: int
    request: Callable[[Fields, date], bool]
    page: int = 0
    next_page: int = 0


def _is_past(day: bytes, today: date) -> bool:
    try:
        return date.fromisoformat(day[:10].decode()) <= today - SETTLED
    except ValueError:
        return False


RULES = {
    # Qot_RequestHistoryKL: rehabType 1, endTime 5, nextReqKey 8; in the answer nextReqKey 3.
    3103: Rule(
        30 * DAY,
        lambda c2s, today: c2s.get(1) != FORWARD_ADJUSTED and _is_past(c2s.get(5, b""), today),
        page=8,
        next_page=3,
    ),
    # Qot_RequestTradeDate: endTime 3.
    3219: Rule(30 * DAY, lambda c2s, today: _is_past(c2s.get(3, b""), today)),
    # Qot_GetStaticInfo: names and lots change, rarely and overnight.
    3202: Rule(DAY, lambda _c2s, _today: True),
}


def read_fields(body: bytes) -> Fields:
    """The values of a message by field number, the last of each: numbers, and bytes for all that has a
    length. Raises ValueError."""
    return {field.field_number: field.data for field in parsed(body)}


def parsed(body: bytes) -> UnknownFieldSet:
    """The fields of a message in their order. Raises ValueError."""
    message = Empty()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    return UnknownFieldSet(message)


class AnswerCache:
    """The kept answers in ``folder``. :meth:`find` and :meth:`keep` are called in the event loop. ``now``
    gives UTC seconds."""

    def __init__(
        self, folder: Path, max_bytes: int = MAX_CACHE_BYTES, now: Callable[[], float] = time.time
    ) -> None:
        self._path = folder / FILE
        self._max_bytes = max_bytes
        self._now = now
        self._thread = ThreadPoolExecutor(1, "qotgate-cache")
        self._connection: sqlite3.Connection | None = None
        self._size = 0
        """Bytes of the answers, without what other workers have kept since."""
        self._told = False

    async def open(self) -> None:
        """Open the file, or make it. Raises QotGateError."""
        try:
            await self._run(self._open)
        except (OSError, sqlite3.Error) as error:
            raise QotGateError(f"--upstream-cache {self._path.parent} cannot be used: {error}.") from error

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    def rule(self, frame: Frame) -> Rule | None:
        """The rule by which the answer to a request is kept, None where it is not."""
        rule = RULES.get(frame.proto_id)
        if rule is None or frame.body_format != PROTOBUF:
            return None
        today = datetime.fromtimestamp(self._now(), UTC).date()
        try:
            return rule if rule.request(read_fields(_c2s(frame.body)), today) else None
        except (ValueError, TypeError, AttributeError):
            # OpenD says what is wrong with it.
            return None

    async def find(self, scope: str, frame: Frame) -> bytes | None:
        """The kept answer's body; ``scope`` is the OpenD and its user."""
        key = Question(scope, frame).key
        found = await self._try(lambda: self._find(key, RULES[frame.proto_id].max_age))
        return None if found is None else bytes(found)

    async def keep(self, scope: str, frame: Frame, answer: bytes) -> None:
        """Keep the body of an answer, where it succeeded and the rule takes it."""
        try:
            succeeded = AnyResponse.FromString(answer).retType == RetType.SUCCEED
            s2c = read_fields(read_fields(answer).get(4, b""))
        except (DecodeError, ValueError):
            return
        question, next_page = Question(scope, frame), s2c.get(RULES[frame.proto_id].next_page)
        next_key = question.page_key(next_page) if next_page else None
        if succeeded and len(answer) <= self._max_bytes // 10:
            await self._try(lambda: self._keep(question.key, next_key, answer))

    async def _run(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _try(self, work: Callable[[], Any]) -> Any:
        """What ``work`` gives; None where the file cannot be used, which is logged once."""
        try:
            found = await self._run(work)
        except (OSError, sqlite3.Error) as error:
            if not self._told:
                log.warning("upstream cache cannot be used", file=str(self._path), reason=str(error))
            self._told = True
            return None
        self._told = False
        return found

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None)
        self._connection = connection
        # It has no more than OpenD would say again.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        if connection.execute("PRAGMA user_version").fetchone() != (SCHEMA_VERSION,):
            connection.execute("DROP TABLE IF EXISTS answers")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, next_key BLOB, kept_at REAL NOT NULL, "
            "used_at REAL NOT NULL, body BLOB NOT NULL)"
        )
        connection.execute("CREATE INDEX IF NOT EXISTS answers_used_at ON answers (used_at)")
        self._path.chmod(0o600)
        self._size = self._measure()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _find(self, key: bytes, max_age: float) -> Any:
        assert self._connection is not None
        now = self._now()
        oldest, newest, last_pages = self._connection.execute(_PAGES, (key,)).fetchone()
        if not last_pages or not now - max_age <= oldest <= newest <= now:
            return None
        self._connection.execute("UPDATE answers SET used_at = ? WHERE key = ?", (now, key))
        row = self._connection.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
        # Another worker may have dropped it by now.
        return row and row[0]

    def _keep(self, key: bytes, next_key: bytes | None, body: bytes) -> None:
        assert self._connection is not None
        connection, now = self._connection, self._now()
        row = (key, next_key, now, now, body)
        connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", row)
        self._size += len(body)
        if self._size <= self._max_bytes:
            return
        self._size = self._measure()
        excess = self._size - self._max_bytes * ROOM
        for old, length in connection.execute(
            "SELECT key, length(body) FROM answers ORDER BY used_at"
        ).fetchall():
            connection.execute("DELETE FROM answers WHERE key = ?", (old,))
            self._size -= length
            excess -= length
            if excess <= 0:
                break

    def _measure(self) -> int:
        assert self._connection is not None
        (size,) = self._connection.execute("SELECT total(length(body)) FROM answers").fetchone()
        return int(size)


_PAGES = """
WITH RECURSIVE pages (next_key, kept_at) AS (
    SELECT next_key, kept_at FROM answers WHERE key = ?
    UNION SELECT answers.next_key, answers.kept_at FROM answers JOIN pages ON answers.key = pages.next_key
)
SELECT min(kept_at), max(kept_at), sum(next_key IS NULL) FROM pages
"""
"""When an answer and the pages behind it were kept, and whether the last of them is there."""


def _c2s(body: bytes) -> Any:
    """The C2S in the body of a request. Raises ValueError where it has anything else."""
    (field,) = parsed(body)
    if field.field_number != 1:
        raise ValueError("a request has a C2S")
    return field.data


class Question:
    """What a request asks, by which its answer is found; a page's by what the first page's request asks."""

    def __init__(self, scope: str, frame: Frame) -> None:
        page_field = RULES[frame.proto_id].page
        self._page = b""
        digest = sha256(f"{scope} {frame.proto_id}".encode())
        for field in parsed(_c2s(frame.body)):
            if field.field_number == page_field:
                self._page = field.data
            else:
                digest.update(f" {field.field_number} {field.wire_type} {field.data!r}".encode())
        self._digest = digest

    @property
    def key(self) -> bytes:
        """Of the page that is asked for."""
        return self.page_key(self._page)

    def page_key(self, page: bytes) -> bytes:
        """Of another page of the same answer."""
        digest = self._digest.copy()
        digest.update(f" page {page!r}".encode())
        return digest.digest()
