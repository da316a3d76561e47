"""Research tables over HTTP: the formats agree, and the allowance is separate."""

from datetime import date
from importlib import import_module
from io import BytesIO, StringIO
from itertools import count

import httpx
import polars as pl
import pyarrow.parquet as pq
import pytest

from qotgate.protocol.research import TABLES
from qotgate.service.research import files, scope
from qotgate.service.research.frames import schema_of
from tests.support.serving import serving

PATHS = [table.path for table in TABLES.values()]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("most", [20_000, 1])
def test_the_formats_agree(web: httpx.Client, path: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "MAX_ROWS", most)
    query = {"start": "2026-06-15", "codes": "all"} if path == "dynamics" else {}
    answers = [
        web.get(f"/api/v1/research/{path}{suffix}", params=query) for suffix in ("", ".csv", ".parquet")
    ]
    assert {answer.status_code for answer in answers} == {200}
    whole, csv, parquet = answers
    schema = schema_of(TABLES[path.replace("-", "_")].row)
    rows = whole.json()["rows"]
    assert bool(rows) == (path != "streaks")
    table = pl.read_parquet(BytesIO(parquet.content))
    assert dict(table.schema) == schema
    told = [
        {name: str(value) if isinstance(value, date) else value for name, value in row.items()}
        for row in table.iter_rows(named=True)
    ]
    assert told == rows
    read = pl.read_csv(StringIO(csv.text), infer_schema=False)
    assert read.columns == list(schema)
    assert read.height == table.height == len(rows)


def test_a_parquet_file_is_written_by_row_groups(web: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "MAX_ROWS", 1)
    monkeypatch.setattr(files, "MAX_ROWS", 40)
    answer = web.get("/api/v1/research/positions.parquet")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    file = pq.ParquetFile(BytesIO(answer.content))
    assert file.metadata.num_row_groups >= 3


def test_parameters(web: httpx.Client) -> None:
    def ask(query: str) -> list[dict[str, object]]:
        answer = web.get(f"/api/v1/research/{query}")
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, object]] = answer.json()["rows"]
        return rows

    one = ask("trades?codes=us.tsla,US.ROKU&start=2026-06-15&lang=en")
    assert one == ask("trades?codes=US.TSLA&codes=US.ROKU&start=2026-06-15&lang=en")
    assert {row["security"] for row in one if not row["untold"]} == {"US.TSLA", "US.ROKU"}
    assert {row["fund"] for row in ask("positions?funds=arkw")} == {"ARKW"}
    assert len(ask("dynamics?codes=US.TSLA&as_of=2026-06-17,2026-06-22")) == 2
    for query, sentence in (
        ("trades?start=yesterday", "start takes a day as yyyy-MM-dd, not 'yesterday'."),
        ("trades?funds=ARKZ", "funds takes a fund with loaded data (ARKK, ARKW), not ARKZ."),
        ("streaks?days=1", "days takes a whole number from 2 to 250, not '1'."),
        ("dynamics?as_of=2020-01-01", "as_of takes a day from 2026-04-17 on"),
    ):
        answer = web.get(f"/api/v1/research/{query}&lang=en")
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(sentence)
    assert web.get("/api/v1/research/nothing").status_code == 404
    tagged = web.get("/api/v1/research/coverage")
    again = web.get("/api/v1/research/coverage", headers={"If-None-Match": tagged.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_a_load_between_two_parts_breaks_the_answer_off(
    web: httpx.Client, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An incomplete answer is recognisable as such."""
    states = count(1)
    monkeypatch.setattr(scope, "MAX_ROWS", 1)
    module = import_module("qotgate.service.research.parts")
    monkeypatch.setattr(module, "generation", lambda _connection: next(states))
    if suffix == ".parquet":
        answer = web.get(f"/api/v1/research/trades{suffix}", params={"lang": "en"})
        assert (answer.status_code, answer.json()["code"]) == (422, "page_changed")
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            web.get(f"/api/v1/research/trades{suffix}")


def test_on_this_machine_tables_count_only_where_a_limit_is_configured(sample_url: str) -> None:
    for options, statuses in (((), [200, 200, 200]), (("--rate-limit", "2/60s"), [200, 200, 429])):
        with (
            serving(sample_url, "--http-port", "0", *options) as gateway,
            httpx.Client(base_url=str(gateway.pages)) as web,
        ):
            assert [web.get("/api/v1/research/coverage").status_code for _ in range(3)] == statuses
            assert "RateLimit" in web.get("/api/v1/ark/dynamics/US.TSLA").headers
