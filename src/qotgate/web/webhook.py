"""Sends the news of a load to a user's program: signed, and repeated until it is accepted.

:mod:`qotgate.web.signing` describes the signature.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from qotgate.model import StoreError
from qotgate.model.finite import finite
from qotgate.model.research import Trade
from qotgate.service.following import Followed, News, news
from qotgate.web.signing import WebhookOptions
from qotgate.web.site import Site

ASK_SECONDS = 1.0
MAX_ATTEMPTS = 7
FIRST_WAIT_SECONDS = 1.0
"""Wait before the second attempt; it doubles with each attempt, up to ``MAX_WAIT_SECONDS``."""
MAX_WAIT_SECONDS = 60.0
TIMEOUT_SECONDS = 10.0
LATER_STATUSES = (408, 425, 429)
"""Client errors that another attempt may solve; so may server errors."""

log = structlog.get_logger()


class _Later(Exception):  # noqa: N818 - a retry may succeed
    """The receiver did not accept the request this time."""


class Webhook:
    """Sends the news in the data of ``site`` once a load has finished.

    Data loaded before the gateway starts is not news. Undelivered news is sent with the next load.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._told: set[str] | None = None
        self._state = ""

    async def run(self) -> None:
        """Send news until cancelled."""
        while True:
            options = self._site.options.webhook
            if options is None:
                self._told = None
            else:
                with suppress(StoreError):
                    await self._look(options)
            await asyncio.sleep(ASK_SECONDS)

    async def _look(self, options: WebhookOptions) -> None:
        state = await asyncio.to_thread(self._site.state)
        if state == self._state and self._told is not None:
            return
        found = await asyncio.to_thread(self._news, state, options.follow)
        if self._told is not None:
            fresh = [one for one in found if one.id not in self._told]
            if fresh and not await self._deliver(options, fresh):
                found = [one for one in found if one.id in self._told]
        self._told = (self._told or set()) | {one.id for one in found}
        self._state = state

    def _news(self, state: str, follow: Sequence[str]) -> list[News]:
        questions = self._site.questions[self._site.lang]
        return news(questions, Followed.parse(follow, self._site.funds(state)))

    async def _deliver(self, options: WebhookOptions, fresh: Sequence[News]) -> bool:
        """Whether the receiver accepted the news."""
        message_id, body = f"msg_{uuid4().hex}", _body(fresh)
        told = {"host": urlsplit(options.url).hostname, "id": message_id, "rows": len(fresh)}
        attempts = AsyncRetrying(
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=wait_exponential(FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS),
            retry=retry_if_exception_type((_Later, httpx.TransportError)),
            reraise=True,
        )
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                await attempts(_post, client, options, message_id, body)
        except (_Later, httpx.HTTPError) as error:
            log.warning("webhook not delivered", reason=str(error) or type(error).__name__, **told)
            return False
        log.info("webhook delivered", **told)
        return True


async def _post(client: httpx.AsyncClient, options: WebhookOptions, message_id: str, body: bytes) -> None:
    headers = options.sign(message_id, int(datetime.now(UTC).timestamp()), body)
    answer = await client.post(options.url, content=body, headers=headers)
    if answer.status_code in LATER_STATUSES or answer.is_server_error:
        raise _Later(f"the receiver answered {answer.status_code}")
    answer.raise_for_status()


def _body(fresh: Sequence[News]) -> bytes:
    rows = [_row(one) for one in fresh]
    message = {"type": "qotgate.news", "timestamp": datetime.now(UTC).isoformat(), "data": {"rows": rows}}
    return json.dumps(message, ensure_ascii=False, default=str).encode()


def _row(one: News) -> dict[str, Any]:
    kind = "trade" if isinstance(one.row, Trade) else "rating_change"
    values = {name: finite(value) for name, value in asdict(one.row).items()}
    return {"id": one.id, "kind": kind, **values}
