"""A disk cache of OpenD's answers that do not change; a repeated question costs no OpenD quota.

:data:`RULES` says which answers are cached, and for how long. The key of a question is its proto id, its
fields, the OpenD and the user; these questions name no connection. Only Protobuf bodies and successful
answers are cached. Forward-adjusted K-lines are not: each split or dividend changes all of them, without any
notice.

A page is served only if all later pages are cached too: OpenD may have forgotten its key, or know it on
another connection only.

Several workers share one SQLite file. The cache has its own thread, so that a slow disk delays no other
answer.
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
"""Maximum size of all answers together; beyond it, the answers unused for longest are dropped."""
ROOM = 0.9
"""Share of the maximum that remains after dropping."""
DAY = 86_400
FORWARD_ADJUSTED = 1
"""RehabType of Qot_Common.proto; 0 is not adjusted, 2 is adjusted backward from the first day."""
SETTLED = timedelta(days=2)
"""Time from the start of a day in UTC until it has ended everywhere and its last trades are in."""
FILE = "opend_answers.sqlite3"
SCHEMA_VERSION = 1
"""Version of the table; answers of other versions are dropped."""
WAIT_SECONDS = 5.0
"""Time that another worker may block the file."""

log = structlog.get_logger()
Fields = dict[int, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which answers to a question are cached, and for how many seconds. ``request`` decides from the C2S, as
    values by field number, and today's date in UTC. For answers in pages, ``page`` is the C2S field that
    names a page, and ``next_page`` the S2C field that names the next."""

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
    # Qot_GetStaticInfo: names and lot sizes change rarely, and overnight.
    3202: Rule(DAY, lambda _c2s, _today: True),
}


def read_fields(body: bytes) -> Fields:
    """The values of a message by field number, the last one of each field: numbers, and bytes for every field
    with a length. Raises ValueError."""
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
    """The cached answers in ``folder``. Call :meth:`find` and :meth:`keep` in the event loop. ``now`` returns
    UTC seconds."""

    def __init__(
        self, folder: Path, max_bytes: int = MAX_CACHE_BYTES, now: Callable[[], float] = time.time
    ) -> None:
        self._path = folder / FILE
        self._max_bytes = max_bytes
        self._now = now
        self._thread = ThreadPoolExecutor(1, "qotgate-cache")
        self._connection: sqlite3.Connection | None = None
        self._size = 0
        """Bytes of the answers, without those that other workers added since."""
        self._told = False

    async def open(self) -> None:
        """Open the file, or create it. Raises QotGateError."""
        try:
            await self._run(self._open)
        except (OSError, sqlite3.Error) as error:
            raise QotGateError(f"--upstream-cache {self._path.parent} cannot be used: {error}.") from error

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    def rule(self, frame: Frame) -> Rule | None:
        """The rule for the answer to a request; None if it is not cached."""
        rule = RULES.get(frame.proto_id)
        if rule is None or frame.body_format != PROTOBUF:
            return None
        today = datetime.fromtimestamp(self._now(), UTC).date()
        try:
            return rule if rule.request(read_fields(_c2s(frame.body)), today) else None
        except (ValueError, TypeError, AttributeError):
            # Left to OpenD, which says what is wrong with it.
            return None

    async def find(self, scope: str, frame: Frame) -> bytes | None:
        """The body of a cached answer; ``scope`` is the OpenD and its user."""
        key = RequestKeys(scope, frame).key
        found = await self._try(lambda: self._find(key, RULES[frame.proto_id].max_age))
        return None if found is None else bytes(found)

    async def keep(self, scope: str, frame: Frame, answer: bytes) -> None:
        """Cache the body of a successful answer, if a rule covers it."""
        try:
            succeeded = AnyResponse.FromString(answer).retType == RetType.SUCCEED
            s2c = read_fields(read_fields(answer).get(4, b""))
        except (DecodeError, ValueError):
            return
        keys, next_page = RequestKeys(scope, frame), s2c.get(RULES[frame.proto_id].next_page)
        next_key = keys.page_key(next_page) if next_page else None
        if succeeded and len(answer) <= self._max_bytes // 10:
            await self._try(lambda: self._keep(keys.key, next_key, answer))

    async def _run(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _try(self, work: Callable[[], Any]) -> Any:
        """The result of ``work``; None if the file cannot be used, which is logged once."""
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
        # Losing a write is harmless: OpenD can answer again.
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
        # Another worker may have dropped it meanwhile.
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
"""When an answer and its later pages were cached, and whether the last page is among them."""


def _c2s(body: bytes) -> Any:
    """The C2S in the body of a request. Raises ValueError if the body has anything else."""
    (field,) = parsed(body)
    if field.field_number != 1:
        raise ValueError("a request has a C2S")
    return field.data


class RequestKeys:
    """The cache keys of a request's pages. A later page's request has the same keys as the first one's."""

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
        """The key of the requested page."""
        return self.page_key(self._page)

    def page_key(self, page: bytes) -> bytes:
        """The key of another page of the same answer."""
        digest = self._digest.copy()
        digest.update(f" page {page!r}".encode())
        return digest.digest()
