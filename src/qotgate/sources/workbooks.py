"""Spreadsheets as tables of lines: .xls and .xlsx, by calamine. To be opened in a separate process."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator

from python_calamine import CalamineWorkbook, PasswordError, SheetTypeEnum

from qotgate.model import Unreadable
from qotgate.sources.lines import MAX_CELLS, MAX_COLUMNS, Line

DAMAGED = "the workbook is damaged or cut short; download it again"
LOCKED = "the workbook is protected by a password; save it without one"
TOO_LARGE = (
    f"a sheet of the workbook spans more than {MAX_CELLS:,} cells; delete stray cells far from the table"
)
MAX_UNPACKED = 2 << 30
"""Total size of all parts of an .xlsx, as declared by the archive; no more of a part is read."""
_STREAMS = ("Workbook", "WORKBOOK", "Book", "BOOK")
_FILE_PASS = re.compile(rb"\x09\x08\x10\0\0\x06\x05\0.{12}\x2f\0", re.DOTALL)
"""The start of a password-protected stream: BOF of a workbook, then FilePass ([MS-XLS] 2.4.21 and
2.4.117)."""
_END_RECORD = b"PK\x05\x06"


def sheets(content: bytes) -> Iterator[list[Line]]:
    """The sheets of a workbook that hold cells. Raises Unreadable."""
    try:
        if content.startswith(b"PK"):
            _check_archive(content)
        else:
            _check_container(content)
        with CalamineWorkbook.from_filelike(io.BytesIO(content)) as workbook:
            for sheet in workbook.sheets_metadata:
                if sheet.typ == SheetTypeEnum.WorkSheet:
                    yield _lines(workbook, sheet.name)
    except (Unreadable, MemoryError, GeneratorExit):
        raise
    except PasswordError as problem:
        raise Unreadable(LOCKED) from problem
    except BaseException as problem:
        # A panic in Rust raises PanicException, which derives from BaseException only.
        if isinstance(problem, Exception) or type(problem).__name__ == "PanicException":
            raise Unreadable(DAMAGED) from problem
        raise


def _lines(workbook: CalamineWorkbook, name: str) -> list[Line]:
    table = workbook.get_sheet_by_name(name)
    if table.height * table.width > MAX_CELLS:
        raise Unreadable(TOO_LARGE)
    first = (table.start or (0, 0))[0] + 1
    return [Line(number, list(row[:MAX_COLUMNS])) for number, row in enumerate(table.to_python(), first)]


def _check_container(content: bytes) -> None:
    """Accept an OLE container, unless its stream names are those of another program ([MS-CFB]). Raises
    Unreadable."""
    if "EncryptedPackage".encode("utf-16-le") in content or _FILE_PASS.search(content):
        raise Unreadable(LOCKED)
    if not any(
        f"{name}\0".encode("utf-16-le") in content for name in ("Workbook", "WORKBOOK", "Book", "BOOK")
    ):
        raise Unreadable("it is an Office document and not a workbook; save the table as .xlsx or .csv")


def _check_archive(content: bytes) -> None:
    """Accept a zip archive that all readers see alike: one list of parts, each part once.

    Raises Unreadable, and zipfile's errors.
    """
    if content.count(_END_RECORD) != 1:
        raise Unreadable(DAMAGED)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = Counter(part.filename.lower() for part in archive.infolist())
        locked = any(part.flag_bits & 1 for part in archive.infolist())
        if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED:
            raise Unreadable(TOO_LARGE)
        # Calamine checks neither checksums nor the name in a part's own header.
        damaged = not locked and archive.testzip() is not None
    if "xl/workbook.bin" in parts or "content.xml" in parts:
        raise Unreadable("it is a workbook of another kind (.xlsb or .ods); save it as .xlsx or .csv")
    if "xl/workbook.xml" not in parts:
        raise Unreadable("it is a zip archive and not a workbook; unpack it and load the files within")
    if locked:
        raise Unreadable(LOCKED)
    if damaged or max(parts.values()) > 1:
        raise Unreadable(DAMAGED)
