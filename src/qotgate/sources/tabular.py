"""Converts bytes to tables of cells for each container: CSV in its encodings, JSON, Parquet, .xls, .xlsx.

The bytes decide what a file is, never its name: people rename files, and a failed download is a web page
named .csv. Cells are not interpreted here.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from operator import add, attrgetter

from qotgate.model import Unreadable
from qotgate.sources.json_tables import json_tables
from qotgate.sources.lines import MAX_COLUMNS, Cell, Line
from qotgate.sources.parquet_tables import parquet_table
from qotgate.sources.workbooks import sheets

_OLE, _ZIP, _PARQUET = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04", b"PAR1"
_JSON = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*[\[{]")
_OTHERS = (
    (b"%PDF", "it is a PDF"),
    (b"\x1f\x8b", "it is a gzip archive; unpack it first"),
    (b"BZh", "it is a bzip2 archive; unpack it first"),
    (b"7z\xbc\xaf", "it is a 7z archive; unpack it first"),
    (b"SQLite format 3", "it is an SQLite database"),
    (b"PARE", "it is an encrypted Parquet file; save it without encryption"),
)
_TAKEN = "CSV, JSON, Parquet, .xls and .xlsx files are taken"

MIN_BLOCK, MAX_BLOCK = 32, 8192
"""Lines of a text that are split at once, the first ones and later ones: the first may have another
delimiter."""


def tables(content: bytes) -> Iterator[Iterable[Line]]:
    """The possible tables of a file: the sheets of a workbook, the records of JSON in its possible forms, or
    a text split at commas, at semicolons and at tabs. Raises Unreadable."""
    if not content.strip():
        raise Unreadable(f"the file is empty; {_TAKEN}")
    for magic, sentence in _OTHERS:
        if content.startswith(magic):
            raise Unreadable(f"{sentence}; {_TAKEN}")
    if content.startswith((_OLE, _ZIP)):
        yield from sheets(content)
    elif content.startswith(_PARQUET):
        yield parquet_table(content)
    elif (text := _text(content)).lstrip().startswith(("[", "{")):
        yield from json_tables(text)
    else:
        for delimiter in ",;\t":
            yield _split(text, delimiter)


def is_text(content: bytes) -> bool:
    """Whether a file is delimited text, or of no accepted kind."""
    return not (content.startswith((_OLE, _ZIP, _PARQUET)) or _JSON.match(content))


def _text(content: bytes) -> str:
    """Decode a text: UTF-8 or UTF-16 by its byte-order mark; without one, UTF-8 if valid, else Windows'
    cp1252, or Latin-1 for bytes that cp1252 leaves undefined."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        content = content.removeprefix(b"\xef\xbb\xbf")
        encodings = ["utf-8", "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise Unreadable("the text starts as UTF-16 and is not; save it as UTF-8")
    if "\0" in text:
        raise Unreadable(f"it holds NUL bytes, so it is binary or damaged; {_TAKEN}")
    if text.lstrip().startswith("<"):
        raise Unreadable("it is a web page or XML, not a table; download the file itself")
    return text


def _split(text: str, delimiter: str) -> Iterator[Line]:
    """Split a text into its lines. Broken quoting is a problem of its own line only: reading continues with
    the next line. Otherwise a stray quote could silently join its neighbours into one cell."""
    return chain.from_iterable(_blocks(text, delimiter))


def _blocks(text: str, delimiter: str) -> Iterator[Iterable[Line]]:
    """The lines in blocks, each made without a step of Python for every line."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    lines_read = map(attrgetter("line_num"), repeat(reader))
    number, size, problem = 1, MIN_BLOCK, None
    while True:
        found: list[tuple[list[str], int]] = []
        try:
            # A list keeps what came before an error.
            found.extend(islice(zip(reader, lines_read), size))  # noqa: B905 - the other one is endless
        except csv.Error as error:
            problem = error
        if found:
            rows, ends = zip(*found, strict=True)
            numbers = (number, *map(add, ends[:-1], repeat(1)))
            if max(map(len, rows)) > MAX_COLUMNS:
                yield map(_bounded, numbers, rows)
            else:
                # As Line(...), which is a function of Python.
                yield map(tuple.__new__, repeat(Line), zip(numbers, rows, repeat("")))
            number = ends[-1] + 1
        if problem is not None:
            yield (Line(number, [], f"the line cannot be split into cells: {problem}"),)
            number, problem = reader.line_num + 1, None
        elif len(found) < size:
            return
        size = MAX_BLOCK


def _bounded(number: int, cells: list[Cell]) -> Line:
    if len(cells) > MAX_COLUMNS:
        return Line(number, [], f"the line has more than {MAX_COLUMNS} cells")
    return Line(number, cells)
