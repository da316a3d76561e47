"""The questions of the interface, sans I/O: arguments to a request, a response to the model's words.

All clients, blocking and asyncio, build their questions here, so that they cannot differ.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any, Generic, TypeVar

from qotgate.model import (
    AnalystConsensus,
    GlobalState,
    InstitutionRating,
    InvalidRequest,
    Market,
    Page,
    Part,
    ProtocolError,
    RateLimited,
    Refused,
    Security,
    SecurityState,
    StockDynamic,
    TradingDay,
    Unavailable,
    UserInfo,
    span_of_days,
)
from qotgate.protocol import answers, market_answers, rating_answers
from qotgate.protocol.interface import ListQuestion
from qotgate.protocol.messages import REQUESTS, ProtoId, RetType
from qotgate.protocol.names import MARKETS
from qotgate.protocol.research import ResearchTable, read_part

T = TypeVar("T")
LONGEST = 3600.0
"""The longest wait for the allowance that is accepted from a server, in seconds."""
LOGIN_USER = 0
"""GetGlobalState needs a user id and ignores it."""


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A request, and the function that reads its answer."""

    proto_id: ProtoId
    request: Any
    read: Callable[[Any], T]
    about: str = ""
    """The security in the question, if any."""

    def answer(self, response: Any) -> T:
        """Read ``response``. Raises Refused, InvalidRequest, RateLimited, Unavailable and ProtocolError."""
        if response.retType != RetType.SUCCEED:
            wait = getattr(response, "retryAfter", 0.0)
            if 0 < wait < LONGEST:
                raise RateLimited("told", seconds=wait, text=response.retMsg)
            if getattr(response, "unavailable", False):
                raise Unavailable("told", text=response.retMsg)
            kind = InvalidRequest if response.retType == RetType.FAILED else Refused
            raise kind("told", text=response.retMsg or f"No reason is given (retType {response.retType}).")
        if not response.HasField("s2c"):
            raise ProtocolError(f"an answer to {self.proto_id.name} says nothing")
        c2s = self.request.c2s
        # A server that does not know the field omits it, and answers for today. The day of the answer is
        # earlier than the requested day if that day is not known yet.
        if getattr(c2s, "asOf", "") and not "" < response.s2c.asOf <= c2s.asOf:
            raise InvalidRequest("as_of_unknown")
        if getattr(c2s, "fund", "") and response.s2c.fund != c2s.fund:
            raise InvalidRequest("fund_unknown")
        try:
            return self.read(response.s2c)
        except (ValueError, TypeError, OverflowError) as error:
            raise ProtocolError(f"an answer to {self.proto_id.name} makes no sense: {error}") from error


def ask(
    proto_id: ProtoId, read: Callable[[Any], T], as_of: date | str | None = None, **c2s: Any
) -> Question[T]:
    """A question with fields of its C2S; None leaves a field out. Raises InvalidRequest for an ``as_of`` that
    is not a day, TypeError and ValueError for a value that does not fit its field."""
    if as_of is not None:
        c2s["asOf"] = str(_day(as_of, "as_of"))
    request = REQUESTS[proto_id](c2s=c2s)
    # An empty C2S has to be present too.
    request.c2s.SetInParent()
    return Question(proto_id, request, read)


def _day(day: date | str, parameter: str) -> date:
    """Raises InvalidRequest."""
    try:
        # Only the day of a datetime counts.
        return date.fromisoformat(day if isinstance(day, str) else day.strftime("%Y-%m-%d"))
    except (ValueError, AttributeError) as error:
        raise InvalidRequest("client_day", parameter=parameter, value=day) from error


def _sent(security: Security | str, parameter: str = "security") -> tuple[Security, dict[str, Any]]:
    """A security, and its message. Raises InvalidRequest."""
    code = security if isinstance(security, Security) else Security.parse(str(security), parameter)
    if code.market not in MARKETS:
        raise InvalidRequest("code", parameter=parameter, value=str(code))
    return code, {"market": MARKETS[code.market], "code": code.code}


def global_state() -> Question[GlobalState]:
    return ask(ProtoId.GetGlobalState, answers.read_global_state, userID=LOGIN_USER)


def ark_dynamic(security: Security | str, as_of: date | None) -> Question[StockDynamic]:
    code, sent = _sent(security)
    question = ask(
        ProtoId.Qot_GetArkStockDynamic, lambda s2c: answers.read_dynamic(s2c, code), as_of, security=sent
    )
    return replace(question, about=str(code))


def analyst_consensus(security: Security | str, as_of: date | None) -> Question[AnalystConsensus]:
    _, sent = _sent(security)
    return ask(ProtoId.Qot_GetResearchAnalystConsensus, rating_answers.read_consensus, as_of, security=sent)


def rating_summary(
    security: Security | str,
    institution: str | None,
    count: int,
    page: str | None,
    as_of: date | None,
) -> Question[Part[InstitutionRating]]:
    """The ratings of ``count`` institutions, or of one."""
    _, sent = _sent(security)
    wanted = {"num": count, "nextKey": page} if institution is None else {"uid": institution}
    return ask(
        ProtoId.Qot_GetResearchRatingSummary,
        rating_answers.read_summary,
        as_of,
        security=sent,
        ratingDimensionType=rating_answers.BY_INSTITUTION,
        **wanted,
    )


def trading_days(
    market: Market | str, start: date | str | None, end: date | str | None
) -> Question[Sequence[TradingDay]]:
    name = str(market).upper()
    if name not in Market.__members__:
        raise InvalidRequest("word", parameter="market", words=", ".join(Market), value=str(market))
    asked = Market[name]
    first = None if start is None else _day(start, "start")
    last = None if end is None else _day(end, "end")
    begins, ends = span_of_days(first, last, date.today())  # noqa: DTZ011 - the caller's today
    return ask(
        ProtoId.Qot_RequestTradeDate,
        market_answers.read_trading_days,
        **market_answers.trading_market(asked),
        beginTime=begins.isoformat(),
        endTime=ends.isoformat(),
    )


def market_states(codes: Iterable[Security | str]) -> Question[Sequence[SecurityState]]:
    sent = [_sent(code, "codes")[1] for code in codes]
    return ask(ProtoId.Qot_GetMarketState, market_answers.read_states, securityList=sent)


def user_info() -> Question[UserInfo]:
    return ask(ProtoId.GetUserInfo, market_answers.read_user_info)


def list_page(
    question: ListQuestion[T],
    words: Sequence[Any],
    count: int,
    page: str | None,
    as_of: date | None,
    fund: str | None = None,
) -> Question[Page[T]]:
    """A page of a list; ``words`` are the words of the question's choices, in their order. ``fund`` applies
    to the lists that sum over the funds."""
    chosen = {
        choice.field: choice.numbers[word] for choice, word in zip(question.choices, words, strict=True)
    }
    read = partial(answers.read_list, question)
    of_fund = {} if fund is None else {"fund": fund}
    return ask(question.proto_id, read, as_of, **chosen, **of_fund, count=count, page=page)


def research_part(
    table: ResearchTable[T], given: Mapping[str, Sequence[str]], lang: str | None, page: str | None
) -> Question[Part[T]]:
    """A part of a research table; ``given`` are its parameters as text."""
    parameters = [{"name": name, "values": list(values)} for name, values in given.items()]
    read = partial(read_part, table)
    proto_id = ProtoId.Qotgate_GetResearch
    return ask(proto_id, read, table=table.name, parameters=parameters, page=page, lang=lang)


class Batch(Generic[T]):
    """Questions that are sent together."""

    def __init__(self, questions: Sequence[Question[T]]) -> None:
        self._answers: list[T | None] = [None] * len(questions)
        self._open = list(enumerate(questions))
        self._sent: list[tuple[int, Question[T]]] = []

    def send(self) -> list[Question[T]]:
        """The questions to send now; none once all have been answered."""
        self._sent = list(self._open)
        self._open.clear()
        return [question for _, question in self._sent]

    def receive(self, responses: Sequence[Any]) -> float:
        """Take the responses to the sent questions. Returns the seconds to wait before sending more:
        questions over the allowance are repeated. Raises as :meth:`Question.answer`."""
        wait = 0.0
        for (index, question), response in zip(self._sent, responses, strict=True):
            try:
                self._answers[index] = question.answer(response)
            except RateLimited as error:
                self._open.append((index, question))
                wait = max(wait, error.seconds)
        return wait

    def answers(self) -> list[T]:
        """All answers, in the order of the questions."""
        return [answer for answer in self._answers if answer is not None]
