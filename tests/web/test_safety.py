"""Which callers may ask, under which host name, and what a browser may do with the answer."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import qotgate.web
from qotgate.service.loading import LoadReport
from qotgate.store import Store
from qotgate.web.bodies import MAX_BODY
from tests.support.commands import run
from tests.support.serving import Serving, serving, serving_process, until

TOKEN = "a-token-of-twenty-four-c"
ROOM = Path(str(qotgate.web.__file__)).parent
PATHS = (
    "/",
    "/ratings",
    "/data",
    "/securities/US.TSLA",
    "/api/v1/ark/dynamics/US.TSLA",
    "/metrics",
    "/events",
)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:8080",
        "127.0.0.1:80.evil.example",
        "localhost:x",
        "",
        "10.0.0.1",
        "[::2]:1",
    ],
)
def test_another_name_is_refused(web: httpx.Client, host: str) -> None:
    for path in ("/", "/api/v1/ark/dynamics/US.TSLA", "/static/site.css", "/healthz"):
        answer = web.get(path, headers={"Host": host})
        assert answer.status_code in (400, 421), host
        assert "TSLA" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080"])
def test_names_of_loopback_are_taken(web: httpx.Client, host: str) -> None:
    assert web.get("/healthz", headers={"Host": host}).status_code == 200


def test_without_a_token_it_listens_on_loopback_alone(sample_url: str) -> None:
    done = run("serve", "--port", "0", "--http-port", "0", "--http-host", "0.0.0.0", "--db", sample_url)
    assert done.returncode == 2
    assert "--http-host 0.0.0.0 is open to other machines: name a token" in done.stderr
    done = run("serve", "--port", "0", "--http-port", "0", "--http-token", "short", "--db", sample_url)
    assert (done.returncode, "at least 16 characters" in done.stderr) == (2, True)


@pytest.fixture(scope="module")
def guarded(sample_url: str) -> Iterator[str]:
    options = ("--http-port", "0", "--http-host", "0.0.0.0", "--http-token", TOKEN, "--lang", "en")
    with serving(sample_url, *options) as gateway:
        yield str(gateway.pages).replace("0.0.0.0", "127.0.0.1")


def test_a_token_is_asked_for(guarded: str) -> None:
    with httpx.Client(base_url=guarded) as web:
        for path in PATHS:
            answer = web.get(path, headers={"Accept": "application/json"})
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert web.get(path, headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
            assert web.get(path, headers={"Cookie": f"qotgate_token={TOKEN}"}).status_code == 401
        assert web.get("/healthz").status_code == 200
        told = web.get("/api/v1/ark/dynamics/US.TSLA", headers={"Authorization": f"Bearer {TOKEN}"})
        assert told.json()["net_shares"] == 76041


def test_signing_in(guarded: str) -> None:
    with httpx.Client(base_url=guarded, headers={"Accept": "text/html", "Accept-Language": "en"}) as web:
        away = web.get("/ratings")
        assert (away.status_code, away.headers["Location"]) == (303, "/sign-in")
        wrong = web.post("/sign-in", data={"token": "nope"})
        assert (wrong.status_code, "The token is wrong." in wrong.text) == (401, True)
        assert web.get("/ratings").status_code == 303
        right = web.post("/sign-in", data={"token": TOKEN})
        assert right.status_code == 303
        cookie = right.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert web.get("/ratings").status_code == 200


def test_a_browser_is_held_to_what_is_ours(web: httpx.Client) -> None:
    for path in (*PATHS[:6], "/nothing", "/static/site.js", "/static/vendor/uPlot.iife.min.js"):
        headers = web.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_page_has_script_or_style_within_or_from_elsewhere() -> None:
    for template in (ROOM / "templates").glob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://|\|\s*safe", text), template
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), template


@pytest.mark.parametrize(
    "path", ["/ratings?market=US", "//evil.example/x", "https://evil.example", "/\\evil", ""]
)
def test_a_choice_leads_back_to_a_page_of_ours(web: httpx.Client, path: str) -> None:
    answer = web.post("/preferences", data={"theme": "dark", "to": path})
    assert answer.status_code == 303
    assert answer.headers["Location"] == (path if path.startswith("/ratings") else "/")
    assert "theme=dark" in answer.headers["Set-Cookie"]
    assert "Set-Cookie" not in web.post("/preferences", data={"theme": "x", "lang": "fr"}).headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../site.py",
        "/static/%2e%2e/site.py",
        "/static/..%2f..%2fstore/tables.py",
        "/files/../../etc/passwd",
        "/files/0",
        "/files/99999999999999999999",
        "/files/1'%20OR%201=1",
        "/securities/US.%27%3B--",
        "/securities/%00",
        "/search?q=%27%20OR%201%3D1%20--",
        "/ratings?institution=%27%3B%20DROP%20TABLE%20note%3B--",
        "/data/files?before=-1",
    ],
)
def test_no_path_and_no_sql_is_taken_from_anyone(sample_site: Serving, path: str) -> None:
    address = str(sample_site.pages).removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), 10) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 303, 404, 422), answer[:200]
    assert not re.search(rb"root:|import |sqlite|Traceback", answer)


def test_names_from_files_are_shown_as_they_are(store: Store, load_text: Callable[..., LoadReport]) -> None:
    load_text(
        notes="ticker,name,firm,rating,price_target,date\n"
        "XSS,<script>alert(1)</script>,<img src=x onerror=alert(1)>,Buy,10,2026-06-01\n"
    )
    options = ("--http-port", "0", "--lang", "en")
    with serving(store.url, *options) as gateway:
        for path in ("/", "/ratings", "/securities/US.XSS", "/search?q=%3Cscript", "/files/1"):
            text = httpx.get(f"{gateway.pages}{path}", follow_redirects=True).text
            assert "<script>alert" not in text
            assert "<img" not in text
            assert "&lt;script&gt;alert" in text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_spends_no_allowance_and_chooses_nothing(sample_url: str, site: str) -> None:
    fetched = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    followed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    path = "/api/v1/ark/dynamics/US.TSLA"
    with (
        serving(sample_url, "--http-port", "0", "--rate-limit", "3/600s", "--lang", "en") as gateway,
        httpx.Client(base_url=str(gateway.pages)) as client,
    ):
        for _ in range(5):
            assert client.get(path, headers=fetched).status_code == 403
            assert client.get(path, headers=followed).status_code == 403
        for headers in (fetched, followed, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            answer = client.post("/preferences", data={"lang": "zh"}, headers=headers)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
        assert client.get("/", headers=followed).status_code == 200
        own = {"Origin": str(gateway.pages), "Sec-Fetch-Site": "same-origin"}
        for headers in (own, {"Origin": str(gateway.pages)}, {}):
            assert client.post("/preferences", data={"lang": "zh"}, headers=headers).status_code == 303
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/healthz", "/sign-in", "/api/v1/ark/holdings", "/nowhere", "/static/site.css"]
)
def test_no_large_body_is_read(web: httpx.Client, method: str, path: str) -> None:
    for length in (MAX_BODY + 1, 1 << 40):
        request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\nx"
        assert " 413 " in answer_of(web, request.encode())
    chunked = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert " 413 " in answer_of(web, chunked + b"1\r\nx\r\n" * (MAX_BODY + 1))
    assert " 413 " not in answer_of(web, chunked + b"1\r\nx\r\n" * 9 + b"0\r\n\r\n")


def answer_of(web: httpx.Client, request: bytes) -> str:
    """The first line of the answer; then the connection ends."""
    with socket.create_connection((web.base_url.host, web.base_url.port or 0), 10) as connection:
        connection.sendall(request)
        line = connection.recv(1 << 16).decode().partition("\r\n")[0]
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
    return line


def test_a_long_line_is_refused_by_its_bound(web: httpx.Client) -> None:
    taken = web.get("/healthz", params={"codes": "x" * 30_000})
    refused = web.get("/healthz", params={"codes": "x" * 40_000})
    assert (taken.status_code, refused.status_code) == (200, 400)
    assert "up to 32,768 bytes" in refused.text


def test_half_a_body_is_no_failure(sample_url: str, tmp_path: Path) -> None:
    half = b"POST /%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\ntoken="
    with (tmp_path / "log").open("w") as file:
        options = ("--http-port", "0", "--log-format", "json")
        with serving_process(sample_url, *options, stderr=file.fileno()) as gateway:
            url = httpx.URL(str(gateway.pages))
            for path in (b"sign-in", b"preferences", b"healthz", b"nowhere") * 5:
                with socket.create_connection((url.host, url.port or 0), 10) as connection:
                    connection.sendall(half % path)
            counted = 'path="other",status="400"} 20.0'
            until(lambda: counted in httpx.get(url.join("/metrics")).text)
            gateway.stop()
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "request failed" not in log
    assert len(log) < 4096
