"""The reports on the files behind the data: rejects, lines that need attention, the contents of a line."""

from collections.abc import Callable

from qotgate.service.coverage import provenance
from qotgate.service.loading import LoadReport
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.publishing import HEADER

Load = Callable[..., LoadReport]
NOTES = "ticker,name,firm,rating,price_target,date\n"


def test_words_and_lines_that_the_tables_do_not_know(
    store: Store, reference: Reference, load_text: Load
) -> None:
    load_text(
        notes=NOTES
        + "MU,Micron,UBS,Superb,10,2026-06-01\nMU,Micron,UBS,Superb,11,2026-06-02\n"
        + "MU,Micron,Citi,Odd,1,2026-06-03\n",
        holdings=f"{HEADER}\n"
        '06/23/2026,ARKQ,"SOME LISTING",9999,6000000,"1,000","$400,000.00",60.00%\n'
        '06/23/2026,ARKQ,"RENISHAW PLC",RSW,0732358,"1,000","$400,000.00",20.00%\n'
        '06/23/2026,ARKQ,"ROKU INC",ROKU,77543R102,"2,000","$266,666.00",20.00%\n',
    )
    found = provenance.unsettled(store, reference)
    assert [(row["word"], row["notes"], row["line"]) for row in found.grades] == [
        ("Superb", 2, 3),
        ("Odd", 1, 4),
    ]
    # Renishaw has no code either, and the tables know that.
    assert [(row["name"], row["ticker"], row["lines"]) for row in found.uncoded] == [
        ("SOME LISTING", "9999", 1)
    ]
    assert found.uncoded[0]["path"].endswith("holdings.csv")


def test_lines_left_out_and_lines_read(store: Store, load_text: Load) -> None:
    rows = [f"MU,Micron,Firm {number},Buy,{number},2026-06-01" for number in range(1, 101)]
    rows[9], rows[49] = "MU,Micron,Firm,Buy,ten,2026-06-01", "MU,Micron,Firm,Buy,1,2026-13-01"
    load_text(notes=NOTES + "\n".join(rows) + "\n")
    (file,), more = provenance.files(store)
    assert (file["records"], file["left_out"], more) == (98, 2, None)
    rejects, _ = provenance.rejects(store)
    assert [row["line"] for row in rejects] == [51, 11]
    first = provenance.file_lines(store, file["id"])
    assert first is not None
    assert [row["line"] for row in first.rejects] == [11, 51]
    assert first.more_from is not None
    rest = provenance.file_lines(store, file["id"], first.more_from)
    assert rest is not None
    lines = [row["line"] for row in first.lines + rest.lines]
    assert lines == [line for line in range(2, 102) if line not in (11, 51)]
    assert rest.more_from is None
    assert provenance.file_lines(store, 99) is None


def test_files_come_page_by_page(store: Store, load_text: Load) -> None:
    load_text(**{f"notes{number}": f"{NOTES}MU,M,F{number},Buy,1,2026-06-01\n" for number in range(120)})
    found, before = provenance.files(store)
    while before is not None:
        page, before = provenance.files(store, before)
        found += page
    assert [file["id"] for file in found] == list(range(120, 0, -1))
    assert provenance.files(store, kind="holdings") == ([], None)
