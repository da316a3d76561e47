"""The row and answer types of the API, with units; the OpenAPI document is generated from them."""

import dataclasses
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from qotgate.model import (
    ArkDynamic,
    DynamicType,
    FileKind,
    LoadOutcome,
    Page,
    Security,
)
from qotgate.protocol.interface import RATING_CHANGES, ListQuestion
from qotgate.service.ark.history import FundPosition
from qotgate.service.ratings.changes import ListedChange
from qotgate.service.search import Found


class Shape(BaseModel):
    """Its fields are read from the services' own answers, which have the same names."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


def _row_shape(name: str, description: str, question: ListQuestion[Any], **beside: Any) -> type[Shape]:
    """The type of a list's rows, with the fields ``beside`` after its columns."""
    types = get_type_hints(question.row)
    fields: dict[str, Any] = {
        column.name: (_plain(types[column.name]), Field(description=column.unit or None))
        for column in question.columns
    }
    return create_model(name, __base__=Shape, __doc__=description, **fields, **beside)


def _plain(hint: Any) -> Any:
    """The type of a column in JSON: a security becomes its code."""
    return {Security: str, Security | None: str | None}.get(hint, hint)


def _values(row: Any) -> dict[str, Any]:
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return {**values, "security": row.security and str(row.security)}


KNOWN_TO: Any = Field(
    description="The day that the answer is of: `as_of`, or the last known day where that is earlier."
)


def _with_note(schema: dict[str, Any]) -> None:
    """Describe ``note``, which is present only if it has a value."""
    schema["properties"]["note"] = {
        "type": "string",
        "description": "There only where the security is not known here: a sentence that says so, with those "
        "that may be meant.",
    }


Noted = TypeVar("Noted", bound=Shape)
NOTED = ConfigDict(extra="forbid", from_attributes=True, json_schema_extra=_with_note)


def noted(body: Noted, note: str | None) -> Noted:
    """``body`` with ``note``, if there is one."""
    if note is None:
        return body
    kind = create_model(type(body).__name__, __base__=type(body), note=(str, ...))
    return kind.model_validate(
        {**{name: getattr(body, name) for name in type(body).model_fields}, "note": note}
    )


class FilePlace(Shape):
    """A line of a loaded file."""

    file_id: int = Field(description="The file's number; the page /files/{file_id} shows it.")
    path: str = Field(description="Where it was loaded from.")
    line: int | None = Field(description="Null where the file is telling by not having the security.")


class Untold(Shape):
    """Trading days on which what a fund traded is not told."""

    fund: str
    first_day: date
    last_day: date
    why: Literal["untold", "hole"] = Field(
        description="`untold`: the fund's flow does not come apart from its trades; `hole`: too many of its "
        "holdings files are missing."
    )


class Dynamic(Shape):
    """How the ARK funds trade a security."""

    model_config = NOTED

    security: str = Field(examples=["US.TSLA"])
    name: str
    as_of: date = Field(description="The day asked for; the last known day unless given.")
    known_to: date = KNOWN_TO
    dynamic_type: DynamicType
    transaction_count: int = Field(ge=0)
    net_shares: int = Field(description="Signed, in share units of the day asked for.")
    last_transaction_time: date | None
    untold: list[Untold] = Field(description="The days of the window that the answer does not take in.")

    @classmethod
    def of(cls, found: Found, as_of: date | None, known_to: date, answer: ArkDynamic) -> "Dynamic":
        return cls(
            security=str(found.security),
            name=found.name,
            as_of=as_of or known_to,
            known_to=known_to,
            dynamic_type=answer.dynamic_type,
            transaction_count=answer.transaction_count,
            net_shares=answer.net_shares,
            last_transaction_time=answer.last_transaction_day,
            untold=[Untold.model_validate(days) for days in answer.untold],
        )


class TransactionRow(Shape):
    """What one fund traded on one day."""

    day: date
    through: date = Field(description="The last day that it may be of, where a file is missing.")
    fund: str = Field(examples=["ARKK"])
    shares: int = Field(description="Signed; in share units of the day.")
    adjusted_shares: int = Field(description="The same in share units of the day asked for.")
    ground: str = Field(description="NOTICE, or the kind of inference.", examples=["NOTICE", "FLOW"])
    confidence: float = Field(
        ge=0, le=1, description="1 for a notice, else the part of such trades that is confirmed."
    )
    change: float | None = Field(description="Of the position between the two files, in shares.")
    flow: int | None = Field(description="The part of the change that the fund's flow explains.")
    counted: bool = Field(description="Whether the dynamic counts its day.")
    places: list[FilePlace]


class Transactions(Shape):
    """The trades of the ARK funds in a security, the latest first."""

    model_config = NOTED

    security: str
    name: str
    as_of: date
    known_to: date = KNOWN_TO
    rows: list[TransactionRow]


class PositionRow(Shape):
    """What one fund held at the end of one day."""

    day: date
    fund: str
    shares: float = Field(description="In share units of the day; 0 on the first day without the security.")
    adjusted_shares: float = Field(description="In share units of the day asked for.")
    market_value: float | None = Field(description="USD.")
    weight: float | None = Field(description="Percent of the fund.")
    file_id: int
    path: str
    line: int | None

    @classmethod
    def of(cls, row: FundPosition) -> "PositionRow":
        return cls(
            day=row.day,
            fund=row.fund,
            shares=row.shares,
            adjusted_shares=row.adjusted_shares,
            market_value=row.market_value,
            weight=row.weight,
            file_id=row.place.file_id,
            path=row.place.path,
            line=row.place.line,
        )


class Positions(Shape):
    """What the ARK funds held of a security, day by day, oldest first."""

    model_config = NOTED

    security: str
    name: str
    as_of: date
    known_to: date = KNOWN_TO
    rows: list[PositionRow]


RatingRow = _row_shape(
    "RatingRow",
    "One note of one institution that changed something. Targets are in the currency of the listing.",
    RATING_CHANGES,
    word=(str, Field(description="The institution's own word for the rating.")),
    file_id=(int, ...),
    path=(str, ...),
    line=(int | None, ...),
)


def rating_row(row: ListedChange) -> Shape:
    """A row of RatingChanges."""
    beside = {"word": row.word, "file_id": row.place.file_id, "path": row.place.path, "line": row.place.line}
    return RatingRow.model_validate({**_values(row.change), **beside})


class RatingChanges(Shape):
    """A page of rating changes, newest first."""

    model_config = NOTED

    all_count: int = Field(ge=0, description="The rows of all pages.")
    next_page: str | None = Field(description="The cursor of the next page; null on the last one.")
    known_to: date = KNOWN_TO
    rows: list[RatingRow]  # type: ignore[valid-type]  # it is made from the description of the question

    @classmethod
    def of(cls, found: Page[ListedChange]) -> "RatingChanges":
        answer = {
            "all_count": found.all_count,
            "next_page": found.next_page,
            "known_to": found.known_to,
            "rows": list(map(rating_row, found.rows)),
        }
        return cls.model_validate(answer)


class FundLeftOut(Shape):
    """A fund that an answer does not sum: no book of about the day is loaded."""

    fund: str
    until: date = Field(description="The last trading day that a book of it shows.")

    @classmethod
    def all_of(cls, found: Page[Any]) -> "list[FundLeftOut]":
        return [cls(fund=fund, until=day) for fund, day in found.left_out]


def list_shape(question: ListQuestion[Any]) -> type[Shape]:
    """The type of a page of a list that sums over the funds, described by its row's docstring."""
    name, said = question.row.__name__, str(question.row.__doc__).partition("\n")[0]
    row = _row_shape(f"{name}Row", said, question)
    left_out = Field(description="The funds that are in neither end of the changes.")
    return create_model(
        f"{name}s",
        __base__=Shape,
        __doc__="A page of the list.",
        all_count=(Annotated[int, Field(ge=0)], ...),
        next_page=(str | None, ...),
        known_to=(date, KNOWN_TO),
        left_out=(list[FundLeftOut], left_out),
        rows=(list[row], ...),  # type: ignore[valid-type]  # as above
    )


def page_of(shape: type[Shape], found: Page[Any]) -> Shape:
    """A page in a type made by :func:`list_shape`."""
    answer = {
        "all_count": found.all_count,
        "next_page": found.next_page,
        "known_to": found.known_to,
        "left_out": FundLeftOut.all_of(found),
        "rows": list(map(_values, found.rows)),
    }
    return shape.model_validate(answer)


class SecurityRow(Shape):
    """A security that data is loaded for."""

    security: str = Field(examples=["US.TSLA"])
    name: str
    in_ark: bool = Field(description="ARK's files have it.")
    in_ratings: bool = Field(description="Analysts' notes have it.")

    @classmethod
    def of(cls, found: Found) -> "SecurityRow":
        return cls(
            security=str(found.security), name=found.name, in_ark=found.in_ark, in_ratings=found.in_ratings
        )


class Securities(Shape):
    """What a search finds, the best match first: securities in ``rows``, and funds and institutions."""

    funds: list[str] = Field(
        default=[], description="Funds of which something is loaded.", examples=[["ARKK"]]
    )
    institutions: list[str] = Field(
        default=[], description="Institutions that a note is loaded of.", examples=[["UBS"]]
    )
    rows: list[SecurityRow]


class LoadRow(Shape):
    """One load: files found, read, known already and rejected; rows that were new; lines left out."""

    number: int
    loaded_at: str = Field(description="UTC, ISO 8601.", examples=["2026-06-23T21:05:00+00:00"])
    outcome: LoadOutcome
    generation: int = Field(description="The number of the state of the data after it.")
    files: int
    read: int
    unchanged: int
    rejected: int = Field(description="Files that could not be read at all.")
    added: int
    left_out: int = Field(description="Lines of the files that were read.")

    @classmethod
    def of(cls, row: dict[str, Any]) -> "LoadRow":
        return cls(number=row["id"], **{name: value for name, value in row.items() if name != "id"})


class Loads(Shape):
    """A page of the history of loads, the latest first."""

    next_before: int | None = Field(description="The `before` of the next page; null on the last one.")
    rows: list[LoadRow]


class FileRow(Shape):
    """A loaded file."""

    file_id: int = Field(description="The file's number; the page /files/{file_id} shows it.")
    path: str = Field(description="Where it was loaded from.")
    kind: FileKind
    records: int = Field(description="Rows read from it.")
    left_out: int = Field(description="Lines of it that were not read.")
    loaded_at: str = Field(description="UTC, ISO 8601.")
    load: int | None = Field(description="The load that brought it; null before loads were numbered.")
    sha256: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> "FileRow":
        return cls(
            file_id=row["id"],
            load=row["load_id"],
            sha256=row["digest"],
            **{name: row[name] for name in ("path", "kind", "records", "left_out", "loaded_at")},
        )


class Files(Shape):
    """A page of the loaded files, the latest first."""

    next_before: int | None = Field(description="The `before` of the next page; null on the last one.")
    rows: list[FileRow]


class LeftOutRow(Shape):
    """A file or a line that a load left out."""

    file_id: int | None = Field(description="Null where the file could not be read at all.")
    path: str
    line: int | None = Field(description="Null where the reason is about more than one line.")
    reason: str


class LinesLeftOut(Shape):
    """A page of the lines that were not read of the loaded files, the latest first."""

    next_before: int | None = Field(description="The `before` of the next page; null on the last one.")
    rows: list[LeftOutRow]


class LeftOut(Shape):
    """What a load left out."""

    load: int
    rows: list[LeftOutRow]


class HoleRow(Shape):
    """Trading days over which nothing is inferred of a fund, as too many of its files are missing."""

    fund: str = Field(examples=["ARKK"])
    first_day: date
    last_day: date
    sessions: int = Field(ge=1, description="The trading days of it that no notice tells of either.")


class Coverage(Shape):
    """How far the data goes, and the holes in it."""

    first_ark_day: date | None = Field(description="The first that `as_of` takes; null without ARK data.")
    ark_day: date | None = Field(description="The last day of ARK's trades.")
    note_day: date | None = Field(description="The day of the latest analyst note.")
    files: int
    loaded_at: str | None = Field(description="When a file was last loaded; UTC, ISO 8601.")
    left_out: int = Field(description="Lines that were left out of the files.")
    rows: list[HoleRow] = Field(description="The holes in the files of each fund, the oldest first.")


class Health(Shape):
    status: Literal["ok", "ready"]
    generation: int | None = Field(description="The number of the state of the data.")


def rows_of(body: BaseModel) -> list[BaseModel]:
    """The rows of an answer, or itself as the one row."""
    return getattr(body, "rows", [body])
