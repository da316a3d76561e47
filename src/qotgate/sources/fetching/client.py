"""Requests files from a publisher, politely.

One client serves one publisher. It identifies itself, pauses between two requests to one host, asks only for
changes, obeys Retry-After, and gives up after a few attempts. An answer is bounded in size and time, and
either complete or an error; its content is checked elsewhere.

The client follows redirects itself, hop by hop: a key must only go to its own host, and the body of a
redirect must not be read.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Self

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from qotgate.model import QotGateError, is_loopback

ATTEMPTS = 5
PAUSE = 1.0
"""Seconds between two requests to one host."""
LONGEST_WAIT = 600.0
"""The longest Retry-After that is obeyed, in seconds; after a longer one, the next run may retry."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
DEADLINE = 300.0
"""Time limit of one answer in seconds, however steadily it arrives."""
BODY_LIMIT = 64 << 20
REDIRECTS = 5

_MAY_PASS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_ABOUT_THE_KEY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN)
_CONDITIONS = {"if-none-match", "if-modified-since"}
_BACK_OFF = wait_exponential(max=60) + wait_random(0, 1)


class FetchError(QotGateError):
    """A file could not be fetched; the message, the reason, follows the file's name and a colon."""


class _MayPassError(Exception):
    """A failure that a retry may solve."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _UnreachableError(_MayPassError):
    """No connection to the host."""


@dataclass(frozen=True, slots=True)
class Key:
    """The header that identifies the user to a publisher."""

    header: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Version:
    """A publisher's version of a file that it sent."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A file and its version; ``content`` is None if the known version is still current."""

    content: bytes | None
    version: Version


class Client:
    """Requests from the publisher at ``base_url``, the only host that gets the key.

    ``sleep`` waits a number of seconds, ``clock`` measures seconds, ``now`` gives the time in UTC. Raises
    QotGateError for an address that is not http, or not safe for a key.
    """

    def __init__(
        self,
        base_url: str,
        user_agent: str,
        *,
        key: Key | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._home = _address(base_url)
        if key is not None and self._home.scheme != "https" and not is_loopback(self._home.host):
            raise QotGateError(f"A key is sent over https alone, not to {self._home.host} over http.")
        self._key = key
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._asked: dict[str, float] = {}
        self._unreachable: set[str] = set()
        self._http = httpx.Client(headers={"User-Agent": user_agent}, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = "*/*",
        known: Version | None = None,
    ) -> Answer:
        """The file at ``url``, or the fact that the ``known`` version is current. Raises FetchError.

        A host that could not be reached for one file is not tried again for the next.
        """
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception_type(_MayPassError),
            sleep=self._sleep,
            reraise=True,
        )
        headers = {"Accept": accept}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        try:
            request = self._http.build_request("GET", url, params=params, headers=headers)
            host = request.url.host
            if host in self._unreachable:
                raise FetchError(f"{host} cannot be reached")
            return retrying(self._once, request)
        except _MayPassError as error:
            if isinstance(error, _UnreachableError):
                self._unreachable.add(host)
            # Not chained: the cause contains the request, and the request contains the key.
            raise FetchError(f"{error}, {ATTEMPTS} times") from None
        except httpx.InvalidURL:
            raise FetchError("its address is not a URL") from None

    def _once(self, request: httpx.Request) -> Answer:
        started = self._clock()
        try:
            with self._opened(request) as response:
                return self._read(response, started)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _UnreachableError(f"it cannot be reached ({str(error) or 'timed out'})") from None
        except httpx.TimeoutException:
            raise _MayPassError("it did not answer in time") from None
        except (httpx.ReadError, httpx.RemoteProtocolError):
            raise _MayPassError("its answer was cut short") from None
        except httpx.DecodingError:
            raise _MayPassError("its answer is compressed and broken") from None
        except httpx.TransportError:  # its message may quote the request
            raise _MayPassError("the connection to it failed") from None

    @contextmanager
    def _opened(self, request: httpx.Request) -> Iterator[httpx.Response]:
        """The answer at the end of the redirects, with its body unread."""
        for _ in range(REDIRECTS + 1):
            self._prepare(request)
            response = self._http.send(request, stream=True)
            try:
                if response.next_request is None:
                    yield response
                    return
                request = response.next_request
            finally:
                response.close()
        raise FetchError(f"it redirects more than {REDIRECTS} times")

    def _prepare(self, request: httpx.Request) -> None:
        url = request.url
        if url.scheme not in ("http", "https") or not url.host:
            raise FetchError(f"it redirects to an address that is not http, but {url.scheme or 'nothing'}")
        if self._key is not None:
            request.headers.pop(self._key.header, None)
            if _origin(url) == _origin(self._home):
                request.headers[self._key.header] = self._key.value
        since = self._clock() - self._asked.get(url.host, -PAUSE)
        if since < PAUSE:
            self._sleep(PAUSE - since)
        self._asked[url.host] = self._clock()

    def _read(self, response: httpx.Response, started: float) -> Answer:
        version = Version(response.headers.get("ETag"), response.headers.get("Last-Modified"))
        conditional = _CONDITIONS & response.request.headers.keys()
        if response.status_code == HTTPStatus.NOT_MODIFIED and conditional:
            return Answer(None, version)
        if response.status_code != HTTPStatus.OK:
            raise self._refused(response)
        length = response.headers.get("Content-Length", "")
        content = bytearray()
        if not length.isdecimal() or int(length) <= BODY_LIMIT:
            for part in response.iter_bytes():
                content += part
                if len(content) > BODY_LIMIT:
                    break
                if self._clock() - started > DEADLINE:
                    raise FetchError(f"it took longer than {DEADLINE:.0f} seconds")
            else:
                if not content.strip():
                    raise FetchError("its answer is empty")
                return Answer(bytes(content), version)
        raise FetchError(f"it is larger than {BODY_LIMIT >> 20} MiB")

    def _refused(self, response: httpx.Response) -> Exception:
        code = response.status_code
        reason = f"it answered {code}"
        with suppress(ValueError):
            reason += f" {HTTPStatus(code).phrase}"
        if code in _MAY_PASS or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait = self._retry_after(response)
            if wait <= LONGEST_WAIT:
                return _MayPassError(reason, wait)
            reason += f" and asks to be left alone for {wait:,.0f} seconds"
        elif code in _ABOUT_THE_KEY and self._key is not None:
            reason += ": the key is not known there, or not for this"
        return FetchError(reason)

    def _retry_after(self, response: httpx.Response) -> float:
        """Seconds to wait, from Retry-After (a number or a date); 0 if it is neither."""
        text = response.headers.get("Retry-After", "").strip()
        if text.isdecimal():
            return float(text)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - self._now()).total_seconds())


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _MayPassError) else 0.0
    return max(asked, _BACK_OFF(state))


def _address(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise QotGateError(f"--base-url takes an address that begins with https://, not {text!r}.")
    return url


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
