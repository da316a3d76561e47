"""The examples, unchanged except for the port."""

import asyncio
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.commands import run as run_command
from tests.support.paths import ROOT
from tests.support.serving import Serving, serving

EXAMPLES = ROOT / "examples"


def run(name: str, port: int, folder: Path, *arguments: str) -> str:
    script = (EXAMPLES / name).read_text()
    changed = re.sub(r"QuoteClient\(", f"QuoteClient(port={port}, ", script)
    assert changed != script
    done = subprocess.run(
        [sys.executable, "-c", changed, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=240,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_first_answer(sample_gateway: Serving, tmp_path: Path) -> None:
    assert len((EXAMPLES / "first_answer.py").read_text().replace("\n\n", "\n").splitlines()) <= 5
    told = run("first_answer.py", sample_gateway.port, tmp_path)
    assert told == "CONSECUTIVE_SAME_DIRECTION 2 76041 2026-06-22\n"


def test_upgrades_of_a_month(sample_gateway: Serving, tmp_path: Path) -> None:
    head, *rows = run("upgrades_of_a_month.py", sample_gateway.port, tmp_path, "2026-06").splitlines()
    assert head.split()[:3] == ["security", "rating", "last_rating"]
    assert head.split()[-1] == "raise"
    assert len(rows) == 5
    assert all("2026-06" in row for row in rows)
    assert "Empty" in run("upgrades_of_a_month.py", sample_gateway.port, tmp_path, "2020-01")


@pytest.fixture(scope="module")
def exported(sample_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, exported: Parquet files in ``parquet`` and ``qotgate-export.db``."""
    folder = tmp_path_factory.mktemp("export")
    parquet, file = folder / "parquet", folder / "qotgate-export.db"
    done = run_command("export", parquet, "--sqlite", file, "--lang", "en", "--db", sample_url)
    assert done.returncode == 0, done.stderr
    return folder


def test_duckdb_reads_an_export(
    exported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["duckdb_questions.py", str(exported / "parquet")])
    runpy.run_path(str(EXAMPLES / "duckdb_questions.py"))
    bought, untold, upgrades = capsys.readouterr().out.split("\n\n")[:3]
    assert re.search(r"US.TSLA\s+│ Tesla\s+│", bought)
    assert re.search(r"ARKK\s+│ hole\s+│ 2026-04-21 │ 2026-06-12", untold)
    assert "BUY" in upgrades


def test_datasette_shows_an_export(exported: Path) -> None:
    from datasette.app import Datasette

    described = json.loads((EXAMPLES / "datasette.json").read_text())
    queries = described["databases"]["qotgate-export"]["queries"]

    async def ask() -> None:
        site = Datasette([str(exported / "qotgate-export.db")], metadata=described)
        await site.invoke_startup()
        asked = {"bought_most": "since=2026-06-15", "not_told": "", "upgrades_of_a_stock": "security=US.TSLA"}
        assert set(asked) == set(queries)
        for name, query in asked.items():
            answer = await site.client.get(f"/qotgate-export/{name}.json?_shape=array&{query}")
            assert answer.status_code == 200, answer.text
            assert answer.json(), name
        table = await site.client.get("/qotgate-export/trades.json?_shape=array&security=US.TSLA")
        assert sum(row["adjusted_shares"] for row in table.json() if row["day"] >= "2026-06-18") == 76041
        page = await site.client.get("/qotgate-export/trades")
        assert "ARKK" in page.text

    asyncio.run(ask())


@pytest.mark.slow
def test_the_notebook_of_the_event_study(
    real_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    notebook = nbformat.read(EXAMPLES / "event_study.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    days = {"date(2026, 6, 1), date(2026, 6, 22)": "date(2021, 3, 25), date(2021, 8, 15)"}
    with serving(real_url) as gateway:
        for changed, to in (days | {"QuoteClient(": f"QuoteClient(port={gateway.port}, "}).items():
            assert any(changed in cell.source for cell in notebook.cells)
            for cell in notebook.cells:
                cell.source = cell.source.replace(changed, to)
        NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    told = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert re.search(r"^40 upgrades of 24 stocks$", told, re.M), told
    assert len(re.findall(r"^ *[+-]\d+ days: [+-]0\.\d+$", told, re.M)) == 9
    assert (tmp_path / "event_study.png").stat().st_size > 10_000


def test_the_ten_questions_have_their_answers(sample_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = (ROOT / "docs" / "research.md").read_text()
    parts = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", document, re.DOTALL)
    assert sum(bool(answer) for _, answer in parts) == 10
    names: dict[str, object] = {}
    with serving(sample_url, "--lang", "en") as gateway:
        for code, answer in parts:
            exec(code.replace("QuoteClient()", f"QuoteClient(port={gateway.port})"), names)
            assert capsys.readouterr().out == answer, code


@pytest.mark.slow
@pytest.mark.parametrize("package", ["futu", "moomoo", "qotgate"])
def test_bot_test(tmp_path: Path, package: str) -> None:
    script = (EXAMPLES / "test_bot.py").read_text()
    (tmp_path / "test_bot.py").write_text(script.replace("from futu", f"from {package}"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("package", ["futu", "moomoo"])
def test_trading_bot_replays(tmp_path: Path, package: str) -> None:
    """With the committed recording: no OpenD is running."""
    for name in ("trading_bot.py", "test_trading_bot.py"):
        script = (EXAMPLES / name).read_text()
        (tmp_path / name).write_text(script.replace("from futu", f"from {package}"))
    (tmp_path / "trading_bot.jsonl").write_text((EXAMPLES / "trading_bot.jsonl").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_recording_of_the_trading_bot_has_nothing_personal() -> None:
    done = run_command("recording", "check", EXAMPLES / "trading_bot.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["answers"] > 10
    assert told["pushes"] >= 2
    assert told["left_out"] == {}
    assert {finding["told"].partition(":")[2] for finding in told["findings"]} == {" 'average'"}


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md", "docs/python.md"])
def test_the_code_in_the_documents_runs(sample_gateway: Serving, tmp_path: Path, document: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        script = re.sub(r"QuoteClient\(", f"QuoteClient(port={sample_gateway.port}, ", block)
        script = script.replace("port=11111", f"port={sample_gateway.port}")
        command = [sys.executable, "-W", "ignore", "-c", script]
        if "def test_" in block:
            (tmp_path / "test_block.py").write_text(block)
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_block.py"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=120,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
