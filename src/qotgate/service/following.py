"""The news about followed stocks, funds and institutions: trades and rating changes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from qotgate.model import InvalidRequest, NothingLoaded, Security
from qotgate.model.research import RatingNote, Trade
from qotgate.protocol.research import RATINGS, TRADES, ResearchTable
from qotgate.service.questions import Questions
from qotgate.service.ratings.institutions import identity_of
from qotgate.service.research import part
from qotgate.store import books, reads

MAX_FOLLOWED = 100
MAX_NEWS = 200
NEWS_DAYS = 30
"""Calendar days up to the last known one whose trades and rating changes count as news."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Codes (MARKET.CODE), funds and institutions; with none of any kind, everything is followed."""

    codes: tuple[str, ...] = ()
    funds: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str], funds: Iterable[str]) -> "Followed":
        """Parse one list of all three: a code has a dot after its market, a fund is one of ``funds``, the
        rest are institutions. Raises InvalidRequest for more than ``MAX_FOLLOWED``."""
        known = set(funds)
        codes, of_funds, institutions = [], [], []
        for text in dict.fromkeys(filter(None, map(str.strip, texts))):
            if text.upper() in known:
                of_funds.append(text.upper())
                continue
            try:
                codes.append(str(Security.parse(text)))
            except InvalidRequest:
                institutions.append(text)
        count = len(codes) + len(of_funds) + len(institutions)
        if count > MAX_FOLLOWED:
            raise InvalidRequest("too_many_values", parameter="follow", most=MAX_FOLLOWED, value=count)
        return cls(tuple(codes), tuple(of_funds), tuple(institutions))

    def __bool__(self) -> bool:
        return bool(self.codes or self.funds or self.institutions)


@dataclass(frozen=True, slots=True)
class News:
    """A trade or a rating change, with an ``id`` that is the same as long as its contents are."""

    id: str
    day: date
    row: Trade | RatingNote


def news(questions: Questions, followed: Followed, since: date | None = None) -> list[News]:
    """The trades and rating changes of the ``NEWS_DAYS`` up to the last known day, or from ``since`` on;
    latest first, at most ``MAX_NEWS``. Raises InvalidRequest."""
    with questions.store.reading() as connection:
        ark_day = reads.ark.latest_ark_day(connection, questions.funds)
        note_day = reads.ratings.latest_note_day(connection)
        funds = books.loaded_funds(connection)
    in_funds = [fund for fund in followed.funds if fund in funds]
    found: dict[str, News] = {}
    if ark_day is not None:
        start = since or ark_day - timedelta(days=NEWS_DAYS)
        for row in _rows(questions, TRADES, start, followed, codes=followed.codes, funds=in_funds):
            trade = Trade(*row)
            if trade.shares:
                key = f"trade:{trade.fund}:{trade.security or trade.name}:{trade.day}:{trade.shares}"
                found[key] = News(key, trade.through, trade)
    if note_day is not None:
        start = since or note_day - timedelta(days=NEWS_DAYS)
        institutions = list(_known(questions, followed.institutions))
        chosen: dict[str, Sequence[str]] = {"codes": followed.codes, "institutions": institutions}
        identity = questions.reference.institutions.named
        for row in _rows(questions, RATINGS, start, followed, **chosen):
            note = RatingNote(*row)
            of = f"{note.security}:{identity(note.institution)}"
            key = f"rating:{of}:{note.day}:{note.rating}:{note.target_price}"
            found[key] = News(key, note.day, note)
    return sorted(found.values(), key=lambda one: (-one.day.toordinal(), one.id))[:MAX_NEWS]


def _known(questions: Questions, names: Iterable[str]) -> Iterator[str]:
    """The known institutions among ``names``: a followed one may have no notes any more."""
    for name in names:
        with suppress(InvalidRequest):
            yield identity_of(questions, name)


def _rows(
    questions: Questions,
    table: ResearchTable[Any],
    start: date,
    followed: Followed,
    **wanted: Sequence[str],
) -> Iterator[tuple[Any, ...]]:
    """The rows from ``start`` on that match any of the ``wanted`` parameters; all rows if nothing is followed
    by name."""
    given = [{name: values} for name, values in wanted.items() if values] if followed else [{}]
    for one in given:
        with suppress(NothingLoaded):
            yield from part(questions, table, table.values({**one, "start": [start.isoformat()]})).rows
