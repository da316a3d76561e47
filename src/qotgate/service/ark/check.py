"""Measures how well trades inferred from holdings agree with ARK's own notices.

A trade is found if fund, day, security and sign agree, and exact if its count is within 0.1% of the notice's.
Only fund days with a notice and holdings on both sides of the day count. Trades under 100 shares or 0.01% of
the position are ignored on both sides, since they cannot be distinguished from rounding.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from qotgate.ark.dynamics import Split, daily_sums, dynamic
from qotgate.ark.identity import Spelling
from qotgate.model import ACTIVE_FUNDS, Notice
from qotgate.service.ark.trade_rows import matters
from qotgate.service.ark.trades import inferred_trades
from qotgate.service.reference import Reference
from qotgate.store import Store, deriving, reads, writes

EXACT = 0.001


@dataclass(frozen=True, slots=True)
class Comparison:
    """One security on one fund day: the signed shares of the notice and of the inference, 0 for none, and the
    fund's shares before. ``ground`` is the evidence of the inference."""

    fund: str
    day: date
    security: str
    noticed: int
    inferred: int
    held: float
    ground: str

    def matters(self, shares: int) -> bool:
        """Whether ``shares`` are enough to count."""
        return matters(shares, self.held)

    @property
    def found(self) -> bool:
        return self.noticed * self.inferred > 0

    @property
    def off(self) -> float:
        """The relative difference between the inferred count and the notice's."""
        return abs(self.inferred - self.noticed) / max(abs(self.noticed), 1)

    @property
    def exact(self) -> bool:
        return self.found and self.off <= EXACT


@dataclass(frozen=True, slots=True)
class Score:
    """Numbers of trades: in notices, inferred, those of each that the other has too, the exact ones, and
    those inferred with the wrong sign."""

    noticed: int
    inferred: int
    found: int
    confirmed: int
    exact: int
    wrong_sign: int

    @property
    def precision(self) -> float:
        return self.confirmed / self.inferred if self.inferred else float("nan")

    @property
    def recall(self) -> float:
        return self.found / self.noticed if self.noticed else float("nan")

    @property
    def exactness(self) -> float:
        """The share of the found trades that is exact."""
        return self.exact / self.found if self.found else float("nan")


def score(comparisons: Iterable[Comparison]) -> Score:
    counts: Counter[str] = Counter()
    for one in comparisons:
        if one.matters(one.noticed):
            counts.update(noticed=1, found=one.found, exact=one.exact)
        if one.matters(one.inferred):
            counts.update(inferred=1, confirmed=one.found, wrong_sign=one.noticed * one.inferred < 0)
    return Score(*(counts[name] for name in Score.__slots__))


def compare(
    store: Store, reference: Reference, notices: Sequence[Notice], funds: Sequence[str]
) -> list[Comparison]:
    """Compare ``notices`` with the trades inferred from the loaded holdings of ``funds``, whatever notices
    are loaded."""
    found = []
    with store.reading() as connection:
        identities = writes.read_identities(connection, reference.listings)
        told: dict[tuple[str, date], Counter[int]] = {}
        for line in notices:
            security = identities.identify(Spelling(line.ticker, line.identifier, line.name), line.day)
            told.setdefault((line.fund, line.day), Counter())[security] += line.shares
        for fund in funds:
            inferred = inferred_trades(connection, fund, date.min)
            for day in sorted(day for name, day in told if name == fund and day in inferred):
                between = inferred[day]
                if between.through != day:
                    continue
                inference = between.inference
                book = deriving.positions(connection, fund, [between.before])[between.before]
                held = {key: shares for key, (shares, _) in book.items()}
                for key in sorted(told[fund, day].keys() | inference.trades.keys()):
                    code, name = identities.labels[key]
                    evidence = inference.evidence.get(key)
                    found.append(
                        Comparison(
                            fund=fund,
                            day=day,
                            security=str(code or name),
                            noticed=told[fund, day][key],
                            inferred=inference.trades.get(key, 0),
                            held=held.get(key, 0.0),
                            ground=evidence.ground.name if evidence else "",
                        )
                    )
    return [one for one in found if one.matters(one.noticed) or one.matters(one.inferred)]


def seen_splits(store: Store, securities: Collection[str]) -> dict[str, dict[str, list[Split]]]:
    """The splits in the holdings, by the code of the security and the fund."""
    found: dict[str, dict[str, list[Split]]] = {}
    with store.reading() as connection:
        for code in securities:
            security = reads.securities.security_id(connection, code)
            if security is not None:
                found[code] = reads.ark.splits(connection, security, ACTIVE_FUNDS, date.max)
    return found


@dataclass(frozen=True, slots=True)
class Agreement:
    """The number of (security, day) dynamics, and for how many of them notices and inference agree on the
    type; on the type, count and last day; and on all of these and the net shares to 0.1%."""

    dynamics: int
    same_type: int
    same_days: int
    same_shares: int


def agreement(
    found: Sequence[Comparison], splits: Mapping[str, Mapping[str, Sequence[Split]]], days: Collection[date]
) -> Agreement:
    """Compare the dynamics of each security on ``days`` from the notices and from the inferred trades of the
    same fund days; ``splits`` are by security and fund."""
    counts: Counter[str] = Counter()
    for security in {one.security for one in found if one.matters(one.noticed)}:
        lines = [one for one in found if one.security == security]
        told = [(one.fund, one.day, one.noticed) for one in lines if one.matters(one.noticed)]
        inferred = [(one.fund, one.day, one.inferred) for one in lines if one.matters(one.inferred)]
        for as_of in days:
            mine, theirs = (
                dynamic(
                    daily_sums(
                        [trade for trade in trades if trade[1] <= as_of], splits.get(security, {}), as_of
                    ),
                    as_of,
                )
                for trades in (inferred, told)
            )
            same_type = mine.dynamic_type is theirs.dynamic_type
            same_days = same_type and (mine.transaction_count, mine.last_transaction_day) == (
                theirs.transaction_count,
                theirs.last_transaction_day,
            )
            off = abs(mine.net_shares - theirs.net_shares)
            counts.update(
                dynamics=1,
                same_type=same_type,
                same_days=same_days,
                same_shares=same_days and off <= EXACT * abs(theirs.net_shares),
            )
    return Agreement(*(counts[name] for name in Agreement.__slots__))
