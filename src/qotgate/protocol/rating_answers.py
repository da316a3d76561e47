"""The Responses of 3229 and 3230.

Fields that notes do not contain are absent: analysts, pictures, links, the time of a rating's last edit. The
five-step ratings of markets other than the US are absent too: three levels cannot express them.
"""

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from qotgate.model import AnalystConsensus, InstitutionRatings, Market, RatingLevel, RatingSummary
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import MARKET_ZONES, RESEARCH_RATINGS

LAST_PAGE = "-1"
"""nextKey of the last page."""
SHARES = {RatingLevel.BUY: "buy", RatingLevel.HOLD: "hold", RatingLevel.SELL: "sell"}


def write_consensus(answer: AnalystConsensus, market: Market) -> Any:
    """The Response of 3229 about a security of ``market``."""
    response = RESPONSES[ProtoId.Qot_GetResearchAnalystConsensus](
        retType=RetType.SUCCEED, retMsg="", errCode=0
    )
    s2c = response.s2c
    s2c.total = answer.total
    for field in ("highest", "average", "lowest"):
        value = getattr(answer, field)
        if value is not None:
            setattr(s2c, field, value)
    if answer.rating is not None:
        s2c.rating = RESEARCH_RATINGS[answer.rating]
    if answer.total:
        for level, field in SHARES.items():
            setattr(s2c, field, 100 * answer.counts.get(level, 0) / answer.total)
    if answer.newest is not None:
        s2c.updateTime, s2c.updateTimeStr = _stamps(answer.newest, market)
    return response


def write_summary(answer: RatingSummary, market: Market) -> Any:
    """The Response of 3230 that lists institutions."""
    response = _summary(answer.next_page)
    for institution in answer.institutions:
        _write(response.s2c.instRatingSummaryList.add(), institution, market)
    return response


def write_detail(answer: RatingSummary, market: Market) -> Any:
    """The Response of 3230 about the one institution in ``answer``."""
    response = _summary(None)
    (institution,) = answer.institutions
    _write(response.s2c.instRatingDetail, institution, market)
    return response


def _summary(next_page: str | None) -> Any:
    response = RESPONSES[ProtoId.Qot_GetResearchRatingSummary](retType=RetType.SUCCEED, retMsg="", errCode=0)
    response.s2c.nextKey = next_page or LAST_PAGE
    return response


def _write(message: Any, institution: InstitutionRatings, market: Market) -> None:
    info = message.institutionInfo
    info.institutionUid = info.institutionEnName = institution.identity
    info.institutionName = institution.name
    info.updateTime, info.updateTimeStr = _stamps(institution.ratings[0].day, market)
    for one in institution.ratings:
        item = message.ratingItemList.add(institutionUid=institution.identity)
        item.recommendationDate, item.recommendationDateStr = _stamps(one.day, market)
        if one.rating in RESEARCH_RATINGS:
            item.rating = RESEARCH_RATINGS[one.rating]
        if one.target_price is not None:
            item.targetPrice = one.target_price


def _stamps(day: date, market: Market) -> tuple[int, str]:
    return int(start_of(day, market)), day.isoformat()


def start_of(day: date, market: Market) -> float:
    """Start of a day in ``market``, in seconds since 1970."""
    return datetime.combine(day, time(), ZoneInfo(MARKET_ZONES.get(market, "UTC"))).timestamp()
