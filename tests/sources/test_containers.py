"""The kind of a file by its bytes: encodings, line ends, workbooks, and everything that is no table."""

import io
import struct
import zipfile

import pytest

from qotgate.model import FileKind, Unreadable
from qotgate.sources import read

TEXT = "ticker,name,firm,rating,date\nMC.PA,x,UBS,Buy,2024-01-02\nAAPL,Société “é”,UBS,Buy,2024-01-02\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(encoding: str, end: str) -> None:
    parsed = read(TEXT.replace("\n", end).encode(encoding))
    assert [(note.line, note.name) for note in parsed.records] == [(2, "x"), (3, "Société “é”")]


def test_bytes_that_cp1252_leaves_undefined_are_latin_1() -> None:
    # Which makes them controls, and those are dropped.
    assert read(TEXT.encode("cp1252").replace(b"x", b"\x81\xe9")).records[0].name == "é"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(delimiter: str) -> None:
    assert len(read(TEXT.replace(",", delimiter).encode()).records) == 2


def test_lines_are_numbered_as_an_editor_does() -> None:
    """Form feeds and Unicode's line separators end no line; a line end within quotes does."""
    parsed = read(
        'a\x0cb\u2028c\n\nticker,firm,rating,date\n\nAAPL,"U\r\nB\nS",Buy,2024-01-02\nX\n-,,\n'.encode()
    )
    assert [note.line for note in parsed.records] == [5]
    assert [reject.line for reject in parsed.rejects] == []
    parsed = read(b'ticker,firm,rating,date\n"A\nA",UBS,Buy,never\n\nAAPL,UBS,Buy,never\n')
    assert [reject.line for reject in parsed.rejects] == [2, 5]


def test_the_header_is_looked_for_in_twenty_lines() -> None:
    assert len(read(("\n" * 19 + TEXT).encode()).records) == 2
    with pytest.raises(Unreadable, match="no known format"):
        read(("x\n" * 20 + TEXT).encode())


def test_the_name_decides_nothing(workbook) -> None:
    assert read(TEXT.encode(), name="ARK_holdings.xlsx").kind is FileKind.NOTES
    assert (
        read(workbook([line.split(",") for line in TEXT.split("\n")]), name="notes.csv").kind
        is FileKind.NOTES
    )
    with pytest.raises(
        Unreadable,
        match=r"^the file is empty; CSV, JSON, Parquet, \.xls and \.xlsx files are taken$",
    ):
        read(b"", name="notes.csv")


def archive(**parts: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target:
        for name, text in parts.items():
            target.writestr(name.replace("__", "/").replace("_xml", ".xml").replace("_bin", ".bin"), text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b" \r\n\t", "the file is empty"),
        (b"\n <!DOCTYPE html><html>Not found</html>", "it is a web page or XML"),
        (b'<?xml version="1.0"?><Workbook>', "it is a web page or XML"),
        (b"%PDF-1.7\n", "it is a PDF"),
        (b"\x1f\x8b\x08", "it is a gzip archive; unpack it first"),
        (b"SQLite format 3\0", "it is an SQLite database"),
        (b"ticker,firm\0", "it holds NUL bytes"),
        (TEXT.encode("utf-16")[2:], "it holds NUL bytes"),
        (TEXT.encode("utf-32"), "it holds NUL bytes"),
        (b"\xff\xfea", "the text starts as UTF-16 and is not"),
        (b"\x89\x90\x91" * 99, "it is of no known format"),
        (b'{"a": 1}', "it is of no known format; docs/formats.md lists those that are read"),
        (archive(notes="x"), "it is a zip archive and not a workbook"),
        (archive(xl__workbook_bin="x"), "it is a workbook of another kind"),
        (archive(content_xml="x"), "it is a workbook of another kind"),
        (archive(xl__workbook_xml="x"), "the workbook is damaged or cut short"),
        (b"PK\x03\x04", "the workbook is damaged or cut short"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an Office document and not a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1B\0o\0o\0k\0\0\0", "the workbook is damaged or cut short"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(content)
    assert str(caught.value).startswith(reason)


def test_a_workbook_cut_short_is_refused(workbook) -> None:
    content = workbook([["ticker", "firm", "rating", "date"]])
    assert read(content).records == ()
    for end in (len(content) - 1, len(content) // 2, 100):
        with pytest.raises(Unreadable, match="damaged or cut short"):
            read(content[:end])


def test_a_workbook_without_a_header_is_refused(workbook) -> None:
    with pytest.raises(Unreadable, match="no known format"):
        read(workbook([["a", "b"]], []))


def test_a_stray_cell_in_the_last_corner_is_refused(workbook) -> None:
    """calamine asks for 500 GB and ends its process."""
    with pytest.raises(Unreadable, match="more than 2 GiB of memory"):
        read(workbook({(0, 0): "a", (1_048_575, 16_383): "b"}))


def test_a_password_is_named(container, workbook) -> None:
    with pytest.raises(Unreadable, match="protected by a password"):
        read(container("EncryptedPackage"))
    with pytest.raises(Unreadable, match="protected by a password"):
        start = struct.pack("<HHHH", 0x0809, 16, 0x0600, 5) + bytes(12)
        read(container("Workbook", start + struct.pack("<HHH", 0x002F, 2, 1)))
    locked = bytearray(workbook([["a"]]))
    for place in (locked.find(b"PK\x03\x04") + 6, locked.find(b"PK\x01\x02") + 8):
        locked[place] |= 1
    while (place := locked.find(b"PK\x01\x02", place + 4)) > 0:
        locked[place + 8] |= 1
    with pytest.raises(Unreadable, match="protected by a password"):
        read(bytes(locked))


def test_a_document_that_is_no_workbook(container) -> None:
    with pytest.raises(Unreadable, match="Office document and not a workbook"):
        read(container("WordDocument"))


@pytest.mark.parametrize("fat", [{1: 1}, {3: 2}, {5: 5}, {4: 99}])
def test_chains_that_loop_or_leave_the_file_are_refused(container, fat: dict[int, int]) -> None:
    # As the workbook that it is, or as none; and quickly.
    with pytest.raises(Unreadable, match=r"damaged|no known format"):
        read(container("Workbook", fat=fat))


def test_a_loop_of_tables_is_refused(container) -> None:
    content = container("Workbook", struct.pack("<128I", *[0xFFFFFFFF] * 127, 2), difat=2)
    with pytest.raises(Unreadable, match="damaged"):
        read(content)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([(0x0200, struct.pack("<IIHHH", 0, 0xFFFFFFFF, 0, 8, 0))], "damaged"),
        ([(0x0200, struct.pack("<IIHHH", 9, 5, 0, 8, 0))], "damaged"),
        ([(0x0200, struct.pack("<IIHHH", 0, 5, 0, 60_000, 0))], "damaged|no known format"),
        ([(0x0200, b"")], "damaged"),
        ([(0x0203, bytes(14)), (0x0203, struct.pack("<HH", 65_535, 65_535) + bytes(10))], "more than"),
        ([(0x00BD, struct.pack("<HH", 65_535, 0) + bytes(6_002)), (0x0203, bytes(14))], "more than|damaged"),
    ],
)
def test_a_sheet_that_claims_too_much_is_refused(
    container, records: list[tuple[int, bytes]], reason: str
) -> None:
    """Each of these makes calamine ask for gigabytes."""

    def stream(*parts: tuple[int, bytes]) -> bytes:
        return b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in parts)

    start, end = (0x0809, struct.pack("<HHII", 0x0600, 5, 0, 0) + bytes(4)), (0x000A, b"")
    sheet = stream(start, *records, end)
    bound = struct.pack("<IBBBB", 0, 0, 0, 1, 0) + b"a"
    size = len(stream(start, (0x0085, bound), end))
    book = stream(start, (0x0085, struct.pack("<I", size) + bound[4:]), end)
    with pytest.raises(Unreadable, match=reason):
        read(container("Workbook", book + sheet))


def test_an_archive_that_readers_see_differently_is_refused(workbook) -> None:
    """zipfile takes the last end record that fits, others the first; and parts that differ in case alone."""
    content = workbook([["ticker", "firm", "rating", "date"]])
    end = content.rindex(b"PK\x05\x06")
    two_ends = content + content[end:-2] + b"\xff\xff"
    twice = io.BytesIO(content)
    with zipfile.ZipFile(twice, "a") as target:
        target.writestr("XL/worksheets/Sheet1.xml", "<worksheet/>")
    for strange in (two_ends, twice.getvalue()):
        with pytest.raises(Unreadable, match="damaged"):
            read(strange)
