"""Analyst consensus, ratings by institution, trading days, market states and user info: all interfaces agree.

The tests of the published clients' parsers are in tests/interop.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from datetime import date
from io import StringIO
from typing import Any

import httpx
import polars as pl
import pytest

from qotgate import AsyncQuoteClient, InvalidRequest, Market, QuoteClient, RatingLevel, Rows
from qotgate.model import AnalystConsensus, InstitutionRating
from tests.support.commands import run
from tests.support.serving import Serving

FIRST_DAY, LAST_DAY = date(2026, 5, 15), date(2026, 6, 23)


@pytest.fixture
def client(sample_site: Serving) -> Iterator[QuoteClient]:
    # The asyncio clients ask in Protobuf.
    with QuoteClient(port=sample_site.port, body_format="json") as client:
        yield client


def command(url: str, *arguments: object) -> Any:
    done = run(*arguments, "--json", "--lang", "en", "--db", url)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(web: httpx.Client, path: str, **query: object) -> Any:
    answer = web.get(f"/api/v1/{path}", params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(rows: Rows[Any]) -> list[dict[str, Any]]:
    """Rows in JSON's form."""
    return [
        {
            name: value if value is None or isinstance(value, int | float) else str(value)
            for name, value in ((field.name, getattr(row, field.name)) for field in fields(row))
        }
        for row in rows
    ]


@pytest.mark.parametrize("code", ["US.MU", "US.AAPL", "CA.SHOP", "US.NOPE"])
@pytest.mark.parametrize("day", [FIRST_DAY, LAST_DAY])
def test_consensus(
    client: QuoteClient, web: httpx.Client, sample_site: Serving, sample_url: str, code: str, day: date
) -> None:
    found = client.analyst_consensus(code, as_of=day)
    assert found.known_to == day

    async def asked() -> AnalystConsensus:
        async with AsyncQuoteClient(port=sample_site.port) as other:
            return await other.analyst_consensus(code, as_of=day)

    assert asyncio.run(asked()) == found
    same = {
        name: str(value) if isinstance(value, date | RatingLevel) else value
        for name, value in asdict(found).items()
    }
    same["total"] = found.total
    answer = ask(web, f"ratings/consensus/{code}", as_of=day)
    assert same == {name: answer[name] for name in same}
    assert ("note" in answer) == (code == "US.NOPE")
    assert same == command(sample_url, "consensus", code, "--as-of", day)


def test_a_consensus_of_today_has_no_day_of_its_own_and_a_later_day_has(
    client: QuoteClient, web: httpx.Client
) -> None:
    assert client.analyst_consensus("US.MU").known_to is None
    assert client.analyst_consensus("US.MU", as_of=date(2099, 1, 1)).known_to == LAST_DAY
    answer = ask(web, "ratings/consensus/us.mu", as_of="2099-01-01")
    assert (answer["as_of"], answer["known_to"], answer["buy"]) == ("2099-01-01", str(LAST_DAY), 3)


@pytest.mark.parametrize(("institution", "rows"), [(None, 6), ("bofa", 2)])
def test_ratings_by_institution(
    client: QuoteClient,
    web: httpx.Client,
    sample_site: Serving,
    sample_url: str,
    institution: str | None,
    rows: int,
) -> None:
    found = client.rating_summary("US.MU", institution, as_of=LAST_DAY, page_size=1)
    assert found.known_to == LAST_DAY
    ratings = found.rows()
    assert len(ratings) == rows

    async def asked() -> Rows[InstitutionRating]:
        async with AsyncQuoteClient(port=sample_site.port) as other:
            return await other.rating_summary("US.MU", institution, as_of=LAST_DAY).rows()

    assert asyncio.run(asked()) == ratings
    query = {} if institution is None else {"institution": institution}
    answer = ask(web, "ratings/summary/US.MU", **query)
    assert answer["rows"] == told(ratings)
    by_pages, page = [], ""
    while page is not None:
        part = ask(web, "ratings/summary/US.MU", **query, count=1, page=page)
        by_pages += part["rows"]
        page = part["next_page"]
    assert by_pages == answer["rows"]
    options = () if institution is None else ("--institution", institution)
    assert command(sample_url, "rating-summary", "US.MU", *options)["rows"] == answer["rows"]
    table = ratings.to_polars()
    text = web.get("/api/v1/ratings/summary/US.MU.csv", params=query).text
    assert pl.read_csv(StringIO(text), try_parse_dates=True)["day"].to_list() == table["day"].to_list()


@pytest.mark.parametrize("market", ["US", "hk", "CA", "SZ", "AU"])
def test_trading_days(client: QuoteClient, web: httpx.Client, sample_site: Serving, market: str) -> None:
    start, end = date(2025, 12, 22), date(2026, 1, 5)
    days = client.trading_days(market, start, str(end))

    async def asked() -> Any:
        async with AsyncQuoteClient(port=sample_site.port) as other:
            return await other.trading_days(Market[market.upper()], start, end)

    assert asyncio.run(asked()) == days
    assert date(2025, 12, 25) not in [one.day for one in days] or market == "SZ"
    answer = ask(web, f"markets/{market}/trading-days", start=start, end=end)
    assert answer == {"market": market.upper(), "rows": told(days)}
    done = run("trading-days", market, "--start", start, "--end", end, "--json")
    assert json.loads(done.stdout) == answer["rows"]
    assert days.to_pandas()["morning_only"].dtype == bool


def test_a_year_of_trading_days_unless_told_otherwise(client: QuoteClient, web: httpx.Client) -> None:
    days = [one.day for one in client.trading_days("US", end=date(2025, 12, 31))]
    assert (len(days), days[0]) == (251, date(2024, 12, 31))
    assert [str(day) for day in days] == [
        row["day"] for row in ask(web, "markets/us/trading-days", end="2025-12-31")["rows"]
    ]


def test_market_states(client: QuoteClient, web: httpx.Client, sample_site: Serving, sample_url: str) -> None:
    codes = ["US.MU", "HK.00700", "CA.SHOP", "us.nope"]

    async def asked() -> Any:
        async with AsyncQuoteClient(port=sample_site.port) as other:
            return await other.market_states(codes)

    # A market may open in between.
    for _ in range(3):
        states = client.market_states(codes)
        faces = (
            told(asyncio.run(asked())),
            told(client.market_states(",".join(codes))),
            ask(web, "markets/states", codes=",".join(codes))["rows"],
            command(sample_url, "market-state", *codes),
        )
        if all(face == told(states) for face in faces):
            break
    else:
        pytest.fail(f"{states} is not what the others say: {faces}")
    assert [(str(one.security), one.name) for one in states] == [
        *(("US.MU", "Micron Technology"), ("HK.00700", "Tencent")),
        *(("CA.SHOP", "Shopify"), ("US.NOPE", "")),
    ]
    assert states[2].state == "NONE"


def test_the_user(client: QuoteClient, web: httpx.Client, sample_site: Serving) -> None:
    user = client.user_info()
    assert (user.nick_name, user.user_id, user.subscription_quota) == ("qotgate", 1, 0)
    assert set(user.quote_rights.values()) == {"NO"}

    async def asked() -> Any:
        async with AsyncQuoteClient(port=sample_site.port) as other:
            return await other.user_info()

    assert asyncio.run(asked()) == user
    answer = ask(web, "user")
    assert {row["quotes"]: row["right"] for row in answer.pop("rows")} == user.quote_rights
    assert answer == {name: getattr(user, name) for name in answer}


def test_what_changes_with_the_clock_is_not_kept(web: httpx.Client) -> None:
    for path in ("markets/us/trading-days", "markets/states?codes=US.MU", "user"):
        answer = web.get(f"/api/v1/{path}", headers={"If-None-Match": "*"})
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        assert "ETag" not in answer.headers


@pytest.mark.parametrize(
    ("path", "arguments", "call", "said"),
    [
        (
            "markets/XX/trading-days",
            ["trading-days", "XX"],
            lambda client: client.trading_days("XX"),
            "US",
        ),
        (
            "markets/FX/trading-days",
            ["trading-days", "FX"],
            lambda client: client.trading_days("FX"),
            "AU",
        ),
        (
            "markets/US/trading-days?start=1999-01-01",
            ["trading-days", "US", "--start", "1999-01-01"],
            lambda client: client.trading_days("US", "1999-01-01"),
            "2014-01-01",
        ),
        (
            "markets/US/trading-days?start=2026-01-02&end=2026-01-01",
            ["trading-days", "US", "--start", "2026-01-02", "--end", "2026-01-01"],
            lambda client: client.trading_days("US", "2026-01-02", "2026-01-01"),
            "2026-01-01",
        ),
        (
            "markets/US/trading-days?start=today",
            ["trading-days", "US", "--start", "today"],
            lambda client: client.trading_days("US", "today"),
            "start",
        ),
        (
            "markets/states?codes=TSLA",
            ["market-state", "TSLA"],
            lambda client: client.market_states(["TSLA"]),
            "MARKET.CODE",
        ),
        (
            "markets/states?codes=" + ",".join(["US.A"] * 401),
            ["market-state", *(["US.A"] * 401)],
            lambda client: client.market_states(["US.A"] * 401),
            "400",
        ),
        (
            "ratings/summary/US.MU?institution=Barclays",
            ["rating-summary", "US.MU", "--institution", "Barclays"],
            lambda client: list(client.rating_summary("US.MU", "Barclays")),
            "has rated US.MU",
        ),
        (
            "ratings/summary/US.MU?count=21",
            ["rating-summary", "US.MU", "--count", "21"],
            lambda client: client.rating_summary("US.MU", page_size=21),
            "20",
        ),
        (
            "ratings/consensus/US.MU?as_of=1999-01-01",
            ["consensus", "US.MU", "--as-of", "1999-01-01"],
            lambda client: client.analyst_consensus("US.MU", as_of=date(1999, 1, 1)),
            "as_of",
        ),
    ],
)
def test_each_face_refuses_in_words(
    client: QuoteClient,
    web: httpx.Client,
    sample_url: str,
    path: str,
    arguments: list[str],
    call: Any,
    said: str,
) -> None:
    answer = web.get(f"/api/v1/{path}")
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
    done = run(*arguments, *(() if arguments[0] == "trading-days" else ("--db", sample_url)))
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    with pytest.raises(InvalidRequest, match=said):
        call(client)


NEAR = {"Goldman Saks": "Goldman Sachs", "高盛公司": "Goldman Sachs", "Barkleys": "Barclays"}


@pytest.mark.parametrize("typed", NEAR)
def test_an_institution_that_is_not_known_is_answered_with_what_is_near(
    client: QuoteClient, web: httpx.Client, sample_url: str, typed: str
) -> None:
    for path in (
        f"ratings/changes?institution={typed}",
        f"ratings/summary/US.MU?institution={typed}",
        f"research/rating-changes?institutions={typed}",
        f"research/notes?institutions={typed}&institutions=UBS",
    ):
        answer = web.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (422, "institution_near"), path
        assert f"did you mean {NEAR[typed]}" in answer.json()["detail"], path
    for ask_rows in (
        lambda: client.rating_summary("US.MU", typed),
        lambda: client.rating_notes(institutions=typed),
        lambda: client.rating_changes(institutions=["UBS", typed]),
    ):
        with pytest.raises(InvalidRequest, match=f"did you mean {NEAR[typed]}"):
            list(ask_rows())
    for arguments in (
        ("rating-summary", "US.MU", "--institution", typed),
        ("research", "rating-changes", "--institutions", typed),
    ):
        done = run(*arguments, "--lang", "en", "--db", sample_url)
        assert (done.returncode, f"did you mean {NEAR[typed]}" in done.stderr) == (2, True), done.stderr
    assert (
        NEAR[typed]
        in web.get("/ratings", params={"institution": typed}, headers={"Accept-Language": "en"}).text
    )


def test_a_code_without_ratings_is_answered_with_what_is_near(web: httpx.Client, sample_url: str) -> None:
    for path in ("ratings/changes?security=US.MUU", "ratings/consensus/US.MUU", "ratings/summary/US.MUU"):
        assert "did you mean US.MU" in web.get(f"/api/v1/{path}").json()["note"]
        assert "note" not in web.get(f"/api/v1/{path}".replace("MUU", "MU")).json()
    for command in ("consensus", "rating-summary"):
        done = run(command, "US.MUU", "--lang", "en", "--db", sample_url)
        assert (done.returncode, "did you mean US.MU" in done.stderr) == (0, True)


@pytest.mark.parametrize("table", ["trades", "notes", "positions", "dynamics"])
def test_codes_that_are_not_known_are_told_beside_a_table(
    client: QuoteClient,
    web: httpx.Client,
    sample_url: str,
    table: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = "US.TSLAA is not known here (did you mean US.TSLA (Tesla)?)."
    many = ["US.TSLA", "US.TSLAA", *(f"US.QQQ{number}" for number in range(5))]
    calls: dict[str, Callable[[list[str]], Any]] = {
        "trades": lambda codes: client.ark_trades(codes=codes, lang="en"),
        "notes": lambda codes: client.rating_notes(codes=codes, lang="en"),
        "positions": lambda codes: client.ark_positions(codes=codes, lang="en"),
        "dynamics": lambda codes: client.ark_dynamics(codes, as_of=[LAST_DAY], lang="en"),
    }
    rows = calls[table](many)
    if table != "dynamics":
        list(rows)
        assert rows.note.startswith(said)
    (logged,) = (record.getMessage() for record in caplog.records if record.name == "qotgate.client")
    assert logged.startswith(said)
    assert logged.endswith("3 more codes are not known here.")
    answer = ask(web, f"research/{table}", codes=",".join(many))
    assert answer["note"] == logged
    assert "note" not in ask(web, f"research/{table}", codes="US.TSLA")
    assert web.get(f"/api/v1/research/{table}.csv", params={"codes": "US.TSLAA"}).status_code == 200
    done = run("research", table, "--codes", "us.tslaa", "--csv", "--lang", "en", "--db", sample_url)
    assert (done.returncode, done.stderr.strip()) == (0, said)


def test_a_fund_without_data_is_refused_alike(client: QuoteClient, web: httpx.Client) -> None:
    said = "fund takes a fund with loaded data (ARKK, ARKW), not ARKZ."
    for path in ("holdings", "active-transactions"):
        answer = web.get(f"/api/v1/ark/{path}?fund=arkz")
        assert (answer.status_code, answer.json()["detail"]) == (422, said)
    for page in ("holdings", "active-trades"):
        answer = web.get(f"/{page}?fund=ARKZ", headers={"Accept-Language": "en"})
        assert (answer.status_code, said in answer.text) == (200, True)
    for call in (client.fund_holdings, client.active_transactions):
        with pytest.raises(InvalidRequest, match="not ARKZ"):
            list(call(fund="ARKZ"))


def test_a_known_institution_without_a_change_is_an_empty_list(
    client: QuoteClient, web: httpx.Client
) -> None:
    assert ask(web, "ratings/changes", institution="Baader Helvea")["rows"] == []
    assert ask(web, "ratings/changes", institution="UBS", day="2026-05-16")["rows"] == []
    assert list(client.rating_changes(institutions="Baader Bank")) == []
    assert list(client.rating_notes("2026-05-16", "2026-05-16", institutions="UBS")) == []


def test_what_is_near_to_nothing_is_said_without_a_guess(web: httpx.Client) -> None:
    answer = web.get("/api/v1/ratings/changes", params={"institution": "qqqqqq"}).json()
    assert answer["code"] == "institution_unknown"
