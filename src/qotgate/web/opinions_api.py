"""The HTTP API of institutions' ratings of one security: in sum, and by institution."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from qotgate.model import AnalystConsensus, InstitutionRating, Part, RatingLevel, Security
from qotgate.protocol.rating_answers import MAX_INSTITUTIONS
from qotgate.service.ratings.summary import (
    INSTITUTIONS,
    analyst_consensus,
    institution_ratings,
    rating_summary,
)
from qotgate.service.search import Found
from qotgate.web.api import ANSWERS, AsOf, Code
from qotgate.web.asked import TheRequest
from qotgate.web.list_api import PageCursor
from qotgate.web.shapes import KNOWN_TO, NOTED, Shape, noted

router = APIRouter(prefix="/api/v1/ratings", responses=ANSWERS, tags=["Ratings"])


class Consensus(Shape):
    """The institutions' consensus on a security, from the last note of each in the three months up to the
    day. Targets are in the currency of the listing. A target from before a later split does not count."""

    model_config = NOTED

    security: str = Field(examples=["US.TSLA"])
    name: str
    as_of: date = Field(description="The requested day; the last known day unless given.")
    known_to: date = KNOWN_TO
    rating: RatingLevel | None = Field(
        description="The level that more than half of them give; null if there is none."
    )
    total: int = Field(description="Institutions that gave a rating.")
    buy: int = Field(description="Institutions that rate it a buy.")
    hold: int = Field(description="Institutions that rate it a hold.")
    sell: int = Field(description="Institutions that rate it a sell.")
    highest: float | None = Field(description="The highest target price.")
    average: float | None = Field(description="The average target price.")
    lowest: float | None = Field(description="The lowest target price.")
    newest: date | None = Field(description="The day of the newest of these notes.")

    @classmethod
    def of(cls, found: Found, as_of: date | None, answer: AnalystConsensus) -> "Consensus":
        beside = {"security": str(found.security), "name": found.name, "as_of": as_of or answer.known_to}
        counted = {name: getattr(answer, name) for name in cls.model_fields if name not in beside}
        return cls.model_validate({**beside, **counted})


class InstitutionRatingRow(Shape):
    """An institution's rating of a day."""

    institution: str
    uid: str = Field(description="The institution's English name; on the wire, institutionUid.")
    day: date
    rating: RatingLevel = Field(description="N/A if the institution's own word has no known level.")
    target_price: float | None = Field(description="In the currency of the listing.")


class InstitutionRatings(Shape):
    """The ratings of a security by institution, sorted by each one's newest rating, newest first; each
    institution's ratings are newest first too."""

    model_config = NOTED

    security: str
    name: str
    as_of: date
    known_to: date = KNOWN_TO
    next_page: str | None = Field(description="The cursor of the next page; null on the last one.")
    rows: list[InstitutionRatingRow]


@router.get("/consensus/{code}", response_model=Consensus)
def consensus(asked: TheRequest, code: Code, as_of: AsOf = None) -> Response:
    """The institutions' consensus on a security."""
    security = Security.parse(code, "code")

    def make() -> Shape:
        answer = analyst_consensus(asked.questions, security, as_of)
        found = asked.site.search.look_up(security, asked.lang)
        return noted(
            Consensus.of(found, as_of, answer), asked.site.search.note(security, asked.lang, in_ratings=True)
        )

    return asked.answer("consensus", make)


@router.get("/summary/{code}", response_model=InstitutionRatings)
def summary(
    asked: TheRequest,
    code: Code,
    institution: Annotated[
        str | None,
        Query(description="Only this institution, by a name in either language.", examples=["UBS"]),
    ] = None,
    count: Annotated[
        int, Query(ge=1, le=MAX_INSTITUTIONS, description="Institutions on a page.")
    ] = INSTITUTIONS,
    page: PageCursor = None,
    as_of: AsOf = None,
) -> Response:
    """The ratings of a security by institution."""
    security = Security.parse(code, "code")

    def ask() -> Part[InstitutionRating]:
        if institution:
            return institution_ratings(asked.questions, security, institution, as_of)
        return rating_summary(asked.questions, security, count=count, page=page or None, as_of=as_of)

    def make() -> Shape:
        found = ask()
        answer = InstitutionRatings.model_validate(
            {
                "security": str(security),
                "name": asked.site.search.look_up(security, asked.lang).name,
                "as_of": as_of or found.known_to,
                "known_to": found.known_to,
                "next_page": found.next_page,
                "rows": [InstitutionRatingRow.model_validate(row) for row in found.rows],
            }
        )
        return noted(answer, asked.site.search.note(security, asked.lang, in_ratings=True))

    return asked.answer("summary", make, later_page=bool(page))
