"""Refuses the .xls files that would take the process down with them.

calamine sizes its tables by what a file says of itself, and a failed allocation in Rust ends the process
instead of raising: a damaged .xls that claims four billion rows asks for terabytes; a sector chain that loops
is followed until the memory is gone. About one damaged .xls in five hundred does one of these. So the few
numbers that decide how much calamine allocates are read here first and held to what a sheet can be.

Sources: [MS-CFB] for the container, [MS-XLS] 2.4 for the records.
"""

import struct
from collections.abc import Callable, Iterator, Sequence

from qotgate.model import Unreadable

MOST_CELLS = 5_000_000
"""The largest sheet taken, as the rectangle around its filled cells: about 350 MB while it is read."""

MOST_TEXT = 128 * 2**20
"""The most characters in the cells of a sheet that share their texts: 512 MiB at four bytes each."""
_XLS_ROWS, _XLS_COLUMNS = 65_536, 256

_END_OF_CHAIN = 0xFFFFFFFE
_STREAMS = ("Workbook", "Book", "WORKBOOK", "BOOK")
_BOF, _EOF, _FILE_PASS, _BOUND_SHEET, _DIMENSIONS, _MUL_RK = 0x0809, 0x000A, 0x002F, 0x0085, 0x0200, 0x00BD
_SHARED_TEXTS, _CONTINUE, _SHARED_TEXT_CELL = 0x00FC, 0x003C, 0x00FD
_CELL_RECORDS = frozenset({0x0006, 0x0203, 0x0204, 0x00D6, 0x0205, 0x027E, 0x00FD, _MUL_RK})

DAMAGED = "the workbook is damaged or cut short; download it again"
LOCKED = "the workbook is protected by a password; save it without one"
TOO_LONG = "the cells of a sheet hold more than 512 MiB of text; save the table as .csv"
TOO_LARGE = (
    f"a sheet of the workbook spans more than {MOST_CELLS:,} cells; delete stray cells far from the table"
)


def check_xls(content: bytes) -> None:
    """Pass an .xls (or any OLE container) that can be opened safely. Raises Unreadable."""
    try:
        stream = _workbook_stream(content)
        shared = _shared_lengths(stream)
        for start in _sheet_starts(stream):
            _check_sheet(stream, start, shared)
    except (struct.error, IndexError) as problem:
        raise Unreadable(DAMAGED) from problem


def check_area(rows: set[int], columns: set[int]) -> None:
    """Pass a sheet by the rows and columns of its filled cells. Raises Unreadable."""
    if rows and (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1) > MOST_CELLS:
        raise Unreadable(TOO_LARGE)


def _workbook_stream(content: bytes) -> bytes:
    """Take the workbook out of its container, following no chain twice round. Raises struct.error and
    IndexError where the container is damaged."""
    shift, first_directory, first_mini_fat, mini_fat_sectors, next_difat = (
        *struct.unpack_from("<H", content, 30),
        *struct.unpack_from("<I", content, 48),
        *struct.unpack_from("<III", content, 60),
    )
    if shift not in (9, 12):
        raise Unreadable(DAMAGED)
    size = 1 << shift

    def sector(number: int) -> bytes:
        piece = content[(number + 1) * size : (number + 2) * size]
        if not piece:
            raise Unreadable(DAMAGED)
        return piece

    fat_sectors = list(struct.unpack_from("<109I", content, 76))
    seen: set[int] = set()
    while next_difat < 0xFFFFFFFA:
        if next_difat in seen:
            raise Unreadable(DAMAGED)
        seen.add(next_difat)
        fat_sectors += _integers(sector(next_difat))
        next_difat = fat_sectors.pop()
    fat = _integers(b"".join(sector(number) for number in fat_sectors if number < 0xFFFFFFFC))

    directory = _chain(first_directory, fat, sector)
    entries: dict[str, tuple[int, int]] = {}
    for at in range(0, len(directory), 128):
        name = directory[at : at + 64].decode("utf-16-le", "replace").partition("\0")[0]
        entries.setdefault(name, struct.unpack_from("<II", directory, at + 116))
    if "EncryptedPackage" in entries:
        raise Unreadable(LOCKED)
    start, length = next((entries[name] for name in _STREAMS if name in entries), (0, 0))
    if not length:
        raise Unreadable("it is an Office document and not a workbook; save the table as .xlsx or .csv")

    mini_fat: tuple[int, ...] = ()
    small = b""
    if mini_fat_sectors:
        mini_fat = _integers(_chain(first_mini_fat, fat, sector, mini_fat_sectors * size))
        root, root_length = struct.unpack_from("<II", directory, 116)
        small = _chain(root, fat, sector, root_length)
    if length >= 4096:
        return _chain(start, fat, sector, length)
    return _chain(start, mini_fat, lambda number: small[number * 64 : number * 64 + 64], length)


def _integers(piece: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(piece) // 4}I", piece[: len(piece) // 4 * 4])


def _chain(
    first: int, table: Sequence[int], sector: Callable[[int], bytes], most: int | None = None
) -> bytes:
    pieces = bytearray()
    seen: set[int] = set()
    number = first
    while number != _END_OF_CHAIN and (most is None or len(pieces) < most):
        if number in seen:
            raise Unreadable(DAMAGED)
        seen.add(number)
        pieces += sector(number)
        number = table[number] if most is None or len(pieces) < most else _END_OF_CHAIN
    return bytes(pieces[:most])


def _records(stream: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """The records of one substream, from its BOF to its own EOF, those of charts within it included."""
    depth = 0
    while start + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, start)
        yield kind, stream[start + 4 : start + 4 + size]
        start += 4 + size
        depth += (kind == _BOF) - (kind == _EOF)
        if kind == _EOF and depth <= 0:
            return


def _sheet_starts(stream: bytes) -> list[int]:
    starts: list[int] = []
    for kind, record in _records(stream, 0):
        if kind == _FILE_PASS and struct.unpack_from("<H", record)[0]:
            raise Unreadable(LOCKED)
        if kind == _BOUND_SHEET:
            starts += struct.unpack_from("<I", record)
    return starts


def _shared_lengths(stream: bytes) -> list[int]:
    """The lengths of the shared texts in characters ([MS-XLS] 2.4.265), whose table goes on in CONTINUE
    records: a text that is cut there begins anew with its flags."""
    pieces: list[bytes] = []
    for kind, record in _records(stream, 0):
        if kind == _SHARED_TEXTS and not pieces:
            pieces.append(record[8:])
        elif pieces and kind == _CONTINUE:
            pieces.append(record)
        elif pieces:
            break
    lengths: list[int] = []
    piece, at = 0, 0
    while piece < len(pieces):
        if at >= len(pieces[piece]):
            at -= len(pieces[piece])
            piece += 1
            continue
        length, flags = struct.unpack_from("<HB", pieces[piece], at)
        at += 3
        runs, extra = 0, 0
        if flags & 8:
            (runs,) = struct.unpack_from("<H", pieces[piece], at)
            at += 2
        if flags & 4:
            (extra,) = struct.unpack_from("<I", pieces[piece], at)
            at += 4
        lengths.append(length)
        while length:
            width = 1 + (flags & 1)
            here = min(length, max(0, len(pieces[piece]) - at) // width)
            length -= here
            at += here * width
            if length:
                piece, at = piece + 1, 1
                flags = pieces[piece][0]
        at += 4 * runs + extra
    return lengths


def _check_sheet(stream: bytes, start: int, shared: Sequence[int]) -> None:
    rows, columns = set(), set()
    text_left = MOST_TEXT
    for kind, record in _records(stream, start):
        if kind == _DIMENSIONS:
            _check_dimensions(record)
        elif kind in _CELL_RECORDS:
            row, column = struct.unpack_from("<HH", record)
            rows.add(row)
            columns |= {column, column + max(0, len(record) - 1) // 6 if kind == _MUL_RK else column}
            if kind == _SHARED_TEXT_CELL:
                (index,) = struct.unpack_from("<I", record, 6)
                text_left -= shared[index] if index < len(shared) else 0
                if text_left < 0:
                    raise Unreadable(TOO_LONG)
    check_area(rows, columns)


def _check_dimensions(record: bytes) -> None:
    """Hold a DIMENSIONS record ([MS-XLS] 2.4.90; the last row and column are one past the end) to a sheet
    of Excel 97."""
    top, bottom, left, right = struct.unpack_from("<IIHH" if len(record) == 14 else "<HHHH", record)
    if left >= _XLS_COLUMNS or right < left:  # seen in the wild, and read as a sheet from column A
        left = 0
    if bottom and right and not (0 <= bottom - top <= _XLS_ROWS and right - left <= _XLS_COLUMNS):
        raise Unreadable(DAMAGED)
