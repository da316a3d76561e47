"""docs/limits.md names the bounds that the code has."""

import pytest

from qotgate.gateway import pacing, websocket
from qotgate.service import loading
from qotgate.sources import cells, layout, lines, opening
from qotgate.web import api, bodies, connections, downloads
from tests.support.paths import ROOT

BOUNDS = {
    "bytes of a file": f"| bytes | {loading.MAX_FILE_BYTES >> 20} MiB",
    "columns": f"columns of a table | {lines.MAX_COLUMNS};",
    "cells": f"JSON table | {lines.MAX_CELLS:,} |",
    "lines of NDJSON": f"| lines of NDJSON | {lines.MAX_LINES:,} |",
    "a text": f"cut at {cells.MAX_TEXT} characters",
    "a number": f"0, or from {cells.MIN_NUMBER:g} to {cells.MAX_NUMBER:g}",
    "a day": f"no more than {loading.MAX_SESSIONS_AHEAD} trading days ahead",
    "rejects": f"lines that are left out | {layout.MAX_REJECTS:,};",
    "funds": f"| funds in a file | {layout.MAX_FUNDS} |",
    "opening": f"| {opening.MAX_MEMORY >> 30} GiB of memory and {opening.MAX_SECONDS:g} seconds,",
    "a body": f"at most {bodies.MAX_BODY:,} bytes",
    "steps": f"in steps of {pacing.STEP_BYTES:,} bytes",
    "a turn": f"all together {pacing.TURN_SECONDS * 1000:g} ms",
    "control frames": f"| {websocket.MAX_SPARE_FRAMES:,} control frames or fragments in a second",
    "HTTP connections": f"HTTP connections count apart: {connections.MAX_CONNECTIONS} in all",
    "of one address": f"not fewer than {connections.MIN_CONNECTIONS_PER_ADDRESS}, "
    f"and {connections.MAX_CONNECTIONS_PER_ADDRESS} unless",
    "spare connections": f"{connections.MAX_SPARE_CONNECTIONS} more are open for two seconds",
    "parts of a list": f"in parts of {api.PART_ROWS:,} rows",
    "a turn at lists": f"first part within {downloads.WAIT_SECONDS:g} seconds has 503",
}


@pytest.mark.parametrize("what", BOUNDS)
def test_a_bound_is_documented(what: str) -> None:
    text = " ".join((ROOT / "docs" / "limits.md").read_text(encoding="utf-8").split())
    assert BOUNDS[what] in text


def test_the_moments_are_too() -> None:
    assert connections.SPARE_SECONDS == 2
