"""The HTTP API: each path is a plain call of a service."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Response

from qotgate.model import InvalidRequest, Market, RatingChangeType, Security
from qotgate.protocol.interface import RATING_CHANGES
from qotgate.service.ark.funds import fund_days
from qotgate.service.ark.history import ark_history, ark_positions
from qotgate.service.questions import of_fund
from qotgate.service.ratings.changes import rating_listing
from qotgate.web.asked import TheRequest
from qotgate.web.days import LOWER, UPPER, Day
from qotgate.web.finding import find
from qotgate.web.formats import MEDIA_TYPES
from qotgate.web.problems import PROBLEMS
from qotgate.web.shapes import (
    Dynamic,
    FundDayRow,
    FundDays,
    PositionRow,
    Positions,
    RatingChanges,
    Securities,
    SecurityRow,
    Shape,
    TransactionRow,
    Transactions,
    noted,
)

Listed = TypeVar("Listed", bound=Shape)

PART_ROWS = 2000
"""Rows of a whole list made at once."""
FOUND_DEFAULT = 20
FOUND_MOST = 100
DAYS_DEFAULT = 30
DAYS_MOST = 200
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            MEDIA_TYPES["csv"]: {"schema": {"type": "string"}},
            MEDIA_TYPES["parquet"]: {"schema": {"type": "string", "format": "binary"}},
        },
        "headers": {
            "ETag": {"schema": {"type": "string"}, "description": "Identifies the state of the data."},
            "RateLimit": {
                "schema": {"type": "string"},
                "description": "The remaining requests of the allowance.",
            },
        },
    },
    304: {"description": "The caller's version is current."},
    **PROBLEMS,
}


def _any_case(word: str) -> str:
    """A pattern for ``word`` in any case: patterns in JSON schemas have no flags."""
    return "".join(f"[{letter}{letter.lower()}]" if letter.isalpha() else letter for letter in word)


Code = Annotated[
    str,
    Path(
        description="MARKET.CODE, in any case. `.csv`, `.json` or `.parquet` after it chooses the format.",
        examples=["US.TSLA"],
        pattern=rf"^({'|'.join(map(_any_case, Market))})\.[!-.0-~]([ -.0-~]{{0,62}}[!-.0-~])?$",
    ),
]
AsOf = Annotated[
    Day | None,
    Query(
        description="The answer as it was known at the end of that day, or of the last known day if earlier."
    ),
]
CodeFilter = Annotated[str | None, Query(description="MARKET.CODE, in any case.", examples=["US.AAPL"])]

router = APIRouter(prefix="/api/v1", responses=ANSWERS)


@router.get("/ark/dynamics/{code}", response_model=Dynamic, tags=["ARK"])
def dynamics(asked: TheRequest, code: Code, as_of: AsOf = None) -> Response:
    """The ARK funds' dynamic of a security: their latest transactions in sum."""
    security = Security.parse(code, "code")

    def make() -> Shape:
        history = ark_history(asked.questions, security, as_of, days=0)
        found = asked.site.search.look_up(security, asked.lang)
        answer = Dynamic.of(found, as_of, history.as_of, history.answer)
        return noted(answer, asked.site.search.note(security, asked.lang))

    return asked.answer("dynamics", make)


@router.get("/ark/transactions/{code}", response_model=Transactions, tags=["ARK"])
def transactions(asked: TheRequest, code: Code, as_of: AsOf = None) -> Response:
    """The ARK funds' trades in a security, by day and fund, with the files and lines behind each."""
    security = Security.parse(code, "code")

    def make() -> Shape:
        history = ark_history(asked.questions, security, as_of)
        answer = Transactions(
            security=str(security),
            name=asked.site.search.look_up(security, asked.lang).name,
            as_of=as_of or history.as_of,
            known_to=history.as_of,
            rows=[TransactionRow.model_validate(row) for row in history.transactions],
        )
        return noted(answer, asked.site.search.note(security, asked.lang))

    return asked.answer("transactions", make)


@router.get("/ark/positions/{code}", response_model=Positions, tags=["ARK"])
def positions(asked: TheRequest, code: Code, as_of: AsOf = None) -> Response:
    """The ARK funds' positions in a security at the end of each day, by fund, with file and line."""
    security = Security.parse(code, "code")

    def make() -> Shape:
        day, rows = ark_positions(asked.questions, security, as_of)
        answer = Positions(
            security=str(security),
            name=asked.site.search.look_up(security, asked.lang).name,
            as_of=as_of or day,
            known_to=day,
            rows=[PositionRow.of(row) for row in rows],
        )
        return noted(answer, asked.site.search.note(security, asked.lang))

    return asked.answer("positions", make)


@router.get("/ark/funds/{fund}/days", response_model=FundDays, tags=["ARK"])
def days_of_fund(
    asked: TheRequest,
    fund: Annotated[str, Path(description="In any case.", pattern="^[A-Za-z]{1,10}$", examples=["ARKK"])],
    count: Annotated[
        Annotated[int, Query(ge=1, le=DAYS_MOST)] | Annotated[Literal["all"], LOWER],
        Query(description="Rows on a page, or `all` for the whole list."),
    ] = DAYS_DEFAULT,
    before: Annotated[
        Day | None, Query(description="Only days before this one: `next_before` of an earlier answer.")
    ] = None,
    as_of: AsOf = None,
) -> Response:
    """A fund day by day: how many securities it bought and sold, the net value, and fund flow."""
    name = fund.upper()

    def part(size: int, day: date | None) -> FundDays:
        days, more = fund_days(of_fund(asked.questions, name), name, size, as_of, day)
        return FundDays(fund=name, next_before=more, rows=[FundDayRow.of(row) for row in days])

    later = before is not None
    if count == "all":
        parts = whole_list(partial(part, PART_ROWS), before, "next_before")
        return asked.answer_in_parts("days", parts, later_page=later)
    return asked.answer("days", lambda: part(count, before), later_page=later)


@router.get("/ratings/changes", response_model=RatingChanges, tags=["Ratings"])
def changes(
    asked: TheRequest,
    market: Annotated[
        Annotated[Literal["US", "CA"], UPPER] | None, Query(description="Both unless given.")
    ] = None,
    change_type: Annotated[
        Annotated[Literal["UPGRADE", "DOWNGRADE", "NEW_RATING"], UPPER] | None,
        Query(description="All unless given."),
    ] = None,
    security: CodeFilter = None,
    institution: Annotated[
        str | None, Query(description="A name in either language, or a feed's spelling.", examples=["UBS"])
    ] = None,
    day: Annotated[Day | None, Query(description="Only notes of this day.")] = None,
    count: Annotated[
        Annotated[int, Query(ge=1, le=RATING_CHANGES.most)] | Annotated[Literal["all"], LOWER],
        Query(description="Rows on a page, or `all` for the whole list."),
    ] = RATING_CHANGES.count,
    page: Annotated[
        str | None, Query(description="The `next_page` of an earlier answer to the same question.")
    ] = None,
    as_of: AsOf = None,
) -> Response:
    """Rating changes, the newest first, with the file and line of each note."""
    listed = Security.parse(security, "security") if security else None
    if listed and market and listed.market != market:
        raise InvalidRequest("market_of_security", market=market, value=security)

    def part(size: int, cursor: str | None) -> RatingChanges:
        found = rating_listing(
            asked.questions,
            market=Market(market) if market else None,
            change_type=RatingChangeType(change_type) if change_type else None,
            security=listed,
            institution=institution or None,
            day=day,
            count=size,
            page=cursor,
            as_of=as_of,
        )
        return RatingChanges.of(found)

    if count == "all":
        return asked.answer_in_parts(
            "changes", whole_list(partial(part, PART_ROWS), page), later_page=bool(page)
        )

    def make() -> Shape:
        note = None if listed is None else asked.site.search.note(listed, asked.lang, in_ratings=True)
        return noted(part(count, page or None), note)

    return asked.answer("changes", make, later_page=bool(page))


def whole_list(
    ask: Callable[[Any], Listed], page: str | int | date | None, cursor: str = "next_page"
) -> Iterator[Listed]:
    """The page at ``page`` and all later ones; each one's ``cursor`` names the next. Each is a short read of
    its own, in the state of the first page: no transaction stays open while the caller reads."""
    following: list[str | int | date | None] = [page or None]

    def next_part() -> Listed | None:
        if not following:
            return None
        found = ask(following.pop())
        next_page: str | int | date | None = getattr(found, cursor)
        if next_page:
            following.append(next_page)
        return found.model_copy(update={cursor: None})

    # A generator would keep a part in memory while the caller reads it.
    return iter(next_part, None)


@router.get("/securities", response_model=Securities, tags=["Securities"])
def securities(
    asked: TheRequest,
    query: Annotated[str, Query(max_length=100, description="A code or part of a name.", examples=["tesla"])],
    count: Annotated[int, Query(ge=1, le=FOUND_MOST)] = FOUND_DEFAULT,
) -> Response:
    """The securities, funds and institutions with loaded data, by code or name in either language."""

    def make() -> Securities:
        found = find(asked.site, asked.lang, asked.site.state(), query, count)
        rows = [SecurityRow.of(one) for one in found.securities]
        return Securities(funds=found.funds, institutions=found.institutions, rows=rows)

    return asked.answer("securities", make)
