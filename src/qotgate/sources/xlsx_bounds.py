"""Refuses the .xlsx files that would take the process down with them.

calamine lays a sheet out as the rectangle around its filled cells, and copies a shared text into each cell
that names it; a failed allocation in Rust ends the process instead of raising. Two cells in opposite corners
ask for terabytes, and a hundred kilobytes of cells that share one long text for gigabytes. So each part that
may be a sheet is read by an XML parser first. What one parser may see otherwise than the other, as comments
or entities with elements in them, has no place in a sheet and is refused.

Sources: ECMA-376 part 1, 18.3 for sheets and 18.4 for shared texts; part 2 for the package; APPNOTE for zip.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any
from xml.parsers import expat

from qotgate.model import Unreadable
from qotgate.sources.workbook_bounds import (
    DAMAGED,
    LOCKED,
    MOST_CELLS,
    MOST_TEXT,
    TOO_LARGE,
    TOO_LONG,
    check_area,
)

_MOST_XML = 512 * 2**20
_REFERENCE = re.compile(r"([A-Za-z]{1,9})([0-9]{1,9})")
_LOCAL_HEADER = struct.Struct("<26xHH")


def check_xlsx(content: bytes) -> None:
    """Pass an .xlsx (or any zip archive) that can be opened safely. Raises Unreadable."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_parts(content, archive.infolist())
    except Unreadable:
        raise
    except Exception as problem:  # on damaged bytes zipfile raises a dozen kinds, few of them its own
        raise Unreadable(DAMAGED) from problem


def _check_parts(content: bytes, parts: list[zipfile.ZipInfo]) -> None:
    names = {part.filename.lower() for part in parts}
    if "xl/workbook.bin" in names or "content.xml" in names:
        raise Unreadable("it is a workbook of another kind (.xlsb or .ods); save it as .xlsx or .csv")
    if "xl/workbook.xml" not in names:
        raise Unreadable("it is a zip archive and not a workbook; unpack it and load the files within")
    if any(part.flag_bits & 1 for part in parts):
        raise Unreadable(LOCKED)
    if sum(part.file_size for part in parts) > _MOST_XML:
        raise Unreadable(f"the workbook unpacks to more than {_MOST_XML >> 20} MiB; save it as .csv")
    shared: list[int] = []
    # Which parts are sheets, relations say; whatever they say, a sheet has this word in it.
    sheets = []
    for part in parts:
        unpacked = _unpacked(content, part)
        if b"sheetData" in unpacked:
            sheets.append(part)
        elif b"sst" in unpacked and part.filename.lower().endswith(".xml"):
            texts = _Texts()
            texts.read(unpacked)
            shared = max(shared, texts.lengths, key=sum)
    for part in sheets:
        _Sheet(shared).read(_unpacked(content, part))


def _unpacked(content: bytes, part: zipfile.ZipInfo) -> bytes:
    """What is in a part, which is as long as it says: others go on to the end of what is packed."""
    name, extra = _LOCAL_HEADER.unpack_from(content, part.header_offset)
    start = part.header_offset + _LOCAL_HEADER.size + name + extra
    packed = content[start : start + part.compress_size]
    if part.compress_type == zipfile.ZIP_DEFLATED:
        packed = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, part.file_size + 1)
    elif part.compress_type != zipfile.ZIP_STORED:
        raise Unreadable(DAMAGED)
    if len(packed) != part.file_size:
        raise Unreadable(DAMAGED)
    return packed


class _Part:
    """A part that is read element by element. Raises Unreadable and expat's errors."""

    def read(self, content: bytes) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        parser.CommentHandler = parser.ProcessingInstructionHandler = _refuse_elements
        parser.Parse(content, True)
        self.end()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.start(name.partition(":")[2] or name, attributes)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def _text(self, text: str) -> None:
        """A text between elements."""

    def end(self) -> None:
        """There are no more."""


def _refuse(*_declared: Any) -> None:
    raise Unreadable(DAMAGED)


def _refuse_elements(*texts: str) -> None:
    if any("<" in text or ">" in text for text in texts):
        raise Unreadable(DAMAGED)


class _Texts(_Part):
    """The shared texts; ``lengths`` are in characters."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sst" and int(attributes.get("uniqueCount") or 0) > MOST_CELLS:
            raise Unreadable(TOO_LARGE)
        if name == "si":
            self.lengths.append(0)

    def _text(self, text: str) -> None:
        if self.lengths:
            self.lengths[-1] += len(text)


class _Sheet(_Part):
    """A sheet: the rectangle around its filled cells, and how much text they share."""

    def __init__(self, shared: Iterable[int]) -> None:
        self._shared = list(shared)
        self._rows: set[int] = set()
        self._columns: set[int] = set()
        self._row = self._column = 0
        self._of_shared = self._index = self._filled = False
        self._text_left = MOST_TEXT

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            self._row, self._column = int(attributes.get("r") or self._row + 1), 0
            self._index = False
        elif name == "c":
            self._column += 1
            if "r" in attributes:
                self._place(attributes["r"])
            self._of_shared = attributes.get("t") == "s"
            self._filled = self._index = False
        elif self._column:
            if not self._filled:
                self._filled = True
                self._rows.add(self._row)
                self._columns.add(self._column)
            self._index = self._of_shared and name == "v"

    def _place(self, reference: str) -> None:
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise Unreadable(DAMAGED)
        self._column = 0
        for letter in match[1].upper():
            self._column = self._column * 26 + ord(letter) - ord("A") + 1
        self._row = int(match[2])

    def _text(self, text: str) -> None:
        if self._index and text.strip().isdecimal():
            index = int(text)
            self._text_left -= self._shared[index] if index < len(self._shared) else 0
            if self._text_left < 0:
                raise Unreadable(TOO_LONG)

    def end(self) -> None:
        check_area(self._rows, self._columns)
