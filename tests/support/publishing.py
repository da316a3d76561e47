"""A publisher on loopback that answers as configured, and records its requests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from qotgate.sources.fetching.client import PAUSE

AGENT = "qotgate/0 (tests)"
HEADER = 'date,fund,company,ticker,cusip,shares,"market value ($)",weight (%)'
DISCLAIMER = '"Investors should carefully consider the investment objectives and risks of the funds."'


def holdings(fund: str, day: str = "06/23/2026", shares: int = 1000) -> bytes:
    """A fund's daily file in ARK's shape."""
    lines = [
        HEADER,
        f'{day},{fund},"TESLA INC",TSLA,88160R101,"{shares:,}","$400,000.00",60.00%',
        f'{day},{fund},"ROKU INC",ROKU,77543R102,"2,000","$266,666.00",40.00%',
        DISCLAIMER,
    ]
    return ("\n".join(lines) + "\n").encode()


class Time:
    """A clock that only advances by sleeping."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def waits(self) -> list[float]:
        """The sleeps, without the pauses between requests."""
        return [seconds for seconds in self.slept if seconds > PAUSE]


def visible(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("[!.]*") if path.is_file())


@dataclass
class Reply:
    """One answer. ``declared`` is a Content-Length that may be wrong; ``hangs`` sends nothing until the
    end."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    hangs: bool = False


@dataclass
class Asked:
    """One request, as received."""

    path: str
    params: dict[str, str]
    headers: Message
    target: str


class Publisher:
    """The replies to each path, in turn, the last one repeated; 404 for other paths."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        self.over = threading.Event()

    def publish(self, path: str, *replies: Reply | bytes) -> None:
        self.replies[path] = [Reply(reply) if isinstance(reply, bytes) else reply for reply in replies]

    def reply(self, asked: Asked) -> Reply:
        """The next reply: of the path with this page, or else of the path."""
        self.asked.append(asked)
        replies = self.replies.get(f"{asked.path}?{asked.params.get('page')}") or self.replies.get(asked.path)
        if not replies:
            return Reply(b"<html>no such file</html>", 404)
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        etag = reply.headers.get("ETag")
        if etag and asked.headers["If-None-Match"] == etag:
            return Reply(status=304, headers={"ETag": etag})
        return reply


@contextmanager
def publishing() -> Iterator[Publisher]:
    """Run a publisher on a free port, and stop it afterwards."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            params = dict(parse_qsl(parts.query))
            reply = publisher.reply(Asked(unquote(parts.path), params, self.headers, self.path))
            if reply.hangs:
                self.close_connection = True
                publisher.over.wait(30)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 304 and "Transfer-Encoding" not in reply.headers:
                length = len(reply.body) if reply.declared is None else reply.declared
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = reply.declared is not None

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    publisher = Publisher(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        publisher.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
