"""The formats of an answer: JSON, CSV or Parquet, chosen by the Accept header or by a suffix of the path.

A table's columns are the fields of its row model, so an empty table has them too.

In CSV only, a text that starts like a formula gets an apostrophe in front: see
:mod:`qotgate.service.research.frames`. The table writers are imported on demand, so a gateway starts without
Polars.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, repeat
from json import dumps
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Literal

from fastapi import HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.types import ASGIApp, Receive, Scope, Send

from qotgate.model import Part
from qotgate.web.shapes import rows_of

if TYPE_CHECKING:
    import polars as pl

Format = Literal["json", "csv", "parquet"]
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
API_PATH = "/api/v1/"
ROWS_SENT = 2000
"""Rows of a research table written at once."""
CHUNK = 1 << 16
"""Bytes of a file sent at once."""


class Suffixes:
    """Removes ``.json``, ``.csv`` or ``.parquet`` from the paths of the API; it overrides the Accept header.

    A security whose code had such an ending would have to be written in capitals.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API_PATH):
            path, dot, suffix = scope["path"].rpartition(".")
            if dot and suffix in MEDIA_TYPES and path != f"{API_PATH}openapi":
                # In place: the request counter reads the route from it.
                scope.update(path=path, suffix=suffix)
        await self._app(scope, receive, send)


def wanted_format(request: Request) -> Format:
    """Raises HTTPException 406 if the caller accepts none of the formats."""
    if "suffix" in request.scope:
        suffix: Format = request.scope["suffix"]
        return suffix
    accepted = dict(_accepted(request.headers.get("Accept") or "*/*"))
    best: tuple[float, Format] | None = None
    for name, media_type in MEDIA_TYPES.items():
        ranges = (media_type, media_type.split("/")[0] + "/*", "*/*")
        quality = next((accepted[one] for one in ranges if one in accepted), 0.0)
        if quality and (best is None or quality > best[0]):
            best = quality, name
    if best is None:
        raise HTTPException(406, f"Accept takes {', '.join(MEDIA_TYPES.values())}")
    return best[1]


def _accepted(header: str) -> Iterable[tuple[str, float]]:
    for part in header.split(","):
        media_range, *parameters = (piece.strip() for piece in part.lower().split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        yield media_range, quality


def encode(body: BaseModel, chosen: Format) -> Response:
    """The response with ``body``; in CSV and Parquet its ``rows``, or itself as the only row."""
    if chosen == "json":
        # Pydantic writes null for a number that is not finite.
        return Response(body.model_dump_json(), media_type=MEDIA_TYPES["json"])
    from qotgate.web.tables import csv_table, parquet_table

    content = parquet_table(body, ()) if chosen == "parquet" else csv_table(body)
    return Response(content, media_type=MEDIA_TYPES[chosen])


def encode_parts(parts: Iterator[BaseModel], chosen: Format) -> Response:
    """The response with the ``rows`` of one or more ``parts``; the other fields come from the first part.
    ``rows`` is the last field, and only the first part may have no rows.

    The next part is made when the reader has taken most of the previous one. A Parquet file is made as a
    whole, because its end contains the positions of its parts; it is compressed. Raises the errors of the
    first part; an error in a later part cuts the response off.
    """
    first = next(parts)
    media_type = MEDIA_TYPES[chosen]
    if chosen != "json":
        from qotgate.web.tables import csv_table, parquet_table

        if chosen == "parquet":
            return Response(parquet_table(first, parts), media_type=media_type)
        # Not a generator of our own: it would keep a part in memory while its text is read.
        texts = chain([csv_table(first)], map(partial(csv_table, header=False), parts))
        return StreamingResponse(texts, media_type=media_type)
    head = first.model_copy(update={"rows": []}).model_dump_json().removesuffix("]}")
    more = ("," + rows for rows in map(_json_rows, parts))
    return StreamingResponse(chain([head + _json_rows(first)], more, ["]}"]), media_type=media_type)


def encode_frames(
    row: type, first: Part[tuple[Any, ...]], following: Iterator[Part[tuple[Any, ...]]], chosen: Format
) -> Response:
    """The response with the rows of the ``first`` part of a research table and of those ``following``, one
    part in memory at a time.

    CSV and JSON are sent while the parts are made. A Parquet file goes to a temporary file by row groups, and
    is sent from there: its end contains the positions of its parts, so a truncated file is useless, and a
    slow reader must not delay the writer. Raises the errors of a Parquet file's parts; an error in a later
    part of CSV or JSON cuts the response off.
    """
    import polars as pl

    from qotgate.service.research.files import sink_parquet
    from qotgate.service.research.frames import csv_of, frame_of, schema_of

    media_type = MEDIA_TYPES[chosen]
    parts = chain([first], following)
    if chosen == "parquet":
        file = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
        try:
            sink_parquet(row, parts, file)
            length = file.tell()
            file.seek(0)
        except BaseException:
            file.close()
            raise
        headers = {"Content-Length": str(length)}
        return StreamingResponse(
            iter(partial(file.read, CHUNK), b""),
            media_type=media_type,
            headers=headers,
            background=BackgroundTask(file.close),
        )
    frames = map(partial(frame_of, row), parts)
    rows = chain.from_iterable(frame.iter_slices(ROWS_SENT) for frame in frames)
    texts: Iterable[str]
    if chosen == "csv":
        header = csv_of(pl.DataFrame(schema=schema_of(row)))
        texts = chain([header], map(partial(csv_of, header=False), rows))
    else:
        beside = {"known_to": first.known_to and first.known_to.isoformat()}
        if first.note:
            beside["note"] = first.note
        head = f'{dumps(beside, ensure_ascii=False)[:-1]}, "rows":['
        texts = chain([head], map(_json_frame, chain([""], repeat(",")), rows), ["]}"])
    return StreamingResponse(texts, media_type=media_type)


def _json_frame(before: str, frame: "pl.DataFrame") -> str:
    return before + frame.write_json()[1:-1]


def _json_rows(body: BaseModel) -> str:
    return ",".join(row.model_dump_json() for row in rows_of(body))
