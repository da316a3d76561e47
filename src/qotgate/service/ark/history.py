"""The ARK funds' trades in one security, day by day; their positions in it; and all their trades on one day.

They are the details behind the dynamic, which summarises the latest transactions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from qotgate.ark.dynamics import Split, splits_of
from qotgate.model import ArkDynamic, Security
from qotgate.service.ark.dynamics import ark_day, dynamic_of, transaction_days
from qotgate.service.ark.evidence import confidence_of, places_of
from qotgate.service.calendar import ARK_START
from qotgate.service.questions import Questions
from qotgate.store import reads
from qotgate.store.reads.ark import Place
from qotgate.store.tables import Row

NOTICE = "NOTICE"
"""The ground of a trade from a notice; the ground of any other trade is the name of a Ground."""

Seen = Mapping[str, Sequence[Split]]


@dataclass(frozen=True, slots=True)
class Transaction:
    """One fund's trade. ``shares`` are signed, in the units of the day, ``adjusted_shares`` in units of the
    requested day; ``counted`` tells whether the dynamic counts its day."""

    day: date
    through: date
    fund: str
    shares: int
    adjusted_shares: int
    ground: str
    confidence: float
    change: float | None
    flow: int | None
    counted: bool
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class ArkHistory:
    """The trades of a security known on ``as_of``, latest first, with their dynamic; ``more_before`` is the
    day before which there are more, None if there are no more."""

    as_of: date
    answer: ArkDynamic
    transactions: tuple[Transaction, ...]
    more_before: date | None


@dataclass(frozen=True, slots=True)
class FundPosition:
    """A fund's position at the end of ``day``, from the line in its next file. Shares are in the units of the
    day, and adjusted to the units of the requested day; 0 in the first file without the security.
    ``market_value`` is in USD, ``weight`` in percent of the fund."""

    day: date
    fund: str
    shares: float
    adjusted_shares: float
    market_value: float | None
    weight: float | None
    place: Place


@dataclass(frozen=True, slots=True)
class Move:
    """The funds' trades of a security on one day: signed shares, in sum and by fund, and their approximate
    value in USD."""

    security: Security | None
    name: str
    shares: int
    amount: float | None
    funds: tuple[tuple[str, int], ...]


def ark_history(
    questions: Questions,
    security: Security,
    as_of: date | None = None,
    before: date | None = None,
    days: int | None = None,
) -> ArkHistory:
    """The trades of the ``days`` latest trading days before ``before``, or of all trading days.

    Raises InvalidRequest.
    """
    with questions.store.reading() as connection:
        source = questions.trades_in(connection)
        asked, sums = transaction_days(questions, source, security, as_of)
        answer = dynamic_of(questions, source, sums, asked)
        security_id = reads.securities.security_id(connection, str(security))
        if security_id is None:
            return ArkHistory(asked, answer, (), None)
        trades = reads.ark.trades(connection, security_id, questions.funds, ARK_START, asked, asked)
        seen = reads.ark.splits(connection, security_id, questions.funds, asked)
        counted = {day for day, _ in sums[len(sums) - answer.transaction_count :]}
        traded = sorted({day for _, day, _ in trades if before is None or day < before}, reverse=True)
        shown = traded[:days]
        rows = reads.ark.explained_trades(connection, security_id, questions.funds, shown, asked)
        places = places_of(connection, security_id, rows)
    transactions = tuple(
        Transaction(
            day=row["day"],
            through=row["through"],
            fund=row["fund"],
            shares=row["shares"],
            adjusted_shares=round(row["shares"] * _ratio(row["fund"], row["day"], seen, asked)),
            ground=row["ground"] or NOTICE,
            confidence=confidence_of(row),
            change=row["change"],
            flow=row["flow"],
            counted=row["day"] in counted,
            places=tuple(places(row)),
        )
        for row in sorted(rows, key=lambda row: (-row["day"].toordinal(), row["fund"]))
    )
    return ArkHistory(asked, answer, transactions, shown[-1] if shown and len(shown) < len(traded) else None)


def ark_positions(
    questions: Questions, security: Security, as_of: date | None = None
) -> tuple[date, tuple[FundPosition, ...]]:
    """The day of the answer, and each fund's position at the end of each day up to it, oldest first.

    Raises InvalidRequest.
    """
    with questions.store.reading() as connection:
        asked = ark_day(questions, questions.trades_in(connection), as_of)
        security_id = reads.securities.security_id(connection, str(security))
        if security_id is None:
            return asked, ()
        rows = reads.ark.positions(connection, security_id, questions.funds, asked)
        books = reads.ark.books(connection, questions.funds, asked)
        seen = reads.ark.splits(connection, security_id, questions.funds, asked)
    lines = {(row["fund"], row["day"]): row for row in rows}
    held: set[str] = set()
    found = []
    for day, fund, file_day, file in books:
        row = lines.get((fund, file_day))
        if row is not None:
            held.add(fund)
            adjusted = float(Fraction(row["shares"]) * _ratio(fund, day, seen, asked))
            place = Place(file.file_id, file.path, row["line"])
            value, weight = row["market_value"], row["weight"]
            found.append(FundPosition(day, fund, row["shares"], adjusted, value, weight, place))
        elif fund in held:
            held.discard(fund)
            found.append(FundPosition(day, fund, 0.0, 0.0, None, None, file))
    return asked, tuple(found)


def ark_moves(questions: Questions, as_of: date | None = None) -> tuple[date, tuple[Move, ...]]:
    """The latest day up to ``as_of`` with trades, and the trades of that day, largest first.

    Raises InvalidRequest.
    """
    with questions.store.reading() as connection:
        asked = ark_day(questions, questions.trades_in(connection), as_of)
        day = reads.ark.latest_trade_day(connection, questions.funds, asked)
        rows = [] if day is None else reads.ark.trades_of(connection, questions.funds, day, asked)
    of_security: dict[int, list[Row]] = {}
    for row in rows:
        of_security.setdefault(row["security_id"], []).append(row)
    moves = (_move(questions, trades) for trades in of_security.values())
    largest = sorted(moves, key=lambda move: (-abs(move.amount or 0), -abs(move.shares), move.name))
    return day or asked, tuple(move for move in largest if move.shares)


def _move(questions: Questions, trades: list[Row]) -> Move:
    first = trades[0]
    security = Security.parse(first["code"]) if first["code"] else None
    name = first["name"]
    if security is not None:
        name = questions.reference.security_name(security, questions.lang, name)
    shares = sum(trade["shares"] for trade in trades)
    prices = [trade["price"] for trade in trades]
    amount = None if None in prices else sum(trade["shares"] * trade["price"] for trade in trades)
    return Move(security, name, shares, amount, tuple((trade["fund"], trade["shares"]) for trade in trades))


def _ratio(fund: str, day: date, seen: Seen, as_of: date) -> Fraction:
    """How many shares of ``as_of`` equal one share of ``day``."""
    ratio = Fraction(1)
    for split in splits_of(fund, seen):
        if day < split.day <= as_of:
            ratio *= split.ratio
    return ratio
