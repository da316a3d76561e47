"""Files with very many rejected lines, or very long names, make no page long or wide."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import polars as pl

from qotgate.service.coverage import provenance
from qotgate.service.coverage.status import CONTRADICTIONS_SHOWN, status
from qotgate.service.loading import load
from qotgate.service.reference import Reference
from qotgate.sources.layout import MAX_FUNDS
from qotgate.store import Store
from qotgate.web.data_pages import SPANS_ON_A_PAGE
from qotgate.web.pages import MOVES_ON_A_PAGE
from tests.support.in_process import run_alone, web_in_process

NOTICES = "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF\n"
UNMAPPED, CONTRADICTED = 120, 70
LONG = "X" * 20_000
MAX_TEXT = 500
MAX_PAGES = 10


def loaded(tmp_path: Path, reference: Reference, text: str) -> str:
    url = f"sqlite:///{tmp_path / 'q.db'}"
    (tmp_path / "notices.csv").write_text(NOTICES + text)
    store = Store.open(url)
    load(store, reference, [tmp_path / "notices.csv"])
    store.close()
    return url


def pages(url: str, path: str) -> list[str]:
    """The page at ``path``, and the pages behind its first link to more."""

    async def ask() -> list[str]:
        found, here = [], path
        async with web_in_process(url) as (web, _):
            while here:
                assert len(found) < MAX_PAGES
                answer = await web.get(here)
                assert answer.status_code == 200
                found.append(answer.text)
                more = re.search(r'href="([^"]+)" rel="next"', answer.text)
                here = unescape(more[1]) if more else ""
        return found

    return run_alone(ask())


def rows(page: str, table: str) -> list[str]:
    body = re.search(rf'<tbody id="{table}">(.*?)</tbody>', page, re.DOTALL)
    assert body is not None
    return re.findall(r"<tr>.*?</tr>", body[1], re.DOTALL)


def test_unmapped_lines_come_page_by_page(tmp_path: Path, reference: Reference) -> None:
    lines = (f"ARKK,2021-08-03,Buy,Z{n} XX,,COMPANY {n},100,0.1\n" for n in range(UNMAPPED))
    found = pages(loaded(tmp_path, reference, "".join(lines)), "/data")
    shown = [rows(page, "uncoded") for page in found]
    assert [len(page) for page in shown] == [provenance.SETTLE_ON_A_PAGE] * 2 + [20]
    names = re.findall(r">(COMPANY \d+)<", "".join(row for page in shown for row in page))
    assert sorted(names) == sorted(f"COMPANY {n}" for n in range(UNMAPPED))


def listed(url: str, path: str, cursor: str) -> list[dict[str, Any]]:
    """The rows of a list of the API: page by page, which is the same as all at once, in each format."""

    async def ask() -> list[dict[str, Any]]:
        async with web_in_process(url) as (web, _):
            found: list[dict[str, Any]] = []
            number: int | None = None
            for _ in range(MAX_PAGES):
                place: dict[str, int] = {} if number is None else {cursor: number}
                page = (await web.get(path, params={"count": 50, **place})).json()
                found += page["rows"]
                number = page[f"next_{cursor}"]
                if number is None:
                    break
            every = (await web.get(path, params={"count": "all"})).json()
            assert every[f"next_{cursor}"] is None
            assert sorted(every["rows"], key=str) == sorted(found, key=str)
            text = (await web.get(f"{path}.csv", params={"count": "all"})).text.splitlines()
            assert (text[0], len(text)) == (",".join(every["rows"][0]), len(found) + 1)
            table = pl.read_parquet((await web.get(f"{path}.parquet", params={"count": "all"})).content)
            days = {name for name, kind in table.schema.items() if kind == pl.Date}
            rows = [
                {name: str(value) if name in days else value for name, value in row.items()}
                for row in table.iter_rows(named=True)
            ]
            assert rows == every["rows"]
            for wrong in ({"count": 201}, {"count": 0}, {cursor: 0}, {cursor: 2**31}):
                assert (await web.get(path, params=wrong)).status_code == 422
            return found

    return run_alone(ask())


def test_unmapped_lines_can_be_taken_away(tmp_path: Path, reference: Reference) -> None:
    lines = (f"ARKK,2021-08-03,Buy,Z{n} XX,,COMPANY {n},100,0.1\n" for n in range(UNMAPPED))
    url = loaded(tmp_path, reference, "".join(lines))
    found = listed(url, "/api/v1/unmapped", "start")
    assert sorted(row["name"] for row in found) == sorted(f"COMPANY {n}" for n in range(UNMAPPED))
    (row,) = (row for row in found if row["name"] == "COMPANY 7")
    assert {name: row[name] for name in ("ticker", "identifier", "lines", "last_day", "file_id", "line")} == {
        "ticker": "Z7 XX",
        "identifier": "",
        "lines": 1,
        "last_day": "2021-08-03",
        "file_id": 1,
        "line": 9,
    }
    link = 'href="/api/v1/unmapped.csv?lang=en&amp;count=all"'
    assert all(link in pages(url, path)[0] for path in ("/data", "/data/unmapped"))


def test_unknown_grades_come_page_by_page_and_can_be_taken_away(tmp_path: Path, reference: Reference) -> None:
    words = [f"Grade {n}" for n in range(UNMAPPED)]
    again = "MU,Citigroup,Grade 7,2026-03-02\n"
    lines = again + "".join(f"MU,UBS,{word},2026-03-02\n" for word in words)
    (tmp_path / "notes.csv").write_text(f"ticker,firm,rating,date\n{lines}")
    url = f"sqlite:///{tmp_path / 'q.db'}"
    store = Store.open(url)
    load(store, reference, [tmp_path / "notes.csv"])
    store.close()
    shown = [rows(page, "grades") for page in pages(url, "/data/unknown-grades")]
    assert [len(page) for page in shown] == [provenance.SETTLE_ON_A_PAGE] * 2 + [20]
    found = listed(url, "/api/v1/unknown-grades", "start")
    assert sorted(row["word"] for row in found) == sorted(words)
    assert found[0] | {"path": "", "line": 0} == {
        "word": "Grade 7",
        "notes": 2,
        "file_id": 1,
        "path": "",
        "line": 0,
    }
    link = 'href="/api/v1/unknown-grades.csv?lang=en&amp;count=all"'
    assert all(link in pages(url, path)[0] for path in ("/data", "/data/unknown-grades"))


def test_contradictions_can_be_taken_away(tmp_path: Path, reference: Reference) -> None:
    tesla = "ARKK,2020-12-15,Buy,TSLA,88160R101,TESLA INC,1,0.2\n"
    lemonade = "ARKK,2020-12-15,Buy,LMND,52567D107,LEMONADE INC,1,0.2\n"
    wrong = (f"ARKK,2020-12-15,Buy,Q{n},88160R101,FOREIGN {n} INC,1,0.2\n" for n in range(CONTRADICTED))
    url = loaded(tmp_path, reference, tesla + lemonade + "".join(wrong))
    found = listed(url, "/api/v1/contradictions", "before")
    assert {row["ticker"] for row in found} == {f"Q{n}" for n in range(CONTRADICTED)}
    (row,) = (row for row in found if row["ticker"] == "Q3")
    assert (row["identifier"], row["name"], row["lines"], row["line"]) == ("88160R101", "FOREIGN 3 INC", 1, 7)
    assert (row["against_ticker"], row["against_name"], row["against_line"]) == ("TSLA", "TESLA INC", 2)
    link = 'href="/api/v1/contradictions.csv?lang=en&amp;count=all"'
    assert all(link in pages(url, path)[0] for path in ("/data", "/data/contradictions"))


def test_rejected_files_come_page_by_page_and_can_be_taken_away(tmp_path: Path, reference: Reference) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for n in range(CONTRADICTED):
        (folder / f"bad{n:02}.csv").write_text(f"neither this\nnor {n}\n")
    url = loaded(tmp_path, reference, "ARKK,2021-08-03,Buy,TSLA,88160R101,TESLA INC,1,0.1\n")
    store = Store.open(url)
    load(store, reference, sorted(folder.iterdir()))
    store.close()
    shown = [rows(page, "unread") for page in pages(url, "/data")]
    assert [len(page) for page in shown] == [provenance.SETTLE_ON_A_PAGE, 20]
    names = re.findall(r"bad\d\d\.csv(?=<)", "".join(row for page in shown for row in page))
    assert sorted(names) == [f"bad{n:02}.csv" for n in range(CONTRADICTED)]
    found = listed(url, "/api/v1/rejected-files", "before")
    assert [Path(row["path"]).name for row in found] == names
    assert {(row["load"], "no known format" in row["reason"]) for row in found} == {(2, True)}
    link = 'href="/api/v1/rejected-files.csv?lang=en&amp;count=all"'
    assert all(link in pages(url, path)[0] for path in ("/data", "/data/rejected-files"))


def test_moves_come_page_by_page(tmp_path: Path, reference: Reference) -> None:
    lines = (f"ARKK,2021-08-03,Buy,Z{n} XX,,COMPANY {n},{1000 + n},0.1\n" for n in range(UNMAPPED))
    found = pages(loaded(tmp_path, reference, "".join(lines)), "/moves")
    shown = [rows(page, "moves") for page in found]
    assert [len(page) for page in shown] == [MOVES_ON_A_PAGE, UNMAPPED - MOVES_ON_A_PAGE]
    names = re.findall(r">(COMPANY \d+)<", "".join(row for page in shown for row in page))
    assert names == [f"COMPANY {n}" for n in reversed(range(UNMAPPED))]


def test_the_coverage_of_many_funds_comes_page_by_page(tmp_path: Path, reference: Reference) -> None:
    lines = (f"F{n},2021-08-03,Buy,TSLA,88160R101,TESLA INC,{1000 + n},0.1\n" for n in range(MAX_FUNDS))
    found = pages(loaded(tmp_path, reference, "".join(lines)), "/data/coverage")
    shown = [rows(page, "coverage") for page in found]
    # Notices and their covered days, of each fund.
    assert [len(page) for page in shown] == [SPANS_ON_A_PAGE] * 2
    told = [re.findall(r"<td[^>]*>(F\d+)</td>", row)[0] for page in shown for row in page]
    assert sorted(told) == sorted([f"F{n}" for n in range(MAX_FUNDS)] * 2)


def test_contradictions_come_page_by_page(tmp_path: Path, reference: Reference) -> None:
    tesla = "ARKK,2020-12-15,Buy,TSLA,88160R101,TESLA INC,1,0.2\n"
    wrong = (f"ARKK,2020-12-15,Buy,Q{n},53227R106,FOREIGN {n} INC,1,0.2\n" for n in range(CONTRADICTED))
    url = loaded(tmp_path, reference, tesla + "".join(wrong))
    (_, *others) = pages(url, "/data/contradictions")
    assert [len(rows(page, "contradictions")) for page in others] == [20]
    store = Store.open(url)
    first, before = provenance.contradictions(store)
    assert len(first) == provenance.SETTLE_ON_A_PAGE
    rest, end = provenance.contradictions(store, before)
    assert {row["ticker"] for row in first + rest} == {f"Q{n}" for n in range(CONTRADICTED)}
    assert end is None
    told = status(store)
    assert (told.contradicted, len(told.contradictions)) == (CONTRADICTED, CONTRADICTIONS_SHOWN)
    store.close()


def test_a_long_name_makes_no_page_wide(tmp_path: Path, reference: Reference) -> None:
    url = loaded(tmp_path, reference, f"ARKK,2021-08-03,Buy,Z9 XX,,{LONG},100,0.1\n")

    async def ask() -> list[str]:
        async with web_in_process(url) as (web, _):
            style = (await web.get("/static/site.css")).text
            assert re.search(r"\nbody \{[^}]*overflow-wrap: anywhere", style)
            assert re.search(r"\ntbody th \{[^}]*overflow-wrap: anywhere", style)
            return [(await web.get(path)).text for path in ("/data", "/data/unmapped", "/files/1", "/moves")]

    for page in run_alone(ask()):
        assert "X" * (MAX_TEXT + 1) not in page
        # Each table scrolls by itself.
        assert len(re.findall("<table[ >]", page)) == page.count('<div class="scroll"')
