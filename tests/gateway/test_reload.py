"""SIGHUP: the options are read again and apply at once, in all workers, all of them or none, and no client is
disconnected."""

import os
import signal
import ssl
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.messages import ProtoId
from qotgate.serving.settings import NEXT_START, OPTIONS
from tests.support.certificates import make_certificate
from tests.support.logs import reloading
from tests.support.serving import until
from tests.support.websocket import WebSocket
from tests.support.wire import Wire


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_changed_allowance_keeps_what_was_granted(sample_url: str, tmp_path: Path, workers: str) -> None:
    options = ("--workers", workers)
    with reloading(tmp_path, sample_url, 'rate_limit = "5/3600s"', *options) as running:
        with Wire(running.gateway.port) as wire:
            assert [wire.dynamic().retType for _ in range(6)] == [0] * 5 + [-1]
            told = running.reload('rate_limit = "8/3600s"')
            assert told["changed"] == ["rate_limit"]
            granted = []

            def refused_again() -> bool:
                # Until the worker gets the signal, it applies the old limit.
                granted.append(wire.dynamic().retType)
                return granted.count(0) == 3 and granted[-1] == -1

            until(refused_again)
            assert [wire.dynamic().retType for _ in range(3)] == [-1] * 3
            running.reload('rate_limit = "2/3600s"')
            assert wire.dynamic().retType == -1
            running.reload('rate_limit = "off"')
            until(lambda: bool(wire.dynamic().retType == 0))
            running.reload('rate_limit = "9/3600s"')
        assert running.gateway.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_wrong_changes_nothing(sample_url: str, tmp_path: Path, workers: str) -> None:
    right = 'lang = "en"\nmax_connections = 2\n'
    options = ("--workers", workers, "--http-port", "0")
    wrongs = (
        ('lang = "fr"\nmax_connections = 1', "--lang takes zh or en"),
        ("lang = ", "qotgate.toml is not valid TOML"),
        ('langue = "S3CRET"\n', "qotgate.toml has an unknown option langue; did you mean lang?"),
        (right + 'rsa_key = "/nowhere.pem"', "RSA key /nowhere.pem cannot be read"),
        (right + 'rate_limit = "many"', "--rate-limit takes"),
        (right + 'tables = "/nowhere"', "/nowhere"),
        (right + 'http_token = "short"', "--http-token takes at least 16 characters"),
        (right + 'websocket_port = 1\nwebsocket_cert = "x.pem"', "go together"),
    )
    with reloading(tmp_path, sample_url, right, *options) as running, Wire(running.gateway.port) as wire:
        for text, reason in wrongs:
            told = running.reload(text, "configuration kept")
            assert (told["level"], reason in told["reason"]) == ("error", True), told
        assert not running.lines.all("configuration reloaded")
        assert "S3CRET" not in running.lines.text
        assert "MARKET.CODE" in wire.dynamic("no such *").retMsg or wire.dynamic().retType == 0
        with Wire(running.gateway.port):
            pass
        assert running.gateway.stop() == 0


def test_what_takes_a_restart_is_named(sample_url: str, tmp_path: Path) -> None:
    with reloading(tmp_path, sample_url, "") as running, Wire(running.gateway.port) as wire:
        text = 'host = "127.0.0.2"\nworkers = 3\nlang = "en"\nwebsocket_port = 12345\nhandover = "/tmp/x"'
        assert running.reload(text)["changed"] == ["lang"]
        (told,) = running.lines.wait_for("options take a restart")
        assert told["options"] == ["handover", "host", "websocket_port", "workers"]
        assert wire.dynamic("NVDA").retType == 0
    assert set(NEXT_START) - {"limit_store"} <= set(OPTIONS)


def test_each_option_holds_at_once(sample_url: str, tmp_path: Path) -> None:
    tokens = ("token-of-yesterday", "token-of-today-it-is")
    text = 'lang = "zh"\nhttp_token = "{}"\n'
    with reloading(tmp_path, sample_url, text.format(tokens[0]), "--http-port", "0") as running:
        gateway = running.gateway
        assert gateway.pages is not None

        def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return httpx.get(f"{gateway.pages}/api/v1/ark/dynamics/US.TSLA", headers=headers).status_code

        def name(wire: Wire) -> str:
            answer = wire.ask(ProtoId.Qot_GetRatingChange, market=11, count=1)
            return str(answer.s2c.dataList[0].name)

        with Wire(gateway.port) as wire:
            chinese = name(wire)
            assert (status(tokens[0]), status(tokens[1])) == (200, 401)
            window = wire.dynamic().s2c
            told = running.reload(
                text.format(tokens[1]).replace("zh", "en")
                + 'max_connections = 1\nkeep_alive_interval = 77\nwindow_days = 1\nlog_level = "debug"\n'
            )
            assert told["changed"] == [
                "http_token", "keep_alive_interval", "lang", "log_level", "max_connections", "window_days",
            ]  # fmt: skip
            assert name(wire) != chinese
            assert wire.dynamic().s2c != window
            assert (status(tokens[0]), status(tokens[1])) == (401, 200)
            assert not set(tokens) & set(running.lines.text.split('"'))
            assert running.lines.all("request")
            with Wire(gateway.port, init=False) as second:
                assert second.ask(ProtoId.InitConnect, clientVer=1, clientID="x").retType == -1
        until(lambda: len(running.lines.all("connection closed")) == 1)
        with Wire(gateway.port, init=False) as later:
            answer = later.ask(ProtoId.InitConnect, clientVer=1, clientID="x", packetEncAlgo=-1)
            assert answer.s2c.keepAliveInterval == 77


def test_keys_and_certificates_are_read_again_under_the_same_names(sample_url: str, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(RsaKey.generate(1024).pem())
    cert, private = tmp_path / "tls.crt", tmp_path / "tls.key"

    def served() -> str:
        assert running.gateway.websocket is not None
        trusting = ssl.create_default_context(cafile=cert)
        with connect(running.gateway.websocket, ssl=trusting, compression=None) as client:
            WebSocket(client).init("")
            return str(client.socket.getpeercert()["serialNumber"])  # type: ignore[attr-defined]  # over TLS

    make_certificate(cert, private)
    text = f'rsa_key = "{key}"\nwebsocket_cert = "{cert}"\nwebsocket_private_key = "{private}"\n'
    options = ("--websocket-port", "0")
    with reloading(tmp_path, sample_url, text, *options) as running:
        first = served()
        make_certificate(cert, private)
        key.write_bytes(RsaKey.generate(2048).pem())
        told = running.reload(text)
        assert told["changed"] == ["rsa_key", "websocket_cert", "websocket_private_key"]
        assert served() != first
        from qotgate import QuoteClient

        with QuoteClient(port=running.gateway.port, rsa_key=key) as client:
            assert client.ark_dynamic("US.TSLA").net_shares
        private.write_text("nothing")
        told = running.reload(text, "configuration kept")
        assert "cannot be used" in told["reason"]
        assert running.gateway.process.poll() is None


def test_a_gateway_that_loses_its_terminal_ends(sample_url: str) -> None:
    import pty
    import subprocess

    from tests.support.serving import QOTGATE

    ours, its = pty.openpty()
    command = [*QOTGATE, "serve", "--port", "0", "--no-http", "--db", sample_url]
    with subprocess.Popen(
        command, stdin=its, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        os.close(its)
        assert process.stdout is not None
        process.stdout.readline()
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 0
