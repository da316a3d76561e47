"""The HTTP API of loads, gaps, rejects, and lines that need attention."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Response

from qotgate.service.coverage import provenance
from qotgate.web.api import ANSWERS, PART_ROWS, whole_list
from qotgate.web.asked import TheRequest
from qotgate.web.days import LOWER
from qotgate.web.shapes import (
    ContradictionRow,
    Contradictions,
    Coverage,
    FileRow,
    Files,
    HoleRow,
    LeftOut,
    LeftOutRow,
    LinesLeftOut,
    LoadRow,
    Loads,
    RejectedFileRow,
    RejectedFiles,
    Shape,
    UnknownGradeRow,
    UnknownGrades,
    Unmapped,
    UnmappedRow,
)

COUNT_DEFAULT = 50
COUNT_MOST = 200
NUMBERS_END = 2**31

Count = Annotated[
    Annotated[int, Query(ge=1, le=COUNT_MOST)] | Annotated[Literal["all"], LOWER],
    Query(description="Rows on a page, or `all` for the whole list."),
]
Before = Annotated[
    int | None,
    Query(ge=1, lt=NUMBERS_END, description="Only rows before this one: `next_before` of an earlier answer."),
]
Start = Annotated[
    int, Query(ge=1, lt=NUMBERS_END, description="From this row on: `next_start` of an earlier answer.")
]

router = APIRouter(prefix="/api/v1", responses=ANSWERS)


@router.get("/coverage", response_model=Coverage, tags=["Data"])
def coverage(asked: TheRequest) -> Response:
    """The days that the data covers, and the days without inferred trades: too many of a fund's files are
    missing."""

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
def loads(asked: TheRequest, count: Count = COUNT_DEFAULT, before: Before = None) -> Response:
    """The history of loads, the latest first: files, new rows and rejected lines of each."""

    def part(size: int, number: int | None) -> Loads:
        rows, more = provenance.loads(asked.site.store, number, size)
        return Loads(next_before=more, rows=[LoadRow.of(row) for row in rows])

    return _listed(asked, "loads", part, count, before)


@router.get("/files", response_model=Files, tags=["Data"])
def files(
    asked: TheRequest,
    kind: Annotated[
        Annotated[Literal["holdings", "notices", "notes"], LOWER] | None,
        Query(description="All unless given."),
    ] = None,
    count: Count = COUNT_DEFAULT,
    before: Before = None,
) -> Response:
    """The loaded files, the latest first, with the number of rows and of rejected lines of each."""

    def part(size: int, number: int | None) -> Files:
        rows, more = provenance.files(asked.site.store, number, kind, size)
        return Files(next_before=more, rows=[FileRow.of(row) for row in rows])

    return _listed(asked, "files", part, count, before)


@router.get("/left-out", response_model=LinesLeftOut, tags=["Data"])
def lines_left_out(asked: TheRequest, count: Count = COUNT_DEFAULT, before: Before = None) -> Response:
    """The rejected lines of the loaded files, each with the reason, the latest first."""

    def part(size: int, number: int | None) -> LinesLeftOut:
        rows, more = provenance.rejects(asked.site.store, number, size)
        found = [{name: row[name] for name in LeftOutRow.model_fields} for row in rows]
        return LinesLeftOut(next_before=more, rows=[LeftOutRow.model_validate(row) for row in found])

    return _listed(asked, "lines-left-out", part, count, before)


@router.get("/rejected-files", response_model=RejectedFiles, tags=["Data"])
def rejected_files(asked: TheRequest, count: Count = COUNT_DEFAULT, before: Before = None) -> Response:
    """The files that could not be read at all, each with the reason, the latest first."""

    def part(size: int, number: int | None) -> RejectedFiles:
        rows, more = provenance.rejected_files(asked.site.store, number, size)
        return RejectedFiles(next_before=more, rows=[RejectedFileRow.of(row) for row in rows])

    return _listed(asked, "rejected-files", part, count, before)


@router.get("/unknown-grades", response_model=UnknownGrades, tags=["Data"])
def unknown_grades(asked: TheRequest, count: Count = COUNT_DEFAULT, start: Start = 1) -> Response:
    """The grade words of analyst notes that the table of grades does not know, the most frequent first."""

    def part(size: int, number: int | None) -> UnknownGrades:
        rows, more = provenance.unknown_grades(asked.site.store, number or 1, size)
        return UnknownGrades(next_start=more, rows=[UnknownGradeRow.model_validate(row) for row in rows])

    return _listed(asked, "unknown-grades", part, count, start if start > 1 else None, "next_start")


@router.get("/unmapped", response_model=Unmapped, tags=["Data"])
def unmapped(asked: TheRequest, count: Count = COUNT_DEFAULT, start: Start = 1) -> Response:
    """The lines of ARK's files without a known code, by spelling, the most frequent first."""

    def part(size: int, number: int | None) -> Unmapped:
        rows, more = provenance.uncoded(asked.site.store, asked.site.reference, number or 1, size)
        return Unmapped(next_start=more, rows=[UnmappedRow.of(row) for row in rows])

    return _listed(asked, "unmapped", part, count, start if start > 1 else None, "next_start")


@router.get("/contradictions", response_model=Contradictions, tags=["Data"])
def contradictions(asked: TheRequest, count: Count = COUNT_DEFAULT, before: Before = None) -> Response:
    """The lines with a rejected identifier: other lines or a table give it to another company. These lines
    count under their ticker and name."""

    def part(size: int, number: int | None) -> Contradictions:
        rows, more = provenance.contradictions(asked.site.store, number, size)
        return Contradictions(next_before=more, rows=[ContradictionRow.of(row) for row in rows])

    return _listed(asked, "contradictions", part, count, before)


def _listed(
    asked: TheRequest,
    interface: str,
    part: Callable[[int, int | None], Shape],
    count: int | Literal["all"],
    number: int | None,
    cursor: str = "next_before",
) -> Response:
    """The page at ``number``, or with all that follow it; ``cursor`` names the field of the next number."""
    later = number is not None
    if count == "all":
        parts = whole_list(partial(part, PART_ROWS), number, cursor)
        return asked.answer_in_parts(interface, parts, later_page=later)
    return asked.answer(interface, lambda: part(count, number), later_page=later)


@router.get("/loads/{number}/left-out", response_model=LeftOut, tags=["Data"])
def left_out(asked: TheRequest, number: Annotated[int, Path(ge=1, lt=NUMBERS_END)]) -> Response:
    """The files that a load rejected, then the rejected lines of the others; 1,000 at most."""

    def make() -> LeftOut:
        found = provenance.left_out(asked.site.store, number)
        if found is None:
            raise HTTPException(404, "No load that is kept has this number")
        return LeftOut(load=number, rows=[LeftOutRow.model_validate(row) for row in found.rows])

    return asked.answer("left-out", make)
