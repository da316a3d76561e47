"""Refusals: the Response that says no, and the lines of the log for the operator.

A client that cannot log in tries again for ever, and one that asks for an interface that is not served goes
on: the log has each once a minute.
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
"""Refusals that are known by address and reason at once; further ones are counted, and not logged."""

log = structlog.get_logger()


class Refusals:
    """Logs refusals once for each address and reason in AGAIN_SECONDS. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[Hashable, tuple[float, int]] = {}
        """When each was logged, the oldest first, and how many more there have been since."""

    def tell(self, event: str, address: Hashable, *reason: Hashable, **fields: Any) -> None:
        """Log ``event`` with its ``fields``, unless the same was logged lately for that address and reason.
        ``times`` is how many there were since the line before."""
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
    """The Response that says no, with the fields of ours that some errors have."""
    if isinstance(error, InvalidPacket):
        ret_type = RetType.INVALID
    own: dict[str, float | bool] = {}
    if isinstance(error, RateLimited):
        own = {"retryAfter": error.seconds}
    elif isinstance(error, Unavailable):
        own = {"unavailable": True}
    return refusal(ret_type, error.text(lang), **own)
