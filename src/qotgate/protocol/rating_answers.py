"""Writes and reads the Responses of 3229 and 3230.

Fields that notes do not contain are absent: analysts, pictures, links, the time of a rating's last edit. The
five-step ratings of markets other than the US are absent too: three levels cannot express them.
"""

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import Any

from qotgate.model import AnalystConsensus, InstitutionRating, Market, Part, RatingLevel
from qotgate.protocol.answers import day_of
from qotgate.protocol.body import check_text
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import RESEARCH_RATING_OF, RESEARCH_RATINGS, start_of

LAST_PAGE = "-1"
"""nextKey of the last page."""
BY_INSTITUTION = 1
"""ResearchRatingDimensionType_Institution of Qot_Common.proto."""
MAX_INSTITUTIONS = 20
"""Largest number of institutions in a page."""
SHARES = {"buy": ("buy", "strongBuy"), "hold": ("hold",), "sell": ("sell", "underperform")}
"""The percentages that add up to each of our three levels."""


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
        for field in SHARES:
            setattr(s2c, field, 100 * getattr(answer, field) / answer.total)
    if answer.newest is not None:
        s2c.updateTime, s2c.updateTimeStr = _stamps(answer.newest, market)
    return response


def read_consensus(s2c: Any) -> AnalystConsensus:
    """The answer of 3229. Raises ValueError."""
    check_text(s2c)
    counts = {
        level: round(s2c.total * sum(getattr(s2c, field) for field in fields) / 100)
        for level, fields in SHARES.items()
    }
    return AnalystConsensus(
        rating=RESEARCH_RATING_OF.get(s2c.rating),
        **counts,
        highest=s2c.highest if s2c.HasField("highest") else None,
        average=s2c.average if s2c.HasField("average") else None,
        lowest=s2c.lowest if s2c.HasField("lowest") else None,
        newest=day_of(s2c.updateTimeStr),
        known_to=day_of(s2c.asOf),
    )


def write_summary(answer: Part[InstitutionRating], market: Market) -> Any:
    """The Response of 3230 that lists institutions; each one's ratings are consecutive."""
    response = _summary(answer.next_page)
    for _, ratings in groupby(answer.rows, key=attrgetter("uid")):
        _write(response.s2c.instRatingSummaryList.add(), list(ratings), market)
    return response


def write_detail(answer: Part[InstitutionRating], market: Market) -> Any:
    """The Response of 3230 about the one institution in ``answer``."""
    response = _summary(None)
    _write(response.s2c.instRatingDetail, list(answer.rows), market)
    return response


def read_summary(s2c: Any) -> Part[InstitutionRating]:
    """The answer of 3230, a list of institutions or one alone. Raises ValueError."""
    check_text(s2c)
    found = [
        *s2c.instRatingSummaryList,
        *([s2c.instRatingDetail] if s2c.HasField("instRatingDetail") else ()),
    ]
    rows = tuple(rating for item in found for rating in _read(item))
    return Part(rows, None if s2c.nextKey in ("", LAST_PAGE) else s2c.nextKey, day_of(s2c.asOf))


def _summary(next_page: str | None) -> Any:
    response = RESPONSES[ProtoId.Qot_GetResearchRatingSummary](retType=RetType.SUCCEED, retMsg="", errCode=0)
    response.s2c.nextKey = next_page or LAST_PAGE
    return response


def _write(message: Any, ratings: list[InstitutionRating], market: Market) -> None:
    info, newest = message.institutionInfo, ratings[0]
    info.institutionUid = info.institutionEnName = newest.uid
    info.institutionName = newest.institution
    info.updateTime, info.updateTimeStr = _stamps(newest.day, market)
    for one in ratings:
        item = message.ratingItemList.add(institutionUid=one.uid)
        item.recommendationDate, item.recommendationDateStr = _stamps(one.day, market)
        if one.rating in RESEARCH_RATINGS:
            item.rating = RESEARCH_RATINGS[one.rating]
        if one.target_price is not None:
            item.targetPrice = one.target_price


def _read(message: Any) -> Iterator[InstitutionRating]:
    info = message.institutionInfo
    for item in message.ratingItemList:
        yield InstitutionRating(
            institution=info.institutionName or info.institutionEnName,
            uid=info.institutionUid,
            day=date.fromisoformat(item.recommendationDateStr[:10]),
            rating=RESEARCH_RATING_OF.get(item.rating, RatingLevel.UNKNOWN),
            target_price=item.targetPrice if item.HasField("targetPrice") else None,
        )


def _stamps(day: date, market: Market) -> tuple[int, str]:
    return int(start_of(day, market)), day.isoformat()
