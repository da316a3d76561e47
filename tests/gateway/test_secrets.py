"""No secret is ever printed or logged, with or without an error."""

import hashlib
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from websockets.sync.client import connect

from qotgate import QuoteClient
from qotgate.protocol.cipher import RsaKey
from qotgate.serving.kinds import SECRET_TEXT
from qotgate.serving.log import Harmless
from qotgate.serving.secrecy import secrets_of
from qotgate.serving.settings import OPTIONS, SECRET, read_settings
from qotgate.web.safety import pass_of
from tests.support.logs import reloading
from tests.support.serving import QOTGATE
from tests.support.websocket import WebSocket

TOKEN = "MARKER-http-token-0123456789"
KEY = "MARKER-websocket-key"
PASSWORD = "MARKER-pa/ss:w@rd"
MD5 = hashlib.md5(KEY.encode(), usedforsecurity=False).hexdigest()
SECRETS = (TOKEN, pass_of(TOKEN), KEY, MD5, PASSWORD, quote(PASSWORD, safe=""), "MARKER")


def test_a_gateway_at_work_tells_none(sample_url: str, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    pem = RsaKey.generate(1024).pem()
    key.write_bytes(pem)
    text = (
        f'http_token = "{TOKEN}"\nwebsocket_key = "{KEY}"\nrsa_key = "{key}"\n'
        'websocket_port = 0\nhttp_port = 0\nlog_level = "debug"\nslow_seconds = 0.000001\n'
    )
    with reloading(tmp_path, sample_url, text, "--http-port", "0") as running:
        gateway = running.gateway
        assert gateway.pages is not None and gateway.websocket is not None
        with httpx.Client(base_url=gateway.pages, timeout=60) as web:
            for headers in (
                {"Authorization": f"Bearer {TOKEN}"},
                {"Authorization": f"Bearer {TOKEN}MARKER"},
                {"Cookie": f"qotgate_token={pass_of(TOKEN)}; other=MARKER"},
                {"X-Request-ID": b"MARKER\x1b".decode(), "Accept": "text/html"},
            ):
                for path in ("/", "/api/v1/ark/dynamics/US.TSLA", "/nowhere", "/api/v1/ark/dynamics/x"):
                    web.get(path, params={"token": TOKEN, "q": "MARKER"}, headers=headers)
            web.post("/sign-in", data={"token": TOKEN})
            web.post("/sign-in", data={"token": TOKEN + "MARKER"})
        for told in (MD5, "MARKER-wrong"):
            with connect(gateway.websocket, compression=None) as client:
                WebSocket(client).init(told)
        with QuoteClient(port=gateway.port, rsa_key=key) as quote_client:
            assert quote_client.ark_dynamic("US.TSLA").net_shares
        for wrong in (
            text + f'http_tokens = "{TOKEN}"\n',
            text.replace(KEY, "x") + f'websocket_key_md5 = "{MD5}MARKER"\n',
            text.replace(f'"{TOKEN}"', '["MARKER"]'),
            text + f'db = "{TOKEN}',
            text.replace(str(key), str(tmp_path / "gateway.log")),
        ):
            running.reload(wrong, "configuration kept")
        running.reload(text.replace(TOKEN, TOKEN + "-2").replace(KEY, KEY + "-2"))
        assert gateway.stop() == 0
        assert gateway.process.stdout is not None
        printed = running.lines.text + gateway.process.stdout.read()
    assert printed.count('"event": "slow request"') > 10
    assert not [secret for secret in SECRETS if secret in printed]
    assert not [line for line in pem.decode().splitlines()[1:-1] if line in printed]


@pytest.mark.parametrize(
    "options",
    [
        ("--db", f"postgresql://user:{quote(PASSWORD, safe='')}@127.0.0.1:1/none"),
        ("--db", f"postgresql://user@127.0.0.1:1/none?password={quote(PASSWORD, safe='')}"),
        ("--db", f"postgresql://user:{PASSWORD}@[127.0.0.1/none"),
        ("--db", f"mysql://user:{quote(PASSWORD, safe='')}@127.0.0.1/none"),
        ("--http-token", "MARKER"),
        ("--websocket-key-md5", "MARKER"),
        ("--websocket-port", "0", "--websocket-key", KEY, "--websocket-key-md5", MD5),
        ("--rsa-key", "KEYFILE"),
        ("--http-host", "0.0.0.0", "--http-port", "0", "--websocket-key", KEY),
    ],
    ids=lambda options: " ".join(options)[:40],
)
@pytest.mark.slow
def test_one_that_cannot_start_tells_none(sample_url: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN RSA PRIVATE KEY-----\nMARKER\n-----END RSA PRIVATE KEY-----\n")
    wanted = [str(key) if option == "KEYFILE" else option for option in options]
    done = subprocess.run(
        [*QOTGATE, "serve", "--port", "0", *([] if "--db" in options else ["--db", sample_url]), *wanted],
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    printed = done.stdout + done.stderr
    assert printed.startswith("qotgate: ")
    assert not [secret for secret in SECRETS if secret in printed], printed


def test_each_option_that_is_secret_is_blanked_out() -> None:
    kept = [name for name, option in OPTIONS.items() if option.kind is SECRET_TEXT]
    keys = {"benzinga_key", "fmp_key", "websocket_key"}
    assert keys | {"http_token", "limit_store", "webhook_secret"} == set(kept)
    assert set(kept) <= set(SECRET)
    for name in kept:
        found = secrets_of(read_settings(**{name: f"MARKER-{name}"}))
        assert any(f"MARKER-{name}" in secret for secret in found)


def test_what_is_secret_is_blanked_out_wherever_it_comes_from() -> None:
    settings = read_settings(
        db=f"postgresql://user:{quote(PASSWORD, safe='')}@h/x", http_token=TOKEN, websocket_key=KEY
    )
    harmless = Harmless(secrets_of(settings))
    for secret in SECRETS[:-1]:
        shown = harmless(None, "", {"event": f"x{secret}y", "exception": f"\n{secret}", "list": [secret]})
        assert secret not in repr(shown)
        assert shown["event"] == "x***y"
