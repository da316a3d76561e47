"""Input that people and programs write by hand or store for us: cursors, options, codes, days."""

import json
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints
from unittest.mock import patch

from itsdangerous import URLSafeSerializer

from qotgate.cli.options import read_day
from qotgate.limits.window import RateLimit
from qotgate.model import InvalidRequest, QotGateError, Security
from qotgate.service.cursor import Cursor, Cursors, ListCursor
from qotgate.serving import settings

SECRET = "known to the target alone"
QUESTION = ("rating_changes", "US", "UPGRADE")


def take_cursor(data: bytes) -> None:
    """The first byte chooses an invented text, a signed one, or a cursor of ours with a changed byte."""
    choice, rest = data[0] if data else 0, data[1:]
    cursors = Cursors(SECRET)
    kind: Any = (Cursor, ListCursor)[choice & 1]
    if choice & 2:
        # Another version may have signed anything.
        with suppress(ValueError, RecursionError):
            signer = URLSafeSerializer(SECRET, salt="\x1f".join(("qotgate.cursor", *QUESTION)))
            _check_read(cursors, signer.dumps(json.loads(rest)), kind)
        return
    text = rest.decode("utf-8", "surrogatepass" if choice & 4 else "replace") if _decodes(rest) else ""
    _check_read(cursors, text, kind)
    ours = Cursor(len(rest), "2026-06-17", choice, "2026-06-16", choice)
    written = cursors.write(QUESTION, ours)
    assert cursors.read(QUESTION, written, Cursor) == ours
    at = choice % len(written)
    changed = written[:at] + text[:1] + written[at + 1 :]
    if changed != written:
        try:
            read = cursors.read(QUESTION, changed, Cursor)
        except InvalidRequest:
            pass
        else:  # base64 has insignificant bits, and two spellings of two letters
            assert read == ours
    with suppress(InvalidRequest):
        cursors.read((*QUESTION, text), written, Cursor)
        raise AssertionError("a cursor was taken for another question")


def _decodes(rest: bytes) -> bool:
    try:
        rest.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _check_read(cursors: Cursors, text: str, kind: Any) -> None:
    try:
        found = cursors.read(QUESTION, text, kind)
    except InvalidRequest as refused:
        assert refused.text("en")
        return
    values = tuple(found)
    assert [type(value) for value in values] == list(get_type_hints(kind).values())
    if kind is Cursor:
        day, row_id = found.after
        assert (day.isoformat(), row_id) == (found.day, found.row_id)


@cache
def _config() -> Path:
    return Path(tempfile.mkdtemp()) / "qotgate.toml"


def take_options(data: bytes) -> None:
    """A configuration file; its first lines are also options on a command line."""
    _config().write_bytes(data)
    for flags in ({}, _flags(data)):
        with suppress(QotGateError), patch.object(settings, "CONFIG_FILE", _config()):
            found = settings.read_settings(**flags)
            assert 0 <= found.port <= 65_535
            assert found.funds
            assert found.window_days > 0
    for line in data.decode("utf-8", "replace").split("\n")[:4]:
        with suppress(QotGateError):
            limit = RateLimit.parse(line)
            assert limit is None or (limit.requests > 0 and limit.seconds > 0)
        with suppress(QotGateError):
            assert Security.parse(str(Security.parse(line))) == Security.parse(line)
        with suppress(QotGateError):
            day = read_day(line)
            assert day is not None


def _flags(data: bytes) -> dict[str, str]:
    lines = data.decode("utf-8", "replace").split("\n")[:8]
    pairs = (line.partition("=") for line in lines)
    return {name.strip(): value.strip(' "') for name, _, value in pairs if name.strip() in settings.OPTIONS}
