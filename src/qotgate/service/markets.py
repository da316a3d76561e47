"""Answers about markets and the user, as far as they are possible without quotes and accounts."""

from collections.abc import Sequence
from datetime import datetime

from qotgate.model import InvalidRequest, Security, SecurityState, UserInfo
from qotgate.protocol.market_answers import QUOTE_RIGHTS
from qotgate.service.calendar import market_state
from qotgate.service.questions import Questions
from qotgate.store import reads

MAX_SECURITIES = 400
"""Largest number of securities in one question about market states."""
USER = UserInfo(
    nick_name="qotgate",
    user_id=1,
    quote_rights=dict.fromkeys(QUOTE_RIGHTS, "NO"),
    subscription_quota=0,
    history_quota=0,
    disclaimer_pending=False,
)
"""Every client's user: clients want one, and there is no account, no quotes, and nothing to agree to."""


def security_states(
    questions: Questions, securities: Sequence[Security], now: datetime, parameter: str = "codes"
) -> tuple[SecurityState, ...]:
    """The states of the markets of 1 to 400 ``securities`` at ``now`` (timezone-aware), in their order.
    Raises InvalidRequest for another number of securities, which names ``parameter``."""
    if not 1 <= len(securities) <= MAX_SECURITIES:
        raise InvalidRequest("state_count", parameter=parameter, most=MAX_SECURITIES, value=len(securities))
    with questions.store.reading() as connection:
        names = reads.securities.names(connection, securities)
    return tuple(
        SecurityState(
            one,
            questions.reference.security_name(one, questions.lang, names.get(one, "")),
            market_state(one.market, now),
        )
        for one in securities
    )
