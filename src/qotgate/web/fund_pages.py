"""The pages of one fund and of one institution."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request, Response

from qotgate.model import ArkCycleType, ArkFundHoldingSortField, ArkHoldingType, RankSortDir, RatingChangeType
from qotgate.service.ark.funds import days_around, fund_days
from qotgate.service.ark.history import ark_moves
from qotgate.service.ark.lists import fund_holdings
from qotgate.service.chinese import simplified
from qotgate.service.questions import of_fund
from qotgate.service.ratings.changes import institution_names, rating_listing
from qotgate.web.pages import CHANGES_ON_A_PAGE, ChangeName, Cursor, OneDay, or_sentence
from qotgate.web.render import View, show
from qotgate.web.site import TheSite

DAYS_ON_A_PAGE = 30
BOOK_ROWS = 200

FundCode = Annotated[str, Path(pattern="^[A-Za-z]{1,10}$")]

router = APIRouter()


@router.get("/funds/{fund}")
def fund(request: Request, site: TheSite, fund: FundCode, as_of: OneDay = None) -> Response:
    """A fund's trades of a day, its book, and its days."""
    name = _known_fund(site, fund)

    def make(view: View) -> dict[str, Any]:
        questions = of_fund(site.questions[view.lang], name)
        (day, moves), no_moves = or_sentence(view, lambda: ark_moves(questions, as_of), (None, ()))
        book, no_book = or_sentence(
            view,
            lambda: fund_holdings(
                questions,
                ArkHoldingType.POSITION,
                ArkCycleType.ONE_DAY,
                ArkFundHoldingSortField.MARKET_VALUE,
                RankSortDir.DESCENDING,
                BOOK_ROWS,
                as_of=as_of,
            ),
        )
        (days, more_days), _ = or_sentence(
            view, lambda: fund_days(questions, name, DAYS_ON_A_PAGE, as_of), ((), None)
        )
        return {
            "fund": name,
            "as_of": as_of,
            "active_funds": site.questions[view.lang].funds,
            "day": day,
            "moves": moves,
            "no_moves": no_moves,
            "around": days_around(questions, day) if day else (None, None),
            "book": book,
            "no_book": no_book,
            "days": days,
            "more_days": more_days,
        }

    return show(request, site, "fund.html", make)


@router.get("/funds/{fund}/days")
def days(
    request: Request, site: TheSite, fund: FundCode, before: OneDay = None, as_of: OneDay = None
) -> Response:
    name = _known_fund(site, fund)

    def make(view: View) -> dict[str, Any]:
        rows, more = fund_days(site.questions[view.lang], name, DAYS_ON_A_PAGE, as_of, before)
        return {"fund": name, "as_of": as_of, "days": rows, "more_days": more}

    return show(request, site, "fund_days.html", make)


def _known_fund(site: TheSite, fund: str) -> str:
    name = fund.upper()
    if name not in site.funds(site.state()):
        raise HTTPException(404)
    return name


@router.get("/institutions/{name:path}")
def institution(
    request: Request,
    site: TheSite,
    name: Annotated[str, Path(max_length=200)],
    change_type: ChangeName = None,
    as_of: OneDay = None,
    page: Cursor = None,
) -> Response:
    """How one institution changed its ratings."""
    institutions = site.reference.institutions
    identity = institutions.named(simplified(name))
    if institutions.name(identity, "en") not in institution_names(site.questions["en"]):
        raise HTTPException(404)

    def make(view: View) -> dict[str, Any]:
        changes, no_changes = or_sentence(
            view,
            lambda: rating_listing(
                site.questions[view.lang],
                change_type=RatingChangeType(change_type) if change_type else None,
                institution=identity,
                as_of=as_of,
                count=CHANGES_ON_A_PAGE,
                page=page,
            ),
        )
        return {
            "institution": institutions.name(identity, view.lang),
            "identity": identity,
            "change_type": change_type,
            "as_of": as_of,
            "changes": changes,
            "no_changes": no_changes,
        }

    return show(request, site, "institution.html", make)
