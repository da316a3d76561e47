"""The dynamic of one security, from the days on which the ARK funds traded it. The rules are in
:mod:`qotgate.ark.dynamics`."""

from datetime import date

from qotgate.ark.dynamics import dynamic, window_start
from qotgate.model import ArkDynamic, NothingLoaded, Security, TradeEvidence
from qotgate.service.ark.evidence import evidence, places_of
from qotgate.service.columns.source import Spanned, TradeSource
from qotgate.service.columns.trades import TradeColumns
from qotgate.service.questions import Questions, day_of_answer
from qotgate.store import reads


def ark_stock_dynamic(questions: Questions, security: Security, as_of: date | None = None) -> ArkDynamic:
    """The dynamic of ``security``, as it was known at the end of the day ``as_of``.

    ``as_of`` is the last day of the loaded data by default. Raises InvalidRequest.
    """

    def ask(source: TradeSource) -> ArkDynamic:
        day, sums = transaction_days(questions, source, security, as_of)
        return dynamic_of(questions, source, sums, day)

    return questions.answer(TradeColumns, ask, lambda connection: ask(questions.trades_in(connection)))


def explain_ark_stock_dynamic(
    questions: Questions, security: Security, as_of: date | None = None
) -> tuple[ArkDynamic, tuple[TradeEvidence, ...]]:
    """The dynamic, and each fund's trades on the counted days, oldest first.

    Raises InvalidRequest.
    """
    with questions.store.reading() as connection:
        source = questions.trades_in(connection)
        day, sums = transaction_days(questions, source, security, as_of)
        answer = dynamic_of(questions, source, sums, day)
        counted = [counted for counted, _ in sums[len(sums) - answer.transaction_count :]]
        security_id = reads.securities.security_id(connection, str(security))
        if not counted or security_id is None:
            return answer, ()
        rows = reads.ark.explained_trades(connection, security_id, questions.funds, counted, day)
        places = places_of(connection, security_id, rows)
    return answer, tuple(evidence(row, places(row)) for row in rows)


def dynamic_of(
    questions: Questions, source: TradeSource, sums: list[tuple[date, int]], day: date
) -> ArkDynamic:
    """The dynamic on ``day`` from the result of :func:`transaction_days`, with the days of its window whose
    trades are unknown."""
    since = window_start(day, questions.window_days)
    untold = source.untold_days(questions.funds, since, day)
    return dynamic(sums, day, questions.window_days, untold)


def transaction_days(
    questions: Questions, source: TradeSource, security: Security, as_of: date | None
) -> tuple[date, list[tuple[date, int]]]:
    """The day of the answer, and the transactions known on it: those in the window, or else the last one.

    Raises InvalidRequest.
    """
    day = ark_day(questions, source, as_of)
    security_id = source.security_id(str(security))
    if security_id is None:
        return day, []
    since = window_start(day, questions.window_days)
    return day, source.transactions(security_id, questions.funds, since, day)


def ark_day(questions: Questions, source: Spanned, as_of: date | None) -> date:
    """The day of the answer: the requested day, or the last day of the data if that is earlier. Raises
    InvalidRequest for a day before the first one."""
    first, latest = source.span(questions.funds)
    if latest is None:
        raise NothingLoaded("no_ark_data")
    return day_of_answer(as_of, first, latest)
