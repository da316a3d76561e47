"""The typed clients' common options, and checks of their words."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from operator import index
from pathlib import Path
from typing import Literal, TypeVar

from qotgate.client.core import ClientOptions, wanted_language
from qotgate.client.questions import Question, list_page
from qotgate.model import InvalidRequest, Language, Page
from qotgate.protocol.frame import JSON, PROTOBUF
from qotgate.protocol.interface import ListQuestion

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


def typed_options(
    host: str,
    port: int,
    timeout: float,
    rsa_key: str | Path | None,
    body_format: Literal["protobuf", "json"],
    lang: Language | None,
) -> ClientOptions:
    """The options of a typed client. With a key, everything is encrypted: encrypting InitConnect alone
    protects little. Raises InvalidRequest."""
    if body_format not in ("protobuf", "json"):
        raise InvalidRequest("body_format", value=body_format)
    return ClientOptions(
        host,
        port,
        timeout=timeout,
        connect_timeout=timeout,
        rsa_key=None if rsa_key is None else Path(rsa_key),
        encrypt=rsa_key is not None,
        body_format=JSON if body_format == "json" else PROTOBUF,
        lang=wanted_language(lang),
    )


def list_pages(
    question: ListQuestion[T],
    page_size: int,
    as_of: date | None,
    fund: str | None = None,
    **words: StrEnum | str,
) -> Callable[[str | None], Question[Page[T]]]:
    """A function from the cursor of a list's page to the question for it. ``words`` are the words of the
    question's choices in their order, by their names in the client. Raises InvalidRequest."""
    asked = [
        chosen(choice.words, parameter, word)
        for choice, (parameter, word) in zip(question.choices, words.items(), strict=True)
    ]
    rows = page_rows(page_size, question.most)
    return lambda cursor: list_page(question, asked, rows, cursor, as_of, fund)


def page_rows(page_size: int, most: int) -> int:
    """The number of rows of a page. Raises InvalidRequest."""
    try:
        rows = index(page_size)
    except TypeError:
        rows = 0
    if not 1 <= rows <= most:
        raise InvalidRequest("page_size", most=most, value=page_size)
    return rows


def chosen(words: type[E], parameter: str, value: E | str) -> E:
    """The word of an enum, in any case. Raises InvalidRequest, which names ``parameter`` and its words."""
    for word in words:
        if word.upper() == str(value).upper():
            return word
    raise InvalidRequest("word", parameter=parameter, words=", ".join(words), value=str(value))
