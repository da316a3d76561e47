"""No flood of one peer delays another client by half a second, on any port."""

import ssl
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from qotgate.protocol.frame import Frame
from tests.support.floods import bystander, flood, half_open
from tests.support.serving import Serving, ServingProcess, serving_process

pytestmark = pytest.mark.slow

MAX_WAIT = 0.5
"""Longest wait of the bystander, in seconds of the gateway's work."""
TRIES = 3
"""Other work slows the gateway down: a flood fails only if it delays the bystander in each attempt."""

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PINGS = b"\x89\x80\0\0\0\0" * 40_000
PONGS = b"\x8a\x80\0\0\0\0" * 40_000
FRAGMENTS = b"\x00\x80\0\0\0\0" * 40_000
TEXTS = b"\x82\x80\0\0\0\0" * 40_000
POST = "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"1\r\nx\r\n" * 40_000
HEADERS = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"a: b\r\n" * 40_000
REQUESTS = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 5_000


def init(body: bytes, body_format: int = 0) -> bytes:
    return Frame(1001, body_format, 1, body).encode()


# clientVer 1, clientID "x".
INIT = b"\x0a\x05\x08\x01\x12\x01x"
INITS = {
    "a right one again": init(INIT),
    "none of its fields": init(b"\x0a\x00"),
    "no message": init(b"\xff" * 20),
    "JSON": init(b'{"c2s": {"clientVer": 1, "clientID": "x"}}', 1),
    "JSON nested deep": init(b'{"c2s":' * 900 + b"1" + b"}" * 900, 1),
    "a long JSON list": init(b'{"c2s": [' + b"1," * 200_000 + b"1]}", 1),
    "many JSON names": init(b'{"c2s": {' + b",".join(b'"n%d": 1' % n for n in range(60_000)) + b"}}", 1),
    "a name of a megabyte": init(b"\x0a\x84\x80\x3c\x08\x01\x12\xff\xff\x3b" + b"x" * 983_039),
    "a wrong digest": init(INIT)[:-1] + b"\0",
    "an unknown format": init(INIT, 9),
    "an unserved interface": Frame(3001, 0, 1, b"").encode(),
    "a sign of life": Frame(1004, 0, 1, b"\x0a\x02\x08\x01").encode(),
}


def on_tcp(gateway: Serving, data: bytes) -> Callable[[], None]:
    return partial(flood, gateway.port, init(INIT), data)


def floods(gateway: Serving, tls: ssl.SSLContext | None) -> Iterator[tuple[str, Callable[[], None]]]:
    assert gateway.websocket
    assert gateway.pages
    ws, http = (int(url.rsplit(":", 1)[1]) for url in (gateway.websocket, gateway.pages))
    for name, data in (
        ("pings", PINGS),
        ("pongs", PONGS),
        ("fragments", b"\x02\x80\0\0\0\0" + FRAGMENTS),
        ("empty messages", TEXTS),
        ("garbage frames", bytes(range(256)) * 400),
        ("a long frame", b"\x82\xff" + struct.pack(">Q", 1 << 62) + bytes(100_000)),
    ):
        yield f"WebSocket: {name}", partial(flood, ws, UPGRADE, data, tls)
    yield "WebSocket: headers", partial(flood, ws, UPGRADE[:-2], b"a: b\r\n" * 40_000, tls)
    for path in ("/healthz", "/api/v1/ark/holdings", "/nowhere"):
        yield f"HTTP: chunks to {path}", partial(flood, http, POST.format(path).encode(), CHUNKS)
    for name, data in (
        ("headers", HEADERS),
        ("requests", REQUESTS),
        ("garbage", bytes(range(256)) * 400),
        ("a long line", b"GET /" + b"a" * 200_000),
    ):
        yield f"HTTP: {name}", partial(flood, http, data, data)
    yield "HTTP: 300 idle", half_open(http, b"", 300)
    yield (
        "HTTP: 300 half requests",
        half_open(http, b"POST /sign-in HTTP/1.1\r\nContent-Length: 9\r\n\r\nx", 300),
    )
    yield "TCP: 100 half open", half_open(gateway.port, b"FT", 100)
    yield "TCP: garbage", partial(flood, gateway.port, bytes(100), bytes(100_000))
    for name, packet in INITS.items():
        yield f"TCP: {name}", on_tcp(gateway, packet * max(1, 200_000 // len(packet)))


def see_that_none_waits(gateway: ServingProcess, cert: Path | None = None) -> None:
    tls = ssl.create_default_context(cafile=str(cert)) if cert else None
    found = {}
    for name, run in floods(gateway, tls):
        for _ in range(TRIES):
            with bystander(gateway, cert) as waits:
                run()
            if max(waits.values()) <= MAX_WAIT:
                break
        else:
            found[name] = {kind: round(wait, 2) for kind, wait in waits.items()}
    assert not found


OPTIONS = ("--rate-limit", "off", "--lang", "en", "--websocket-port", "0", "--http-port", "0")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_flood_is_not_in_the_way(sample_url: str, workers: str) -> None:
    with serving_process(sample_url, *OPTIONS, "--workers", workers) as gateway:
        see_that_none_waits(gateway)


def test_nor_under_tls(sample_url: str, certificate: tuple[Path, Path]) -> None:
    cert, key = map(str, certificate)
    tls = ("--websocket-cert", cert, "--websocket-private-key", key)
    with serving_process(sample_url, *OPTIONS, *tls) as gateway:
        see_that_none_waits(gateway, certificate[0])


def test_nor_on_postgresql(postgresql_sample: str) -> None:
    with serving_process(postgresql_sample, *OPTIONS) as gateway:
        see_that_none_waits(gateway)
