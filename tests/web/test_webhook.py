"""News by webhook: only the changes of a load, signed, and repeated until accepted."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from qotgate.model import QotGateError
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.web import webhook
from qotgate.web.signing import WebhookOptions
from qotgate.web.webhook import Webhook
from tests.support.in_process import run_alone, web_in_process

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef").decode()
NOTES = """ticker,name,firm,rating,price_target,date
MU,Micron,UBS,Buy,2000,2026-06-24
T,AT&T,UBS,Buy,2,2026-06-24
"""


class Receiver:
    """A server that answers with each of ``statuses`` in turn, and then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        receiver, left = self, list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append((dict(self.headers.items()), body))
                self.send_response(left.pop(0) if left else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Write nothing: the tests' output stays clean."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(*statuses: int) -> Receiver:
        made.append(Receiver(*statuses))
        return made[-1]

    yield make
    for one in made:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ASK_SECONDS", 0.01)
    monkeypatch.setattr(webhook, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(webhook, "MAX_WAIT_SECONDS", 0.01)


@pytest.fixture
def sent(
    sample_url: str, copied: Callable[[str], str], reference: Reference, tmp_path: Path
) -> Callable[[Receiver, int, tuple[str, ...]], None]:
    """Loads two notes while a webhook to the receiver runs, until the receiver got the given number of
    requests."""
    url = copied(sample_url)
    (tmp_path / "notes.csv").write_text(NOTES)

    def send(receiver: Receiver, times: int, follow: tuple[str, ...] = ()) -> None:
        async def run() -> None:
            async with web_in_process(url, webhook=WebhookOptions(receiver.url, SECRET, follow)) as (_, site):
                hook = Webhook(site)
                task = asyncio.create_task(hook.run())
                async with asyncio.timeout(60):
                    while hook._told is None:
                        await asyncio.sleep(0.01)
                    assert receiver.taken == []
                    files = find_files([tmp_path / "notes.csv"])
                    await asyncio.to_thread(load, site.store, reference, files)
                    while len(receiver.taken) < times:
                        await asyncio.sleep(0.01)
                # Nothing comes twice.
                await asyncio.sleep(0.1)
                task.cancel()

        run_alone(run())

    return send


def test_a_load_sends_what_is_new(receiver: Callable[..., Receiver], sent: Callable[..., None]) -> None:
    taker = receiver()
    sent(taker, 1)
    ((headers, body),) = taker.taken
    message = json.loads(body)
    assert message["type"] == "qotgate.news"
    rows = message["data"]["rows"]
    assert [(row["kind"], row["security"], row["day"]) for row in rows] == [
        ("rating_change", "US.MU", "2026-06-24"),
        ("rating_change", "US.T", "2026-06-24"),
    ]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(b"0123456789abcdef", signed, sha256)
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_it_is_sent_again_until_it_is_taken(
    receiver: Callable[..., Receiver], sent: Callable[..., None]
) -> None:
    taker = receiver(503, 429, 200)
    sent(taker, 3)
    assert len({headers["webhook-id"] for headers, _ in taker.taken}) == 1
    assert len({body for _, body in taker.taken}) == 1


def test_only_what_is_followed_is_sent(receiver: Callable[..., Receiver], sent: Callable[..., None]) -> None:
    taker = receiver()
    sent(taker, 1, ("US.MU",))
    ((_, body),) = taker.taken
    assert [row["security"] for row in json.loads(body)["data"]["rows"]] == ["US.MU"]


@pytest.mark.parametrize(
    ("url", "secret"),
    [("ftp://x/", SECRET), ("x", SECRET), ("http://x/", "short"), ("http://x/", "whsec_not base64 at all")],
)
def test_options_that_are_not_safe_are_refused(url: str, secret: str) -> None:
    with pytest.raises(QotGateError):
        WebhookOptions(url, secret)
