"""Files: arbitrary bytes give records and rejects, or a sentence; a table is the same in each container."""

import csv
import io
import json
import math
import struct
import unicodedata
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from functools import partial
from typing import Any
from warnings import catch_warnings

from fuzz.pieces import parts
from fuzz.workbooks import workbook_parts
from qotgate import sources
from qotgate.model import DayOrder, ParsedFile, Unreadable
from qotgate.sources import cells
from qotgate.sources.cells import MAX_NUMBER, MIN_NUMBER
from qotgate.sources.codes import exchange_market, file_security, note_security
from qotgate.sources.identifiers import clean_identifier

NAME = "AAPL.csv"
SHEET = "xl/worksheets/sheet1.xml"
BOOK = [["ticker", "firm", "rating", "date"], ["TSLA", "UBS", "Buy", "2026-06-01"]]
LINE_END = 2**63
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _read(content: bytes, read: Callable[..., ParsedFile] = sources.read) -> ParsedFile | None:
    """The contents of a file, None for a refused one; the result is the same again, and fits the database."""
    try:
        found = read(content, name=NAME)
    except Unreadable as refused:
        _check_text(str(refused))
        assert str(refused)
        return None
    assert read(content, name=NAME) == found
    for record in found.records:
        for value in record:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, float):
                assert not value or MIN_NUMBER <= abs(value) <= MAX_NUMBER
            elif isinstance(value, int):
                assert -LINE_END < value < LINE_END
    for reject in found.rejects:
        assert reject.reason
        _check_text(reject.reason)
    return found


def _check_text(text: str) -> None:
    """Check that a text can be stored and printed."""
    text.encode()
    assert not any(
        unicodedata.category(one) == "Cc" or unicodedata.bidirectional(one) in BIDI for one in text
    )


def take_text(data: bytes) -> None:
    _read(data)
    for order in DayOrder:
        _read(data, partial(sources.read, dates=order))


def take_json(data: bytes) -> None:
    # In this process, so that the fuzzer sees the executed lines.
    found = _read(data, sources.read_here)
    # Line splitting matters only in NDJSON.
    if found is not None and b"\n" in data:
        with suppress(ValueError):
            _same(
                found,
                _read(json.dumps(json.loads(data, parse_float=_as_written)).encode(), sources.read_here),
            )


def _as_written(number: str) -> Any:
    raise ValueError(number)  # a float may be written in many ways


def take_same_table(data: bytes) -> None:
    """Lines of cells, cut at tabs, under the header of the first line: the same from CSV, with each
    delimiter, and from JSON, in each form."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    # Other targets test csv itself and JSON's escapes; here no cell has a line end, and there are not too
    # many.
    lines = [line.split("\t") for line in text.replace("\r", "").split("\n")]
    header, *rows = lines
    if len(set(header)) != len(header) or "\0" in text:
        return
    rows = [(row + [""] * len(header))[: len(header)] for row in rows]
    found = [_read(_as_csv([header, *rows], delimiter)) for delimiter in ",;"]
    records = [dict(zip(header, row, strict=True)) for row in rows]
    found.append(_read(json.dumps(records).encode(), sources.read_here))
    found.append(_read(("\n".join(map(json.dumps, records)) + "\n").encode(), sources.read_here))
    found.append(_read(json.dumps({"columns": header, "data": rows}).encode(), sources.read_here))
    for one in found[1:]:
        _same(found[0], one)


def _as_csv(lines: list[list[str]], delimiter: str) -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(lines)
    return file.getvalue().encode()


def _same(one: ParsedFile | None, other: ParsedFile | None) -> None:
    if one is None or other is None:
        return
    assert one.kind == other.kind
    shown = [[_without_line(record) for record in found.records] for found in (one, other)]
    assert shown[0] == shown[1]
    assert len(one.rejects) == len(other.rejects)


def _without_line(record: Any) -> list[Any]:
    return [value for name, value in zip(record._fields, record, strict=True) if name != "line"]


def take_parquet(data: bytes) -> None:
    _read(b"PAR1" + data)


def take_xlsx(data: bytes) -> None:
    """Parts of a workbook, each a name followed by its contents, between lines of ``%%``; or a whole file."""
    if data.startswith(b"PK"):
        _read(data)
        return
    content = io.BytesIO()
    # Two parts with one name are valid input.
    with catch_warnings(action="ignore"), zipfile.ZipFile(content, "w") as archive:
        for part in data.split(b"\n%%\n")[:16]:
            name, _, text = part.partition(b"\n")
            with suppress(ValueError):
                archive.writestr(zipfile.ZipInfo(name.decode("latin-1")), text)
    _read(content.getvalue())


def take_archive(data: bytes) -> None:
    """Changes to the archive of a good workbook, each a kind and a body: it is refused, or has the same
    contents as for zipfile."""
    content = archived(workbook_parts(BOOK))
    for kind, body in list(parts(data))[:16]:
        at = int.from_bytes(body[:2], "big")
        match kind % 6:
            case 0:  # bytes of the lists at its end, or any bytes
                at %= len(content) + 1
                content = content[:at] + body[2:] + content[at + len(body[2:]) :]
            case 1:
                at = len(content) - at % (len(content) + 1)
                content = content[:at] + body[2:] + content[at + len(body[2:]) :]
            case 2:
                content += body
            case 3:  # another end, with a comment that may be longer than the file
                content += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 46, 0, at) + body[2:]
            case 4:
                content = content[: len(content) - at % (len(content) + 1)]
            case _:  # the sheet once more, under a name that is equal but for case
                name, _, text = body.partition(b"\n")
                twice = {name.decode("latin-1") or SHEET.upper(): text}
                content = archived(workbook_parts(BOOK) | twice, stored=bool(at % 2))
    found = _read(content)
    if found is not None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            told = {part.filename: archive.read(part) for part in archive.infolist()}
        _same(found, _read(archived(told)))


def archived(parts: dict[str, bytes], *, stored: bool = True) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return content.getvalue()


def take_xls(data: bytes) -> None:
    """A workbook stream, which is put into a container; or a whole file."""
    _read(data if data.startswith(b"\xd0\xcf\x11\xe0") else contained(data))


def contained(stream: bytes) -> bytes:
    """An OLE container with ``stream`` as its workbook, up to 6 MiB: sectors of 512 bytes, first the table of
    sectors, then the directory, then the stream."""
    stream = stream.ljust(4096, b"\0")
    sectors = -(-len(stream) // 512)
    tables = next(count for count in range(1, 109) if count * 128 >= count + 1 + sectors)
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    first = tables + 1
    fat = [*[0xFFFFFFFD] * tables, end, *range(first + 1, first + sectors), end]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(24, b"\0")
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6).ljust(20, b"\0")
    header += struct.pack("<IIIIIIII", tables, tables, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109I", *range(tables), *[free] * (109 - tables))
    table = struct.pack(f"<{tables * 128}I", *fat, *[free] * (tables * 128 - len(fat)))
    directory = b""
    for name, start, length in (("Root Entry", end, 0), ("Workbook", first, len(stream))):
        directory += name.encode("utf-16-le").ljust(64, b"\0").ljust(116, b"\0")
        directory += struct.pack("<III", start, length, 0)
    return header + table + directory.ljust(512, b"\0") + stream.ljust(sectors * 512, b"\0")


_READERS: tuple[Callable[[Any], Any], ...] = (
    cells.required_text,
    cells.number,
    lambda cell: cells.number(cell, "$"),
    lambda cell: cells.number(cell, "%"),
    lambda cell: cells.moment(cell, 1970),
    lambda cell: cells.moment(cell, 1970, DayOrder.DMY),
    cells.time_of_day,
    lambda cell: exchange_market(cells.text(cell)),
    lambda cell: note_security(cells.text(cell)),
)


def take_words(data: bytes) -> None:
    """One cell as text, and as a number if it is one; and a file name."""
    text = data.decode("utf-8", "replace")
    found: list[Any] = [text]
    with suppress(ValueError):
        found.append(float(text))
        found.append(int(text))
    for cell in found:
        cells.shown(cell)
        clean_identifier(cell)
        for read in _READERS:
            with suppress(ValueError):
                _check_value(read(cell))
    file_security(text)


def _check_value(value: Any) -> None:
    assert value is None or value == value
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, tuple):
        day, clock = value
        assert isinstance(day, date)
        assert not isinstance(day, datetime)
        assert clock is None or isinstance(clock, time)
