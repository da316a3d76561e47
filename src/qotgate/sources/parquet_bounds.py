"""Refuses the Parquet files that would take the process down with them.

A reader of Parquet allocates what a file says of itself, in its footer and before each page, and a failed
allocation in Rust ends the process instead of raising. So the numbers that decide how much is allocated are
read here first: held to the limits of any table, and to each other.

Sources: the Parquet format's README and parquet.thrift (apache/parquet-format), whose field numbers are the
constants below; the Thrift compact protocol (thrift-compact-protocol.md) in which both are written.
"""

import struct
from collections.abc import Iterator
from typing import Any

from qotgate.model import Unreadable
from qotgate.sources.workbook_bounds import MOST_CELLS

MAGIC = b"PAR1"
DAMAGED = "the Parquet file is damaged or cut short; download it again"
TOO_LARGE = f"the Parquet file holds more than {MOST_CELLS:,} cells, or unpacks to more than 512 MiB"

MOST_BYTES = 512 * 2**20
_MOST_FOOTER = 16 * 2**20
_DEEPEST = 16

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_ROWS, _ROW_GROUPS = 3, 4  # of FileMetaData
_COLUMNS, _GROUP_ROWS = 1, 3  # of RowGroup
_COLUMN = 3  # of ColumnChunk: its ColumnMetaData
_CHUNK_VALUES, _PACKED, _FIRST_PAGE, _DICTIONARY = 5, 7, 9, 11  # of ColumnMetaData
_UNPACKED_PAGE, _PACKED_PAGE = 2, 3  # of PageHeader
_PAGES = (5, 7, 8)  # of PageHeader: the headers of a data page, a dictionary page, a data page v2
_VALUES = 1  # of each of these


def check_parquet(content: bytes) -> None:
    """Pass a file that can be opened safely. Raises Unreadable."""
    try:
        _check_footer(content)
    except (struct.error, IndexError, KeyError, TypeError, AttributeError, ValueError) as problem:
        raise Unreadable(DAMAGED) from problem


def _check_footer(content: bytes) -> None:
    length = struct.unpack("<I", content[-8:-4])[0]
    if content[-4:] != MAGIC or not 0 < length <= len(content) - 12:
        raise ValueError(length)
    if length > _MOST_FOOTER:
        raise Unreadable(TOO_LARGE)
    footer = _Compact(content, len(content) - 8 - length).struct()
    groups = footer[_ROW_GROUPS]
    if footer[_ROWS] != sum(group[_GROUP_ROWS] for group in groups):
        raise ValueError(footer[_ROWS])
    cells = unpacked = 0
    for group in groups:
        for column in group[_COLUMNS]:
            cells += max(0, group[_GROUP_ROWS], column[_COLUMN][_CHUNK_VALUES])
            for size in _pages(content, column[_COLUMN]):
                unpacked += size
                if unpacked > MOST_BYTES:
                    raise Unreadable(TOO_LARGE)
        if cells > MOST_CELLS:
            raise Unreadable(TOO_LARGE)


def _pages(content: bytes, chunk: dict[int, Any]) -> Iterator[int]:
    """The unpacked sizes of the pages of a chunk, each held to the chunk."""
    first = chunk[_FIRST_PAGE]
    at = min(first, chunk.get(_DICTIONARY) or first)
    end = at + chunk[_PACKED]
    if not len(MAGIC) <= at <= end <= len(content):
        raise ValueError(at)
    while at < end:
        reader = _Compact(content, at)
        page = reader.struct()
        values = [page[header][_VALUES] for header in _PAGES if header in page]
        at = reader.at + page[_PACKED_PAGE]
        if not reader.at <= at <= end or not all(0 <= value <= MOST_CELLS for value in values):
            raise ValueError(at)
        if page[_UNPACKED_PAGE] < 0:
            raise ValueError(page[_UNPACKED_PAGE])
        yield page[_UNPACKED_PAGE]


class _Compact:
    """Reads one struct of Thrift's compact protocol: field number to value, structs and lists within."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content = content
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError(value)

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.content):
            raise IndexError(self.at)

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError(depth)
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind < _DOUBLE:
            return self._integer()
        if kind in (_DOUBLE, _BINARY):
            return self._skip(8 if kind == _DOUBLE else self._varint())
        if kind in (_LIST, _SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._varint()
            # Truth values take no byte of a field and one of a list.
            inner = _BYTE if head & 15 in (_TRUE, _FALSE) else head & 15
            return [self._value(inner, depth + 1) for _ in range(size)]
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise ValueError(kind)  # no map is in either
