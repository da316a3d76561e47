"""Refusals: the Response that refuses a request, and the operator's log lines.

A client that cannot log in retries for ever, and a client that asks for an unknown interface goes on asking:
the log has each once a minute.
"""

from collections.abc import Callable, Hashable
from typing import Any

import structlog

from qotgate.model import InvalidPacket, Language, RateLimited, Refused, Unavailable
from qotgate.protocol.body import refusal
from qotgate.protocol.messages import RetType

AGAIN_SECONDS = 60.0
"""Seconds after which the same refusal is logged again."""
MAX_TOLD = 1000
"""Refusals tracked at once, by address and reason; further ones are counted but not logged."""

log = structlog.get_logger()


class Refusals:
    """Logs refusals once for each address and reason in AGAIN_SECONDS. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[Hashable, tuple[float, int]] = {}
        """When each was logged, the oldest first, and how often it was repeated since."""

    def tell(self, event: str, address: Hashable, *reason: Hashable, **fields: Any) -> None:
        """Log ``event`` with its ``fields``, unless it was logged lately for the same address and reason.
        ``times`` is the number of repetitions since the previous line."""
        now = self._clock()
        key = (event, address, *reason)
        at, more = self._told.get(key, (None, 0))
        if at is not None and now < at + AGAIN_SECONDS:
            self._told[key] = at, more + 1
            return
        self._told.pop(key, None)
        if len(self._told) >= MAX_TOLD:
            self._told = {one: told for one, told in self._told.items() if now < told[0] + AGAIN_SECONDS}
        if len(self._told) >= MAX_TOLD:
            return
        self._told[key] = now, 0
        log.warning(event, **fields, times=more + 1)


def response_of(error: Refused, lang: Language, ret_type: RetType = RetType.FAILED) -> Any:
    """The Response that refuses a request, with the additional fields that some errors have."""
    if isinstance(error, InvalidPacket):
        ret_type = RetType.INVALID
    own: dict[str, float | bool] = {}
    if isinstance(error, RateLimited):
        own = {"retryAfter": error.seconds}
    elif isinstance(error, Unavailable):
        own = {"unavailable": True}
    return refusal(ret_type, error.text(lang), **own)
