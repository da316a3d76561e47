"""Protects the pages from other web sites.

Any web page can have its visitor's browser send requests to 127.0.0.1, under a name that resolves to that
address (DNS rebinding). So on loopback only loopback names are accepted as Host. Beyond loopback a token is
required, which such a page cannot know; any Host is accepted there. A browser names the site of the page
behind a request (Sec-Fetch-Site, Origin): other sites' pages cannot use up the allowance or set cookies.
Pages load nothing from other sites, and contain no inline script or style, so a name in a file can at worst
look ugly.
"""

import hmac
import re
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qotgate.model import is_loopback
from qotgate.web.connections import SPARE
from qotgate.web.problems import problem

if TYPE_CHECKING:
    from qotgate.web.site import Site

COOKIE = "qotgate_token"
HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?")
"""A Host header: a name or address, and an optional port (RFC 9110, 7.2)."""
PROBES = ("/healthz", "/readyz")
"""Paths that are answered whatever the number of open connections."""
OPEN_PATHS = (*PROBES, "/sign-in", "/preferences")
"""Paths that are answered without the token: they contain no data. Static files are open too."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def pass_of(token: str) -> str:
    """The value of the cookie: it proves the token without containing it."""
    return hmac.digest(token.encode(), b"qotgate pages", sha256).hex()


class Safety:
    """Checks the client's token and the host name of the request; sets the headers that restrict the
    browser."""

    def __init__(self, app: ASGIApp, site: "Site") -> None:
        self._app = app
        self._names_matter = is_loopback(site.options.host)
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_safely)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        path = scope["path"]
        if scope.get("state", {}).get(SPARE) and path not in PROBES:
            detail = "Too many connections are open, in all or from one address; only probes are answered."
            return problem(503, detail, headers={"Connection": "close", "Retry-After": "1"})
        if self._names_matter and not is_loopback(_host(headers.get("host", ""))):
            return problem(421, "The Host header takes localhost or 127.0.0.1 here.")
        if path not in PROBES and _from_another_site(scope, headers):
            return problem(403, "Pages of other sites cannot ask here; links to the pages can be followed.")
        token = self._site.options.token
        if token is None or path in OPEN_PATHS or path.startswith("/static/"):
            return None
        if knows_token(headers, token):
            return None
        if "authorization" in headers:
            self._site.tell_wrong_token(scope)
        if "text/html" in headers.get("accept", "") and not path.startswith("/api/"):
            return RedirectResponse("/sign-in", 303)
        detail = "Authorization takes `Bearer TOKEN` with the token that the gateway was started with."
        return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def knows_token(headers: Headers, token: str) -> bool:
    """Whether the caller knows the token, or has signed in with it."""
    scheme, _, told = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and same(told.strip(), token):
        return True
    cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
    return same(cookie, pass_of(token))


def same(told: str, known: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(told.encode(), known.encode())


def _host(header: str) -> str:
    """The host in a Host header, without the port; empty for a malformed header."""
    found = HOST.fullmatch(header)
    return found[1].strip("[]") if found else ""


def _from_another_site(scope: Scope, headers: Headers) -> bool:
    """Whether another site's page caused the request.

    A link to one of the pages may be followed: it changes nothing and does not count towards the allowance.
    Programs other than browsers send no site.
    """
    site = headers.get("sec-fetch-site")
    if site is None:
        # Over plain HTTP from another machine, a browser sends only the Origin of a form.
        origin = headers.get("origin")
        return origin is not None and urlsplit(origin).netloc != headers.get("host")
    if site in ("same-origin", "none"):
        return False
    link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not link or scope["method"] != "GET" or scope["path"].startswith("/api/")
