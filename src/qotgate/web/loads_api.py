"""The HTTP API of what is loaded and what is missing, and of what was left out."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response

from qotgate.service.coverage import provenance
from qotgate.web.api import ANSWERS
from qotgate.web.asked import TheRequest
from qotgate.web.shapes import Coverage, HoleRow, LeftOut, LeftOutRow, LoadRow, Loads

COUNT_DEFAULT = 50
COUNT_MOST = 200
NUMBERS_END = 2**31

router = APIRouter(prefix="/api/v1", responses=ANSWERS)


@router.get("/coverage", response_model=Coverage, tags=["Data"])
def coverage(asked: TheRequest) -> Response:
    """How far the data goes, and over which days so many of a fund's files are missing that nothing is
    inferred."""

    def make() -> Coverage:
        found = provenance.coverage(asked.site.store, asked.questions.funds)
        return Coverage(
            first_ark_day=found.first_ark_day,
            ark_day=found.ark_day,
            note_day=found.note_day,
            files=found.files,
            loaded_at=found.loaded_at,
            left_out=found.left_out,
            rows=[HoleRow.model_validate(hole) for hole in found.holes],
        )

    return asked.answer("coverage", make)


@router.get("/loads", response_model=Loads, tags=["Data"])
def loads(
    asked: TheRequest,
    count: Annotated[int, Query(ge=1, le=COUNT_MOST)] = COUNT_DEFAULT,
    before: Annotated[
        int | None,
        Query(ge=1, lt=NUMBERS_END, description="Loads before this one: `next_before` of an earlier answer."),
    ] = None,
) -> Response:
    """The history of loads, the latest first: what each found, and how much of it it left out."""

    def make() -> Loads:
        rows, more = provenance.loads(asked.site.store, before, count)
        return Loads(next_before=more, rows=[LoadRow.of(row) for row in rows])

    return asked.answer("loads", make, later_page=before is not None)


@router.get("/loads/{number}/left-out", response_model=LeftOut, tags=["Data"])
def left_out(asked: TheRequest, number: Annotated[int, Path(ge=1, lt=NUMBERS_END)]) -> Response:
    """What a load left out, up to 1,000 of it: files that could not be read at all, then lines of others."""

    def make() -> LeftOut:
        found = provenance.left_out(asked.site.store, number)
        if found is None:
            raise HTTPException(404, "No load that is kept has this number")
        return LeftOut(load=number, rows=[LeftOutRow.model_validate(row) for row in found.rows])

    return asked.answer("left-out", make)
