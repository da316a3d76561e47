"""Small files that ask for gigabytes: each is read or refused in a sentence, and the loading process needs no
more memory than usual."""

import io
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fuzz.files import contained
from fuzz.workbooks import workbook_parts

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET, SHARED = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
MOST_MIB = 600
READ = """
import sys
from pathlib import Path
from qotgate.model import Unreadable
from qotgate.sources import read
try:
    print(len(read(Path(sys.argv[1]).read_bytes()).records), "records")
except Unreadable as refused:
    print(refused)
(most,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(most.split()[1]) // 1024)
"""
DAMAGED = "the workbook is damaged or cut short"
REFUSED = "it is damaged, or opening it takes more than 2 GiB of memory or 120 seconds"
NO_TABLE = "it is of no known format"
CORNER = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576">{}<v>1</v></c></row>'


def book(**parts: bytes | str) -> bytes:
    content = io.BytesIO()
    plain = workbook_parts([["ticker", "firm", "rating", "date"], ["A", "UBS", "Buy", "2026-06-01"]])
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in {**plain, **parts}.items():
            archive.writestr(name, part)
    return content.getvalue()


def sheet(rows: str, before: str = "") -> bytes:
    content = f'<dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData>'
    return f'{before}<worksheet xmlns="{MAIN}">{content}</worksheet>'.encode()


def entities() -> str:
    """A billion laughs."""
    names = "abcdefghij"
    declared = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in pairwise(names))
    return f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{declared}]>'


def shared_text(cells: int, length: int) -> bytes:
    rows = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(1, cells))
    return book(**{SHARED: f'<sst xmlns="{MAIN}"><si><t>{"a" * length}</t></si></sst>', SHEET: sheet(rows)})


def lying(name: str, part: bytes, declared: int) -> bytes:
    """A workbook with a part that unpacks to more than its stated size, with the checksum of the stated
    part."""
    content = bytearray(book(**{name: part}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        local, at = archive.getinfo(name).header_offset, archive.start_dir
    told = struct.pack("<I", zlib.crc32(part[:declared]))
    while content[at + 46 : at + 46 + len(name)] != name.encode():
        at += 46 + sum(struct.unpack_from("<HHH", content, at + 28))
    for place in (local + 14, at + 16):
        content[place : place + 4] = told
        content[place + 8 : place + 12] = struct.pack("<I", declared)
    return bytes(content)


def shared_text_of_old(cells: int, length: int) -> bytes:
    """An .xls whose cells share one text, continued in CONTINUE records."""

    def record(kind: int, content: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    start = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x05, 0, 0, 0, 0))
    pieces = [struct.pack("<IIHB", cells, 1, length, 0) + b"a" * 8000]
    pieces += [b"\0" + b"a" * min(8000, length - at) for at in range(8000, length, 8000)]
    texts = b"".join(record(0x003C if number else 0x00FC, piece) for number, piece in enumerate(pieces))
    size = len(start) + 4 + 9 + len(texts) + 4
    bound = record(0x0085, struct.pack("<IBBBBB", size, 0, 0, 1, 0, ord("a")))
    sheet = start + b"".join(record(0x00FD, struct.pack("<HHHI", row, 0, 0, 0)) for row in range(cells))
    return contained(start + bound + texts + record(0x000A) + sheet + record(0x000A))


def long_dictionary() -> bytes:
    """A Parquet file with one text of a megabyte, repeated a hundred thousand times."""
    file = io.BytesIO()
    text = pa.array(["a" * 2**20])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), text)
    pq.write_table(pa.table({"ticker": column}), file, dictionary_pagesize_limit=2**21)
    return file.getvalue()


MANY = "the Parquet file holds more than 5,000,000 cells, or unpacks to more than 512 MiB"
BOMBS = {
    "shared text": (lambda: shared_text(20_000, 200_000), REFUSED),
    "shared text, .xls": (lambda: shared_text_of_old(10_000, 60_000), NO_TABLE),
    "entities": (lambda: book(**{SHEET: sheet("<row><c><v>&j;</v></c></row>", entities())}), NO_TABLE),
    "shared entities": (lambda: book(**{SHARED: f"{entities()}<sst><si><t>&j;</t></si></sst>"}), DAMAGED),
    "empty rows": (
        lambda: book(**{SHEET: sheet("".join(f'<row r="{row}"/>' for row in range(1, 1_000_000)))}),
        NO_TABLE,
    ),
    "no references": (
        lambda: book(**{SHEET: sheet(CORNER.format("<c><v>1</v></c>" * 16_383 + "<c>"))}),
        REFUSED,
    ),
    "blanks": (lambda: book(**{SHEET: sheet(CORNER.format('<c  r = "XFD1048576" >'))}), REFUSED),
    "quoted bracket": (lambda: book(**{SHEET: sheet(CORNER.format('<c x=">" r="XFD1048576">'))}), REFUSED),
    "comment": (lambda: book(**{SHEET: sheet(f"<!-->{CORNER.format('<c>')}-->")}), NO_TABLE),
    "another place": (
        lambda: book(
            **{
                "xl/_rels/workbook.xml.rels": workbook_parts([["a"]])["xl/_rels/workbook.xml.rels"].replace(
                    b"worksheets/sheet1.xml", b"other/place.bin"
                ),
                "xl/other/place.bin": sheet(CORNER.format('<c r="XFD1048576">')),
            }
        ),
        REFUSED,
    ),
    "more than it says": (lambda: lying(SHARED, b"<sst/>" + b" " * 2**28, 6), DAMAGED),
    "much": (
        lambda: book(**{"xl/media/image1.png": bytes(513 * 2**20)}),
        "1 records",
    ),
    "in an archive": (lambda: zlib.compress(bytes(2**28), wbits=31), "it is a gzip archive; unpack it first"),
    "dictionary": (
        long_dictionary,
        MANY,
    ),
}


SLOW = ("dictionary", "much")


@pytest.mark.parametrize(
    "bomb", [pytest.param(bomb, marks=[pytest.mark.slow] * (bomb in SLOW)) for bomb in BOMBS]
)
@pytest.mark.slow
def test_a_bomb(bomb: str, tmp_path: Path) -> None:
    make, reason = BOMBS[bomb]
    path = tmp_path / "bomb"
    path.write_bytes(make())
    assert path.stat().st_size < 4 * 2**20
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        # A process that needs more ends, without the machine.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30)),
    )
    assert done.returncode == 0, done.stderr[-500:]
    said, taken = done.stdout.splitlines()
    assert said.startswith(reason)
    assert int(taken) < MOST_MIB
