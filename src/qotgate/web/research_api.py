"""The HTTP API of the research tables, generated from their descriptions."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, create_model

from qotgate.model import Part
from qotgate.protocol.research import TABLES, Parameter, ResearchTable
from qotgate.service.research import parts
from qotgate.web.api import ANSWERS
from qotgate.web.asked import RESEARCH, TheRequest
from qotgate.web.formats import encode_frames
from qotgate.web.shapes import NOTED, Shape

router = APIRouter(prefix=f"/api/v1/{RESEARCH}", responses=ANSWERS)


def _parameters(table: ResearchTable[Any]) -> type[BaseModel]:
    given: dict[str, Any] = {parameter.name: _parameter(parameter) for parameter in table.parameters}
    return create_model(f"{table.name}_parameters", **given)


def _parameter(parameter: Parameter) -> tuple[Any, Any]:
    kind: Any = list[str] | None if parameter.many else str | None
    return kind, Field(None, description=parameter.description)


class _NotedShape(Shape):
    model_config = NOTED


def _shape(table: ResearchTable[Any]) -> type[Shape]:
    fields: dict[str, Any] = {
        "known_to": (
            date | None,
            Field(description="The last known day, up to the requested one."),
        ),
        "rows": (list[table.row], ...),  # type: ignore[name-defined]  # the row of the description
    }
    name = f"{table.name.title().replace('_', '')}Table"
    return create_model(name, __base__=_NotedShape, __doc__=table.description, **fields)


def _add(table: ResearchTable[Any]) -> None:
    parameters = _parameters(table)

    def endpoint(
        asked: TheRequest,
        given: Annotated[parameters, Query()],  # type: ignore[valid-type]  # made just above
    ) -> Response:
        texts = {
            name: [value] if isinstance(value, str) else value
            for name, value in cast(Any, given).model_dump(exclude_none=True).items()
        }
        values = table.values(table.split(texts))
        return asked.answer_with(RESEARCH, lambda: _respond(asked, table, values))

    endpoint.__name__ = table.name
    router.get(
        f"/{table.path}", response_model=_shape(table), tags=["Research"], description=table.description
    )(endpoint)


def _respond(asked: TheRequest, table: ResearchTable[Any], values: dict[str, Any]) -> Response:
    following: Iterator[Part[tuple[Any, ...]]] = parts(asked.questions, table, values)
    # Errors of the question are raised before anything is sent.
    first = next(following)
    return encode_frames(table.row, first, following, asked.format)


for _table in TABLES.values():
    _add(_table)
