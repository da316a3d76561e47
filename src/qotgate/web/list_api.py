"""The HTTP API of the list questions, generated from the interface's descriptions."""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, create_model

from qotgate.protocol.interface import LIST_QUESTIONS, Choice, ListQuestion
from qotgate.service.calls import LIST_CALLS
from qotgate.service.questions import of_fund
from qotgate.web.api import ANSWERS, AsOf, whole_list
from qotgate.web.asked import TheRequest
from qotgate.web.days import UPPER
from qotgate.web.shapes import Shape, list_shape, page_of

PageCursor = Annotated[
    str | None, Query(description="The `next_page` of an earlier answer to the same question.")
]
Fund = Annotated[
    str | None,
    Query(
        description="One fund, in any case; all summed funds unless given.",
        pattern="^[A-Za-z]{1,10}$",
        examples=["ARKK"],
    ),
]

router = APIRouter(prefix="/api/v1", responses=ANSWERS)


def _parameters(question: ListQuestion[Any]) -> type[BaseModel]:
    """The parameters of a question: its choices, then those of every list."""
    given: dict[str, Any] = {choice.name: _parameter(choice) for choice in question.choices}
    given["count"] = (
        Annotated[int, Field(ge=1, le=question.most)] | Literal["all"],
        Field(question.count, description="Rows on a page, or `all` for the whole list."),
    )
    given |= {"page": (PageCursor, None), "fund": (Fund, None), "as_of": (AsOf, None)}
    return create_model(f"{question.name}_parameters", **given)


def _parameter(choice: Choice) -> tuple[Any, Any]:
    return Annotated[choice.words, UPPER], Field(choice.named_default, description=choice.description or None)


def _add(question: ListQuestion[Any]) -> None:
    shape, parameters = list_shape(question), _parameters(question)

    def endpoint(asked: TheRequest, given: Any) -> Response:
        words = [getattr(given, choice.name) for choice in question.choices]

        def part(count: int, page: str | None) -> Shape:
            questions = of_fund(asked.questions, given.fund)
            return page_of(shape, LIST_CALLS[question](questions, *words, count, page, given.as_of))

        interface, page = question.path.rpartition("/")[2], given.page or None
        if given.count == "all":
            parts = whole_list(partial(part, question.most), page)
            return asked.answer_in_parts(interface, parts, later_page=bool(page))
        return asked.answer(interface, lambda: part(given.count, page), later_page=bool(page))

    # FastAPI reads the parameters from this type, which is generated from the question's description.
    endpoint.__annotations__["given"] = Annotated[parameters, Query()]

    endpoint.__name__ = question.path.rpartition("/")[2].replace("-", "_")
    router.get(f"/{question.path}", response_model=shape, tags=["ARK"], description=question.description)(
        endpoint
    )


for _question in LIST_QUESTIONS:
    if _question.path:
        _add(_question)
