"""The first pages: templates are compiled before the first request, and a page makes as many database queries
for many rows as for few."""

import re
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi import FastAPI

from qotgate.service.loading import load
from qotgate.service.reference import Reference
from qotgate.serving import running
from qotgate.store import Store
from qotgate.web import render
from qotgate.web.render import ENVIRONMENT
from tests.support.in_process import run_alone, web_in_process
from tests.support.serving import serving
from tests.support.statements import counted_statements
from tests.support.wire import Wire, free_port

DEADLINE_SECONDS = 60.0
NOTICES = "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF\n"


def test_templates_and_the_document_are_made_once_the_gateway_listens(
    monkeypatch: pytest.MonkeyPatch, sample_url: str
) -> None:
    cache, made = ENVIRONMENT.cache, Event()
    make = FastAPI.openapi

    def told(app: FastAPI) -> Any:
        document = make(app)
        made.set()
        return document

    assert cache is not None
    cache.clear()
    monkeypatch.setattr("qotgate.web.app._App._document", None)
    monkeypatch.setattr(FastAPI, "openapi", told)
    monkeypatch.setattr(render, "PREPARING_REST_SECONDS", 0)
    with serving(sample_url, "--http-port", "0"):
        assert made.wait(DEADLINE_SECONDS), "the document waits for its first reader"
        assert len(cache) == len(ENVIRONMENT.list_templates())


def test_the_wire_answers_while_the_pages_are_imported(
    monkeypatch: pytest.MonkeyPatch, sample_url: str
) -> None:
    port, answers = free_port(), []
    imported = running._imported_pages

    def asked_meanwhile() -> Any:
        with Wire(port) as wire:
            answers.append(wire.dynamic())
        return imported()

    monkeypatch.setattr(running, "_imported_pages", asked_meanwhile)
    with serving(sample_url, "--port", str(port), "--http-port", "0") as gateway:
        assert gateway.pages
    (answer,) = answers
    assert answer.retType == 0


def statements(tmp_path: Path, reference: Reference, count: int) -> dict[str, int]:
    """The number of statements for each page, of a day with ``count`` securities whose identifier other lines
    give to another company."""
    tesla = "ARKK,2020-12-15,Buy,TSLA,88160R101,TESLA INC,1,0.2\n"
    wrong = (f"ARKK,2020-12-15,Buy,Q{n},53227R106,FOREIGN {n} INC,1,0.2\n" for n in range(count))
    file = tmp_path / f"notices{count}.csv"
    file.write_text(NOTICES + tesla + "".join(wrong))
    url = f"sqlite:///{tmp_path / f'{count}.db'}"
    store = Store.open(url)
    load(store, reference, [file])
    store.close()

    async def ask() -> dict[str, int]:
        found = {}
        async with web_in_process(url) as (web, _):
            for path in ("/data", "/moves", "/"):
                with counted_statements() as sent:
                    answer = await web.get(path)
                assert "FOREIGN" in answer.text
                found[path] = len(sent)
        return found

    return run_alone(ask())


def test_a_page_asks_the_same_for_many_rows_as_for_few(tmp_path: Path, reference: Reference) -> None:
    assert statements(tmp_path, reference, 40) == statements(tmp_path, reference, 2)


def test_a_search_asks_once_for_all_its_hits(sample_url: str) -> None:
    async def ask() -> tuple[int, int]:
        async with web_in_process(sample_url) as (web, _):
            # Data read once for each state.
            await web.get("/search", params={"q": "o"})
            with counted_statements() as sent:
                answer = await web.get("/search", params={"q": "o"})
            return answer.text.count('class="security"'), len(sent)

    hits, asked = run_alone(ask())
    assert hits > 5
    assert asked < 2 * hits


def test_an_empty_database_names_the_command_on_every_page(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    Store.open(url).close()

    async def ask() -> None:
        async with web_in_process(url) as (web, _):
            for path in ("/", "/moves", "/holdings", "/active-trades", "/streaks", "/ratings", "/data"):
                answer = await web.get(path, headers={"Accept-Language": "en"})
                assert answer.status_code == 200, path
                assert re.search("<code>qotgate (load PATH|fetch ark)</code>", answer.text), path
                assert "`" not in answer.text, path

    run_alone(ask())


def test_what_needs_no_attention_is_said_of_its_own_page(sample_url: str) -> None:
    async def ask() -> None:
        async with web_in_process(sample_url) as (web, _):
            for path, sentence in (
                ("/data/unknown-grades", "Every grade is known."),
                ("/data/unmapped", "Every line has a code."),
                ("/data/contradictions", "No identifiers are rejected."),
            ):
                page = (await web.get(path, headers={"Accept-Language": "en"})).text
                assert sentence in page
                assert 'href="/data" aria-current="page"' in page

    run_alone(ask())
