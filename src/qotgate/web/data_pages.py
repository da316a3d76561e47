"""The pages about the data: what is loaded, the rejects, and each file's lines."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BeforeValidator

from qotgate.service.coverage import provenance
from qotgate.service.coverage.calendar import calendar
from qotgate.service.coverage.status import Status
from qotgate.store.tables import Row
from qotgate.web.pages import NUMBERS_END, Start, page_from
from qotgate.web.render import View, show
from qotgate.web.site import Site, TheSite

SPANS_ON_A_PAGE = 100

Number = Annotated[int | None, Query(ge=1, lt=NUMBERS_END)]
Year = Annotated[int | None, Query(ge=1900, le=2100)]
Kind = Annotated[
    Literal["holdings", "notices", "notes"] | None, BeforeValidator(lambda value: value or None), Query()
]

Found = tuple[Sequence[Any], int | None]
"""Rows, and the number that the next page begins at."""

router = APIRouter()


@router.get("/data")
def data(request: Request, site: TheSite, year: Year = None) -> Response:
    def make(view: View) -> dict[str, Any]:
        files, more_files = provenance.files(site.store)
        rejects, more_rejects = provenance.rejects(site.store)
        loads, more_loads = provenance.loads(site.store, count=provenance.LOADS_SHOWN)
        found = site.status(view.state)
        spans, more_spans = page_from(_spans(found), 1, SPANS_ON_A_PAGE)
        holes, more_holes = page_from(found.holes, 1, SPANS_ON_A_PAGE)
        return {
            "status": found,
            "calendar": calendar(site.store, year),
            "spans": spans,
            "more_spans": more_spans,
            "holes": holes,
            "more_holes": more_holes,
            "unsettled": provenance.unsettled(site.store, site.reference),
            "files": files,
            "more_files": more_files,
            "rejects": rejects,
            "more_rejects": more_rejects,
            "kind": None,
            "loads": loads,
            "more_loads": more_loads,
        }

    return show(request, site, "data.html", make)


def _spans(found: Status) -> list[tuple[str, Row]]:
    return [(kind, row) for kind, rows in found.spans.items() for row in rows]


@router.get("/data/coverage")
def coverage(request: Request, site: TheSite, start: Start = 1) -> Response:
    def read() -> Found:
        return page_from(_spans(site.status(site.state())), start, SPANS_ON_A_PAGE)

    return _show_rows(request, site, "coverage.html", read)


@router.get("/data/holes")
def holes(request: Request, site: TheSite, start: Start = 1) -> Response:
    def read() -> Found:
        return page_from(site.status(site.state()).holes, start, SPANS_ON_A_PAGE)

    return _show_rows(request, site, "holes.html", read)


@router.get("/data/loads")
def loads(request: Request, site: TheSite, before: Number = None) -> Response:
    return _show_rows(request, site, "loads.html", lambda: provenance.loads(site.store, before))


@router.get("/data/loads/{number}")
def load(request: Request, site: TheSite, number: Annotated[int, Path(ge=1, lt=NUMBERS_END)]) -> Response:
    found = provenance.left_out(site.store, number)
    if found is None:
        raise HTTPException(404)
    return show(request, site, "load.html", lambda _view: {"found": found})


@router.get("/data/files")
def files(request: Request, site: TheSite, before: Number = None, kind: Kind = None) -> Response:
    return _show_rows(
        request, site, "files.html", lambda: provenance.files(site.store, before, kind), kind=kind
    )


@router.get("/data/rejects")
def rejects(request: Request, site: TheSite, before: Number = None) -> Response:
    return _show_rows(request, site, "rejects.html", lambda: provenance.rejects(site.store, before))


@router.get("/data/rejected-files")
def rejected_files(request: Request, site: TheSite, before: Number = None) -> Response:
    def read() -> Found:
        return provenance.rejected_files(site.store, before)

    return _show_rows(request, site, "rejected_files.html", read)


@router.get("/data/unknown-grades")
def unknown_grades(request: Request, site: TheSite, start: Number = None) -> Response:
    def read() -> Found:
        return provenance.unknown_grades(site.store, start or 1)

    return _show_rows(request, site, "unknown_grades.html", read)


@router.get("/data/unmapped")
def unmapped(request: Request, site: TheSite, start: Number = None) -> Response:
    def read() -> Found:
        return provenance.uncoded(site.store, site.reference, start or 1)

    return _show_rows(request, site, "unmapped.html", read)


@router.get("/data/contradictions")
def contradictions(request: Request, site: TheSite, before: Number = None) -> Response:
    return _show_rows(
        request, site, "contradictions.html", lambda: provenance.contradictions(site.store, before)
    )


@router.get("/files/{file_id}")
def file(
    request: Request,
    site: TheSite,
    file_id: Annotated[int, Path(ge=1, lt=NUMBERS_END)],
    line: Number = None,
    start: Number = None,
) -> Response:
    first = start or max(1, (line or 1) - provenance.LINES_BEFORE)
    found = provenance.file_lines(site.store, file_id, first)
    if found is None:
        raise HTTPException(404)

    def make(_view: View) -> dict[str, Any]:
        return {"found": found, "line": line, "first": first}

    return show(request, site, "file.html", make)


def _show_rows(
    request: Request, site: Site, template: str, read: Callable[[], Found], **more: object
) -> Response:
    """A page of rows, with a link to the next page."""

    def make(_view: View) -> dict[str, Any]:
        rows, more_rows = read()
        return {"rows": rows, "more_rows": more_rows, **more}

    return show(request, site, template, make)
