"""The history of loads on the pages, over HTTP, on the command line and in the metrics."""

import json
from pathlib import Path

import pytest

from qotgate.cli.main import main
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.in_process import run_alone, web_in_process
from tests.support.paths import SAMPLE


@pytest.fixture
def url(tmp_path: Path, reference: Reference) -> str:
    """The sample, then an unreadable file and one with an unreadable line."""
    url = f"sqlite:///{tmp_path / 'loads.db'}"
    (tmp_path / "bad.csv").write_text("neither this\nnor that\n")
    (tmp_path / "part.csv").write_text("ticker,firm,rating,price_target,date\nMU,UBS,Buy,abc,2026-06-01\n")
    store = Store.open(url)
    load(store, reference, find_files([SAMPLE]))
    load(store, reference, find_files([tmp_path / "bad.csv", tmp_path / "part.csv"]))
    store.close()
    return url


def test_the_pages_show_it(url: str) -> None:
    async def ask() -> dict[str, str]:
        async with web_in_process(url) as (web, _):
            paths = ("/data", "/data/loads", "/data/loads/2", "/data/loads/1")
            found = {path: await web.get(path) for path in paths}
            assert (await web.get("/data/loads/9")).status_code == 404
            assert {answer.status_code for answer in found.values()} == {200}
            return {path: answer.text for path, answer in found.items()}

    pages = run_alone(ask())
    assert "Rejected files" in pages["/data"]
    assert "bad.csv" in pages["/data"]
    assert 'href="/data/loads/2"' in pages["/data"]
    assert 'href="/data/loads/1"' in pages["/data/loads"]
    assert "whole file" in pages["/data/loads/2"]
    assert "no known format" in pages["/data/loads/2"]
    assert "part.csv" in pages["/data/loads/2"]
    assert "every file and line was read" in pages["/data/loads/1"]


def test_a_load_of_nothing_readable_alone_is_shown(tmp_path: Path, reference: Reference) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    (tmp_path / "bad.csv").write_text("neither this\nnor that\n")
    store = Store.open(url)
    load(store, reference, find_files([tmp_path / "bad.csv"]))
    store.close()

    async def ask() -> str:
        async with web_in_process(url) as (web, _):
            return (await web.get("/data")).text

    assert "bad.csv" in run_alone(ask())


def test_the_api_gives_it(url: str) -> None:
    async def ask() -> None:
        async with web_in_process(url) as (web, _):
            first = (await web.get("/api/v1/loads", params={"count": 1})).json()
            assert [row["number"] for row in first["rows"]] == [2]
            assert {name: first["rows"][0][name] for name in ("outcome", "read", "rejected", "left_out")} == {
                "outcome": "NOTHING_NEW",
                "read": 1,
                "rejected": 1,
                "left_out": 1,
            }
            rest = await web.get("/api/v1/loads", params={"before": first["next_before"]})
            assert ([row["number"] for row in rest.json()["rows"]], rest.json()["next_before"]) == ([1], None)
            every = await web.get("/api/v1/loads", params={"count": "all"})
            assert [row["number"] for row in every.json()["rows"]] == [2, 1]
            assert every.json()["next_before"] is None
            rows = (await web.get("/api/v1/loads/2/left-out")).json()["rows"]
            assert [Path(row["path"]).name for row in rows] == ["bad.csv", "part.csv"]
            assert [row["line"] for row in rows] == [None, 2]
            lines = (await web.get("/api/v1/loads/2/left-out.csv")).text.splitlines()
            assert (lines[0], len(lines)) == ("file_id,path,line,reason", 3)
            assert (await web.get("/api/v1/loads/9/left-out")).status_code == 404
            assert "qotgate_rejected_files 1.0" in (await web.get("/metrics")).text

    run_alone(ask())


def test_the_api_lists_the_files(url: str) -> None:
    async def ask() -> None:
        async with web_in_process(url) as (web, _):
            every = (await web.get("/api/v1/files", params={"count": "all"})).json()["rows"]
            assert [row["file_id"] for row in every] == list(range(len(every), 0, -1))
            latest = every[0]
            assert (Path(latest["path"]).name, latest["kind"]) == ("part.csv", "notes")
            assert (latest["records"], latest["left_out"], latest["load"]) == (0, 1, 2)
            first = (await web.get("/api/v1/files", params={"count": 2})).json()
            assert first["rows"] == every[:2]
            rest = await web.get("/api/v1/files", params={"before": first["next_before"]})
            assert rest.json()["rows"] == every[2:]
            notices = (await web.get("/api/v1/files", params={"kind": "Notices", "count": "all"})).json()
            assert notices["rows"] == [row for row in every if row["kind"] == "notices"] != []

    run_alone(ask())


def test_the_api_lists_the_lines_left_out(url: str) -> None:
    async def ask() -> None:
        async with web_in_process(url) as (web, _):
            (row,) = (await web.get("/api/v1/left-out")).json()["rows"]
            assert (Path(row["path"]).name, row["line"]) == ("part.csv", 2)
            link = 'href="/api/v1/left-out.csv?lang=en&amp;count=all"'
            assert link in (await web.get("/data")).text
            lines = (await web.get("/api/v1/left-out.csv", params={"count": "all"})).text.splitlines()
            assert (lines[0], len(lines)) == ("file_id,path,line,reason", 2)

    run_alone(ask())


def test_the_tag_moves_with_a_load_that_reads_nothing(url: str, tmp_path: Path, reference: Reference) -> None:
    async def ask() -> None:
        async with web_in_process(url) as (web, site):
            tag = (await web.get("/data")).headers["ETag"]
            (tmp_path / "worse.csv").write_text("nor this\n")
            load(site.store, reference, find_files([tmp_path / "worse.csv"]))
            page = await web.get("/data", headers={"If-None-Match": tag})
            assert (page.status_code, "worse.csv" in page.text) == (200, True)

    run_alone(ask())


def test_status_prints_it(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main(["status", "--db", url, *options])
        assert ended.value.code == 0
        printed = capsys.readouterr().out
        if options:
            found = json.loads(printed)
            assert (found["unread_files"], found["loads"][0]["id"]) == (1, 2)
            assert found["unread"][0]["path"].endswith("bad.csv")
        else:
            assert "Load 2, " in printed
            assert "Files that could not be read: 1" in printed
            assert "bad.csv: it is of no known format" in printed


def test_a_reason_about_more_than_a_line_names_none(
    tmp_path: Path, reference: Reference, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    lines = "date,fund,company,ticker,cusip,shares,market value ($),weight (%)\n"
    lines += "06/23/2026,ARKK,TESLA INC,TSLA,88160R101,1000,400000,100\n"
    lines += "06/23/2026,ARKW,TESLA INC,TSLA,88160R101,1000,400000,40\n"
    (tmp_path / "books.csv").write_text(lines)
    store = Store.open(url)
    report = load(store, reference, find_files([tmp_path / "books.csv"]))
    store.close()
    assert [line for _, line, _ in report.rejects] == [None]
    with pytest.raises(SystemExit):
        main(["status", "--db", url])
    printed = capsys.readouterr().out
    assert "books.csv: ARKW 2026-06-23 is not a whole book" in printed
    assert "line None" not in printed

    async def ask() -> None:
        async with web_in_process(url) as (web, _):
            for path in ("/data", "/data/loads/1", "/data/rejects"):
                page = await web.get(path)
                assert (page.status_code, "ARKW 2026-06-23" in page.text, "None" in page.text) == (
                    200,
                    True,
                    False,
                )
            (row,) = (await web.get("/api/v1/loads/1/left-out")).json()["rows"]
            assert (row["file_id"], row["line"]) == (1, None)

    run_alone(ask())
