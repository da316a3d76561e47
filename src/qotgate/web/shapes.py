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
from qotgate.service.ark.funds import FundDay
from qotgate.service.ark.history import FundPosition
from qotgate.service.ratings.changes import ListedChange
from qotgate.service.search import Found
from qotgate.store.tables import HOLE, UNTOLD


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


KNOWN_TO: Any = Field(description="The day of the answer: `as_of`, or the last known day if that is earlier.")


def _with_note(schema: dict[str, Any]) -> None:
    """Describe ``note``, which is present only if it has a value."""
    schema["properties"]["note"] = {
        "type": "string",
        "description": "Present only if the security is not known here: a sentence with suggestions.",
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
    path: str = Field(description="The path from which it was loaded.")
    line: int | None = Field(description="Null if the evidence is that the file does not list the security.")


class Untold(Shape):
    """Trading days on which a fund's trades are unknown."""

    fund: str
    first_day: date
    last_day: date
    why: Literal["untold", "hole"] = Field(
        description="`untold`: the fund's flow cannot be separated from its trades; `hole`: too many of its "
        "holdings files are missing."
    )


class Dynamic(Shape):
    """How the ARK funds trade a security."""

    model_config = NOTED

    security: str = Field(examples=["US.TSLA"])
    name: str
    as_of: date = Field(description="The requested day; the last known day unless given.")
    known_to: date = KNOWN_TO
    dynamic_type: DynamicType
    transaction_count: int = Field(ge=0)
    net_shares: int = Field(description="Signed, in share units of the requested day.")
    last_transaction_time: date | None
    untold: list[Untold] = Field(description="The days of the window that the answer leaves out.")

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
    """One fund's trade on one day."""

    day: date
    through: date = Field(
        description="The last possible day of the trade; later than `day` if a file is missing."
    )
    fund: str = Field(examples=["ARKK"])
    shares: int = Field(description="Signed; in share units of the day.")
    adjusted_shares: int = Field(description="The same in share units of the requested day.")
    ground: str = Field(description="NOTICE, or the kind of inference.", examples=["NOTICE", "FLOW"])
    confidence: float = Field(
        ge=0, le=1, description="1 for a notice, else the share of such trades that notices confirm."
    )
    change: float | None = Field(description="Change of the position between the two files, in shares.")
    flow: int | None = Field(description="The part of the change that was fund flow, in shares.")
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
    """One fund's position at the end of one day."""

    day: date
    fund: str
    shares: float = Field(description="In share units of the day; 0 in the first book without the security.")
    adjusted_shares: float = Field(description="In share units of the requested day.")
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
    """The ARK funds' positions in a security, day by day, oldest first."""

    model_config = NOTED

    security: str
    name: str
    as_of: date
    known_to: date = KNOWN_TO
    rows: list[PositionRow]


RatingRow = _row_shape(
    "RatingRow",
    "A rating change: one note of one institution. Targets are in the currency of the listing.",
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
    """A fund that the sums leave out: none of its files near the day is loaded."""

    fund: str
    until: date = Field(description="The last trading day that one of its files shows.")

    @classmethod
    def all_of(cls, found: Page[Any]) -> "list[FundLeftOut]":
        return [cls(fund=fund, until=day) for fund, day in found.left_out]


def list_shape(question: ListQuestion[Any]) -> type[Shape]:
    """The type of a page of a list that sums over the funds, described by its row's docstring."""
    name, said = question.row.__name__, str(question.row.__doc__).partition("\n")[0]
    row = _row_shape(f"{name}Row", said, question)
    left_out = Field(description="The funds that the sums leave out.")
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
    """A security with loaded data."""

    security: str = Field(examples=["US.TSLA"])
    name: str
    in_ark: bool = Field(description="Whether ARK's files list it.")
    in_ratings: bool = Field(description="Whether analyst notes are about it.")

    @classmethod
    def of(cls, found: Found) -> "SecurityRow":
        return cls(
            security=str(found.security), name=found.name, in_ark=found.in_ark, in_ratings=found.in_ratings
        )


class Securities(Shape):
    """The results of a search, the best match first: securities in ``rows``, and funds and institutions."""

    funds: list[str] = Field(default=[], description="Funds with loaded data.", examples=[["ARKK"]])
    institutions: list[str] = Field(
        default=[], description="Institutions with loaded notes.", examples=[["UBS"]]
    )
    rows: list[SecurityRow]


class LoadRow(Shape):
    """One load: its files (found, read, already known, rejected), new rows, and lines left out."""

    number: int
    loaded_at: str = Field(description="UTC, ISO 8601.", examples=["2026-06-23T21:05:00+00:00"])
    outcome: LoadOutcome
    generation: int = Field(description="The number of the data's state after the load.")
    files: int
    read: int
    unchanged: int
    rejected: int = Field(description="Files that could not be read.")
    added: int
    left_out: int = Field(description="Rejected lines of the files that were read.")

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
    path: str = Field(description="The path from which it was loaded.")
    kind: FileKind
    records: int = Field(description="Rows read from it.")
    left_out: int = Field(description="Its rejected lines.")
    loaded_at: str = Field(description="UTC, ISO 8601.")
    load: int | None = Field(
        description="The number of its load; null if it is older than the numbers of loads."
    )
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

    file_id: int | None = Field(description="Null if the file could not be read.")
    path: str
    line: int | None = Field(description="Null if the reason concerns more than one line.")
    reason: str


class LinesLeftOut(Shape):
    """A page of the rejected lines of the loaded files, the latest first."""

    next_before: int | None = Field(description="The `before` of the next page; null on the last one.")
    rows: list[LeftOutRow]


class LeftOut(Shape):
    """The files and lines that a load left out."""

    load: int
    rows: list[LeftOutRow]


class FundDayRow(Shape):
    """A fund's trades and flow from ``day`` to ``through``, one day unless files are missing."""

    day: date
    through: date
    source: Literal["notice", "partial", "holdings", "untold", "hole"] = Field(
        description="The source of the trades; for `untold` and `hole` they are unknown."
    )
    flow: float | None = Field(
        description="Growth by creations and redemptions, in percent; null if unknown."
    )
    bought: int | None = Field(description="Number of securities; null if the trades are unknown.")
    sold: int | None = Field(description="Like `bought`.")
    amount: float | None = Field(description="Purchases less sales in USD; null if a price is unknown.")

    @classmethod
    def of(cls, row: FundDay) -> "FundDayRow":
        told = row.source not in (UNTOLD, HOLE)
        trades = {name: getattr(row, name) if told else None for name in ("bought", "sold", "amount")}
        return cls.model_validate({**dataclasses.asdict(row), **trades})


class FundDays(Shape):
    """A page of a fund's days, the latest first."""

    fund: str = Field(examples=["ARKK"])
    next_before: date | None = Field(description="The `before` of the next page; null on the last one.")
    rows: list[FundDayRow]


class RejectedFileRow(Shape):
    """A file that could not be read at all, and that no later load has read."""

    load: int = Field(description="The load that found it.")
    path: str
    reason: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> "RejectedFileRow":
        return cls(load=row["load_id"], path=row["path"], reason=row["reason"])


class RejectedFiles(Shape):
    """A page of the rejected files, the latest first."""

    next_before: int | None = Field(description="The `before` of the next page; null on the last one.")
    rows: list[RejectedFileRow]


class UnknownGradeRow(Shape):
    """A grade word that the table of grades does not know, and one of its notes."""

    word: str = Field(description="As in the file.")
    notes: int = Field(description="Analyst notes with the word.")
    file_id: int = Field(description="The file of one of the notes; the page /files/{file_id} shows it.")
    path: str
    line: int


class UnknownGrades(Shape):
    """A page of the unknown grade words, the most frequent first."""

    next_start: int | None = Field(description="The `start` of the next page; null on the last one.")
    rows: list[UnknownGradeRow]


class UnmappedRow(Shape):
    """Lines of one spelling without a code: their number, their last day and the file of one of them."""

    name: str
    ticker: str = Field(description="As in the file.")
    identifier: str = Field(description="CUSIP, ISIN or SEDOL, as in the file; may be empty.")
    lines: int
    last_day: date
    file_id: int = Field(description="The file of one of the lines; the page /files/{file_id} shows it.")
    path: str
    line: int

    @classmethod
    def of(cls, row: dict[str, Any]) -> "UnmappedRow":
        return cls.model_validate({name: row[name] for name in cls.model_fields})


class Unmapped(Shape):
    """A page of the lines without a code, the most frequent first."""

    next_start: int | None = Field(description="The `start` of the next page; null on the last one.")
    rows: list[UnmappedRow]


AGAINST = ("name", "ticker", "file_id", "path", "line")
"""The fields of a row of contradictions about the contradicting line."""


class ContradictionRow(Shape):
    """Lines of one spelling with a rejected identifier, the first of them by day, and a line of the
    company that owns the identifier."""

    identifier: str
    name: str
    ticker: str = Field(description="As in the file.")
    lines: int
    file_id: int = Field(description="The page /files/{file_id} shows it.")
    path: str
    line: int
    against_name: str | None = Field(
        description="Null, like all of `against`, if a table assigns the identifier to another company."
    )
    against_ticker: str | None
    against_file_id: int | None
    against_path: str | None
    against_line: int | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> "ContradictionRow":
        other = row["against"] or {}
        against = {f"against_{name}": other.get(name) for name in AGAINST}
        return cls.model_validate({name: {**row, **against}[name] for name in cls.model_fields})


class Contradictions(Shape):
    """A page of the lines with a rejected identifier."""

    next_before: int | None = Field(description="The `before` of the next page; null on the last one.")
    rows: list[ContradictionRow]


class HoleRow(Shape):
    """Trading days without inferred trades of a fund: too many of its files are missing."""

    fund: str = Field(examples=["ARKK"])
    first_day: date
    last_day: date
    sessions: int = Field(ge=1, description="Its trading days without a notice.")


class Coverage(Shape):
    """The days that the data covers, and the holes in it."""

    first_ark_day: date | None = Field(description="The earliest `as_of`; null without ARK data.")
    ark_day: date | None = Field(description="The last known day of ARK's trades.")
    note_day: date | None = Field(description="The day of the latest analyst note.")
    files: int
    loaded_at: str | None = Field(description="When a file was last loaded; UTC, ISO 8601.")
    left_out: int = Field(description="Rejected lines.")
    rows: list[HoleRow] = Field(description="The holes in each fund's files, the oldest first.")


class Health(Shape):
    status: Literal["ok", "ready"]
    generation: int | None = Field(description="The number of the data's state.")


def rows_of(body: BaseModel) -> list[BaseModel]:
    """The rows of an answer, or itself as the one row."""
    return getattr(body, "rows", [body])
