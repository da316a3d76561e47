"""docs/limits.md and docs/security.md name the bounds of the code."""

import pytest

from fuzz import running as fuzzing
from qotgate.gateway import door, encryption, pacing, session, websocket
from qotgate.limits import allowance, redis, slots
from qotgate.protocol import cipher
from qotgate.service.coverage import provenance, status
from qotgate.service.loading import reading, writing
from qotgate.serving.settings import OPTIONS
from qotgate.sources import cells, layout, lines, opening, workbooks
from qotgate.sources.fetching import client as fetching
from qotgate.store import sqlite
from qotgate.web import api, bodies, connections, data_pages, downloads, options, pages
from tests.support.paths import ROOT

LIMITS = {
    "bytes of a file": f"| bytes | {reading.MAX_FILE_BYTES >> 20} MiB",
    "columns": f"columns of a table | {lines.MAX_COLUMNS};",
    "cells": f"JSON table | {lines.MAX_CELLS:,} |",
    "lines of NDJSON": f"| lines of NDJSON | {lines.MAX_LINES:,} |",
    "a text": f"cut at {cells.MAX_TEXT} characters",
    "a number": f"0, or from {cells.MIN_NUMBER:g} to {cells.MAX_NUMBER:g}",
    "a day": f"no more than {writing.MAX_SESSIONS_AHEAD} trading days ahead",
    "rejects": f"lines that are left out | {layout.MAX_REJECTS:,};",
    "funds": f"| funds in a file | {layout.MAX_FUNDS} |",
    "unpacked": f"unpacked | {workbooks.MAX_UNPACKED >> 30} GiB together",
    "opening": f"| {opening.MAX_MEMORY >> 30} GiB of memory and {opening.MAX_SECONDS:g} seconds,",
    "headers": f"headers of an HTTP request | at most {connections.MAX_HEADER_BYTES:,} bytes",
    "a body": f"at most {bodies.MAX_BODY:,} bytes, and {bodies.LARGER['/mcp']:,} at `/mcp`",
    "steps": f"in steps of {pacing.STEP_BYTES:,} bytes",
    "a turn": f"all together {pacing.TURN_SECONDS * 1000:g} ms",
    "control frames": f"| {websocket.MAX_SPARE_FRAMES:,} control frames or fragments in a second",
    "connections": f"| `max_connections` | {OPTIONS['max_connections'].default} |",
    "an IPv6 address": f"by their network of {slots.NETWORK_BITS} bits",
    "connections to refuse": f"At most {door.MAX_TURNED_AWAY} connections wait to be refused",
    "HTTP connections": f"HTTP connections count separately: {connections.MAX_CONNECTIONS} in all",
    "of one address": f"not fewer than {connections.MIN_CONNECTIONS_PER_ADDRESS}, "
    f"and {connections.MAX_CONNECTIONS_PER_ADDRESS} unless",
    "spare connections": f"{connections.MAX_SPARE_CONNECTIONS} more are open for "
    f"{connections.SPARE_SECONDS:g} seconds each",
    "a silent peer": f"a peer that vanished | closed after {door.SILENT_INTERVALS} keep-alive intervals",
    "an unread answer": f"read or answered; closed after {door.SILENT_INTERVALS} keep-alive intervals",
    "requests at once": f"at most {session.MAX_UNDER_WAY} questions under way",
    "handshakes": f"closed after {websocket.OPEN_SECONDS:g} seconds, or {door.SILENT_INTERVALS} keep-alive",
    "wrong keys": f"no more than {encryption.MAX_RSA_BLOCKS} blocks",
    "half a request": f"half an HTTP request | closed after {connections.REQUEST_SECONDS:g} seconds",
    "an unread page": f"answer that is not read | closed after {connections.READ_SECONDS:g} seconds",
    "parts of a list": f"in parts of {api.PART_ROWS:,} rows",
    "a turn at lists": f"first part within {downloads.WAIT_SECONDS:g} seconds has 503",
    "rows of the Data page": f"shows up to {data_pages.SPANS_ON_A_PAGE} rows of each list",
    "the store's answer": f"does not answer within {redis.ANSWER_SECONDS:g} second,",
    "the store again": f"again every {allowance.TRY_SECONDS:g} seconds",
}
SECURITY = {
    "a token": f"a token of {options.TOKEN_LEAST} characters or more",
    "a body": f"has at most {bodies.MAX_BODY:,} bytes",
    "the RSA key": f"InitConnect alone, at most {encryption.MAX_RSA_BLOCKS} blocks a packet",
    "bits of the key": f"of {cipher.RSA_BITS[0]} bits for the published clients",
    "a file": f"at most {reading.MAX_FILE_BYTES >> 20} MiB; spreadsheets",
    "opening": f"with {opening.MAX_MEMORY >> 30} GiB of memory and {opening.MAX_SECONDS:g} seconds",
    "downloads": f"at most {fetching.BODY_LIMIT >> 20} MiB, {fetching.REDIRECTS} redirects "
    f"and {fetching.DEADLINE:g} seconds",
    "a deleted database": f"within {sqlite.LOOK_SECONDS:g} seconds without one",
    "an input of a fuzzer": f"takes {fuzzing.UNIT_SECONDS} seconds or {fuzzing.MEMORY_MIB >> 10} GiB",
}
DOCUMENTED = [
    *(("limits.md", what, said) for what, said in LIMITS.items()),
    *(("security.md", what, said) for what, said in SECURITY.items()),
]


@pytest.mark.parametrize(("document", "what", "said"), DOCUMENTED)
def test_a_bound_is_documented(document: str, what: str, said: str) -> None:
    text = " ".join((ROOT / "docs" / document).read_text(encoding="utf-8").split())
    assert said in text


def test_each_list_of_the_data_page_is_as_short() -> None:
    lengths = (
        pages.MOVES_ON_A_PAGE,
        provenance.FILES_ON_A_PAGE,
        provenance.SETTLE_ON_A_PAGE,
        provenance.LOADS_SHOWN,
        status.CONTRADICTIONS_SHOWN,
    )
    assert max(lengths) <= data_pages.SPANS_ON_A_PAGE
