"""The HTTP API of the list questions that the interface describes, by their descriptions."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, create_model

from qotgate.protocol.interface import LIST_QUESTIONS, Choice, ListQuestion
from qotgate.service.calls import LIST_CALLS
from qotgate.service.questions import Questions
from qotgate.web.api import ANSWERS, AsOf
from qotgate.web.asked import TheRequest
from qotgate.web.days import UPPER
from qotgate.web.shapes import Shape, list_shape, page_of

PageCursor = Annotated[
    str | None, Query(description="The `next_page` of an earlier answer to the same question.")
]
Fund = Annotated[
    str | None,
    Query(
        description="One fund, in any case; all that are summed unless given.",
        pattern="^[A-Za-z]{1,10}$",
        examples=["ARKK"],
    ),
]

router = APIRouter(prefix="/api/v1", responses=ANSWERS)


def of_fund(questions: Questions, fund: str | None) -> Questions:
    return questions.varied(funds=(fund.upper(),)) if fund else questions


def _parameters(question: ListQuestion[Any]) -> type[BaseModel]:
    """The parameters of a question: its choices, then those that every list has."""
    given: dict[str, Any] = {choice.name: _parameter(choice) for choice in question.choices}
    given["count"] = (int, Query(question.count, ge=1, le=question.most))
    given |= {"page": (PageCursor, None), "fund": (Fund, None), "as_of": (AsOf, None)}
    return create_model(f"{question.name}_parameters", **given)


def _parameter(choice: Choice) -> tuple[Any, Any]:
    return Annotated[choice.words, UPPER], Field(choice.named_default, description=choice.description or None)


def _add(question: ListQuestion[Any]) -> None:
    shape, parameters = list_shape(question), _parameters(question)

    def endpoint(asked: TheRequest, given: Any) -> Response:
        words = [getattr(given, choice.name) for choice in question.choices]

        def make() -> Shape:
            questions = of_fund(asked.questions, given.fund)
            answer = LIST_CALLS[question](questions, *words, given.count, given.page or None, given.as_of)
            return page_of(shape, answer)

        return asked.answer(question.path.rpartition("/")[2], make, later_page=bool(given.page))

    # FastAPI reads the parameters off the type, which is made from the description of the question.
    endpoint.__annotations__["given"] = Annotated[parameters, Query()]

    endpoint.__name__ = question.path.rpartition("/")[2].replace("-", "_")
    router.get(f"/{question.path}", response_model=shape, tags=["ARK"], description=question.description)(
        endpoint
    )


for _question in LIST_QUESTIONS:
    if _question.path:
        _add(_question)
