"""The pages about securities and ratings. Each works without scripts; scripts add charts, endless scrolling
and news of loads."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, overload

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BeforeValidator

from qotgate.model import ArkDynamic, DynamicType, InvalidRequest, Market, RatingChangeType, Security
from qotgate.service.ark.funds import days_around
from qotgate.service.ark.history import ArkHistory, FundPosition, ark_history, ark_moves, ark_positions
from qotgate.service.chinese import simplified
from qotgate.service.ratings.changes import institution_names, rating_facets, rating_listing
from qotgate.web.days import Day
from qotgate.web.finding import FOUND_MOST, find
from qotgate.web.render import View, number, show
from qotgate.web.site import TheSite

MOVES_AT_HOME = 15
CHANGES_AT_HOME = 12
CHANGES_ON_A_PAGE = 40
CHANGES_OF_A_SECURITY = 15
DAYS_OF_TRADES = 12
MOVES_ON_A_PAGE = 100

T = TypeVar("T")
N = TypeVar("N")


def given(value: object) -> object:
    """The value, or None for a form field left empty."""
    return value or None


OneDay = Annotated[Day | None, BeforeValidator(given), Query()]
Text = Annotated[str | None, BeforeValidator(given), Query(max_length=200)]
Cursor = Annotated[str | None, BeforeValidator(given), Query(max_length=1000)]
MarketName = Annotated[Literal["US", "CA"] | None, BeforeValidator(given), Query()]
ChangeName = Annotated[Literal["UPGRADE", "DOWNGRADE", "NEW_RATING"] | None, BeforeValidator(given), Query()]
Code = Annotated[str, Path(max_length=100)]
NUMBERS_END = 2**62
Start = Annotated[int, Query(ge=1, lt=NUMBERS_END)]
"""The number, from 1, of the first row of a page."""

router = APIRouter()


@overload
def or_sentence(view: View, ask: Callable[[], T]) -> tuple[T | None, str]: ...
@overload
def or_sentence(view: View, ask: Callable[[], T], none: N) -> tuple[T | N, str]: ...
def or_sentence(view: View, ask: Callable[[], Any], none: Any = None) -> tuple[Any, str]:
    """An answer; on an error ``none`` and the error's sentence, so that only a part of the page is
    missing."""
    try:
        return ask(), ""
    except InvalidRequest as error:
        return none, view.sentence(error)


def page_from(rows: Sequence[T], start: int, count: int) -> tuple[Sequence[T], int | None]:
    """Up to ``count`` rows from number ``start`` on, and the ``start`` of the next page, None at the end."""
    end = start + count
    return rows[start - 1 : end - 1], end if end <= len(rows) else None


@router.get("/")
def home(request: Request, site: TheSite) -> Response:
    def make(view: View) -> dict[str, Any]:
        questions = site.questions[view.lang]
        moves, no_moves = or_sentence(view, lambda: ark_moves(questions))
        changes, no_changes = or_sentence(view, lambda: rating_listing(questions, count=CHANGES_AT_HOME))
        return {
            "moves_day": moves and moves[0],
            "moves": moves[1][:MOVES_AT_HOME] if moves else (),
            "moves_count": len(moves[1]) if moves else 0,
            "no_moves": no_moves,
            "changes": changes,
            "no_changes": no_changes,
            "window": questions.window_days,
        }

    return show(request, site, "home.html", make)


@router.get("/moves")
def moves(request: Request, site: TheSite, as_of: OneDay = None, start: Start = 1) -> Response:
    def make(view: View) -> dict[str, Any]:
        questions = site.questions[view.lang]
        (day, found), no_moves = or_sentence(view, lambda: ark_moves(questions, as_of), (None, ()))
        shown, more = page_from(found, start, MOVES_ON_A_PAGE)
        return {
            "day": day,
            "no_moves": no_moves,
            "around": days_around(questions, day) if day else (None, None),
            "moves": shown,
            "more_moves": more,
            "count": len(found),
            "as_of": as_of,
        }

    return show(request, site, "moves.html", make)


@router.get("/search")
def search(request: Request, site: TheSite, q: Text = None) -> Response:
    text = (q or "").strip()
    seen = View.of(request, site)
    hits = find(site, seen.lang, seen.state, text, FOUND_MOST)
    only = hits.only(text)
    if only:
        return RedirectResponse(only, 303)
    return show(request, site, "search.html", lambda _view: {"text": text, "hits": hits})


@router.get("/securities/{code}")
def security(request: Request, site: TheSite, code: Code, as_of: OneDay = None) -> Response:
    asked = Security.parse(code, "code")

    def make(view: View) -> dict[str, Any]:
        questions = site.questions[view.lang]
        history, no_history = or_sentence(
            view, lambda: ark_history(questions, asked, as_of, days=DAYS_OF_TRADES)
        )
        positions: list[FundPosition] = []
        if history is not None:
            positions = _last_positions(ark_positions(questions, asked, as_of)[1])
        changes, no_changes = or_sentence(
            view, lambda: rating_listing(questions, security=asked, as_of=as_of, count=CHANGES_OF_A_SECURITY)
        )
        return {
            "found": site.search.look_up(asked, view.lang),
            "note": site.search.note(asked, view.lang),
            "window": questions.window_days,
            "code": str(asked),
            "as_of": as_of,
            "history": history,
            "untold": _untold(history.answer) if history else {},
            "breaks": [
                (hole.fund, hole.first_day.isoformat(), hole.last_day.isoformat())
                for hole in site.coverage(view.state).holes
                if hole.fund in questions.funds and (history is None or hole.first_day <= history.as_of)
            ],
            "no_history": no_history,
            "said": history and _in_words(view, history, questions.window_days),
            "positions": positions,
            "changes": changes,
            "no_changes": no_changes,
        }

    return show(request, site, "security.html", make)


def _last_positions(positions: tuple[FundPosition, ...]) -> list[FundPosition]:
    """Each fund's position on the last day, including those that it has left."""
    last = {position.fund: position for position in positions}
    return [position for _, position in sorted(last.items()) if position.shares]


def _untold(answer: ArkDynamic) -> dict[tuple[date, date, str], list[str]]:
    """The funds whose trades on the same days of the window are unknown, by the days and the reason."""
    found: dict[tuple[date, date, str], list[str]] = {}
    for days in answer.untold:
        found.setdefault((days.first_day, days.last_day, days.why), []).append(days.fund)
    return found


def _in_words(view: View, history: ArkHistory, window_days: int) -> str:
    answer, say = history.answer, view.language.say
    net = answer.net_shares
    shares = number(abs(net))
    values = {
        "count": answer.transaction_count,
        "day": answer.last_transaction_day,
        "as_of": history.as_of,
        "window": window_days,
        "shares": shares,
        "net": say("net_bought" if net > 0 else "net_sold" if net else "net_none", shares=shares),
    }
    match answer.dynamic_type:
        case DynamicType.NO_DYNAMIC:
            return say("said_never", **values)
        case DynamicType.CONSECUTIVE_SAME_DIRECTION:
            return say("said_bought_run" if net > 0 else "said_sold_run", **values)
        case DynamicType.LAST_TRANSACTION:
            return say("said_last", **values)
        case _:
            return say("said_recent", **values)


@router.get("/securities/{code}/transactions")
def transactions(
    request: Request, site: TheSite, code: Code, before: OneDay = None, as_of: OneDay = None
) -> Response:
    asked = Security.parse(code, "code")

    def make(view: View) -> dict[str, Any]:
        history = ark_history(site.questions[view.lang], asked, as_of, before, DAYS_OF_TRADES * 2)
        found = site.search.look_up(asked, view.lang)
        return {"found": found, "code": str(asked), "as_of": as_of, "history": history}

    return show(request, site, "transactions.html", make)


@router.get("/securities/{code}/ratings")
def ratings_of(
    request: Request, site: TheSite, code: Code, page: Cursor = None, as_of: OneDay = None
) -> Response:
    asked = Security.parse(code, "code")

    def make(view: View) -> dict[str, Any]:
        changes = rating_listing(
            site.questions[view.lang], security=asked, as_of=as_of, count=CHANGES_ON_A_PAGE, page=page
        )
        found = site.search.look_up(asked, view.lang)
        return {"found": found, "code": str(asked), "as_of": as_of, "changes": changes}

    return show(request, site, "security_ratings.html", make)


@router.get("/ratings")
def ratings(
    request: Request,
    site: TheSite,
    change_type: ChangeName = None,
    market: MarketName = None,
    institution: Text = None,
    day: OneDay = None,
    as_of: OneDay = None,
    page: Cursor = None,
) -> Response:
    filters = {
        "change_type": change_type,
        "market": market,
        "institution": institution,
        "day": day,
        "as_of": as_of,
    }

    def make(view: View) -> dict[str, Any]:
        questions = site.questions[view.lang]
        changes, no_changes = or_sentence(
            view,
            lambda: rating_listing(
                questions,
                change_type=RatingChangeType(change_type) if change_type else None,
                market=Market(market) if market else None,
                institution=institution and simplified(institution),
                day=day,
                as_of=as_of,
                count=CHANGES_ON_A_PAGE,
                page=page,
            ),
        )
        facets, _ = or_sentence(
            view,
            lambda: rating_facets(
                questions,
                market=Market(market) if market else None,
                change_type=RatingChangeType(change_type) if change_type else None,
                institution=institution and simplified(institution),
                day=day,
                as_of=as_of,
            ),
        )
        return {
            "changes": changes,
            "no_changes": no_changes,
            "filters": filters,
            # The tabs keep the other filters.
            "others": {name: value for name, value in filters.items() if name != "change_type"},
            "institutions": institution_names(questions),
            "facets": facets,
        }

    return show(request, site, "ratings.html", make)
