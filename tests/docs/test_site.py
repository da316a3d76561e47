"""The documentation site builds without a warning, and contains the program's own descriptions."""

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from qotgate.cli.main import COMMANDS
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def text_of(page: Path) -> str:
    return unescape(re.sub("<[^>]+>", "", page.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_each_command_is_described_by_its_own_help(site: Path) -> None:
    text = text_of(site / "commands.html")
    for name in COMMANDS:
        assert f"Usage: qotgate {name} " in text


@pytest.mark.slow
def test_the_clients_are_described_by_their_docstrings(site: Path) -> None:
    text = text_of(site / "reference.html")
    for name in ("QuoteClient", "AsyncQuoteClient", "OpenQuoteContext", "rating_changes"):
        assert name in text


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    tags = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:[^"]+)"')
    for page in site.rglob("*.html"):
        loaded = tags.findall(page.read_text(encoding="utf-8"))
        assert loaded == [], page.name


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_front_page_is_short_and_its_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 110
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
