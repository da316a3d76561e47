"""Small files of each kind, made in memory."""

import io
import struct
from collections.abc import Callable
from datetime import date, datetime, time

import pytest
import xlsxwriter

_FORMATS = {datetime: "yyyy-mm-dd hh:mm", date: "mm/dd/yyyy", time: "hh:mm"}


@pytest.fixture(scope="session")
def workbook() -> Callable[..., bytes]:
    """Make an .xlsx of sheets, each a list of rows or a mapping of (row, column), from 0, to value."""

    def make(*sheets) -> bytes:
        content = io.BytesIO()
        book = xlsxwriter.Workbook(content, {"in_memory": True})
        formats = {kind: book.add_format({"num_format": text}) for kind, text in _FORMATS.items()}
        for sheet in sheets:
            page = book.add_worksheet()
            if not isinstance(sheet, dict):
                sheet = {(y, x): value for y, row in enumerate(sheet) for x, value in enumerate(row)}
            for (y, x), value in sheet.items():
                if type(value) in formats:
                    page.write_datetime(y, x, value, formats[type(value)])
                elif isinstance(value, str):
                    page.write_string(y, x, value)
                elif value is not None:
                    page.write(y, x, value)
        book.close()
        return content.getvalue()

    return make


@pytest.fixture(scope="session")
def container() -> Callable[..., bytes]:
    """Make an OLE container of one stream; its sectors are: 0 the FAT, 1 the directory, then the stream.
    ``fat`` overrides entries of the table."""

    def make(
        name: str, stream: bytes = b"", fat: dict[int, int] | None = None, difat: int = 0xFFFFFFFE
    ) -> bytes:
        stream = stream.ljust(4096, b"\0")
        count = -(-len(stream) // 512)
        table = {
            0: 0xFFFFFFFD,
            1: 0xFFFFFFFE,
            **{n: n + 1 for n in range(2, count + 1)},
            count + 1: 0xFFFFFFFE,
        }
        table |= fat or {}
        header = bytearray(512)
        header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
        struct.pack_into("<III", header, 44, 1, 1, 0)
        struct.pack_into("<IIIII", header, 56, 4096, 0xFFFFFFFE, 0, difat, 0)
        struct.pack_into("<109I", header, 76, 0, *[0xFFFFFFFF] * 108)
        fat_sector = struct.pack("<128I", *(table.get(number, 0xFFFFFFFF) for number in range(128)))
        directory = b""
        for entry, start, length in (("Root Entry", 0xFFFFFFFE, 0), (name, 2, len(stream))):
            directory += entry.encode("utf-16-le").ljust(64, b"\0").ljust(116, b"\0")
            directory += struct.pack("<III", start, length, 0)
        return bytes(header) + fat_sector + directory.ljust(512, b"\0") + stream.ljust(count * 512, b"\0")

    return make
