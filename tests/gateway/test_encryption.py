"""Encrypted sessions: by a bare client for each cipher, and by the published Python client."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qotgate.protocol.body import decode, encode
from qotgate.protocol.cipher import AesCipher, PacketEncAlgo, RsaKey
from qotgate.protocol.frame import Frame, Packet
from qotgate.protocol.messages import REQUESTS, RESPONSES, ProtoId
from qotgate.serving.running import announce
from qotgate.serving.settings import read_settings
from tests.support.documents import example, output
from tests.support.published import as_run, run_script
from tests.support.serving import Serving, serving
from tests.support.wire import Wire

ENCRYPTED = "SysConfig.enable_proto_encrypt(True)\nSysConfig.set_init_rsa_file({key!r})\n"
KEY_ONLY = "SysConfig.set_init_rsa_file({key!r})\n"


@pytest.fixture(scope="module", params=[1024, 2048])
def key_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key.pem"
    path.write_bytes(RsaKey.generate(request.param).pem())
    return path


@pytest.fixture(scope="module")
def gateway(sample_url: str, key_file: Path) -> Iterator[Serving]:
    with serving(sample_url, "--rsa-key", str(key_file), "--lang", "en", "--rate-limit", "off") as gateway:
        yield gateway


def raw(wire: Wire) -> Packet:
    """The next packet as it arrived."""
    parser = wire._parser
    while True:
        for packet in parser.feed(wire.socket.recv(1 << 16)):
            return packet


def init(wire: Wire, key: RsaKey, algorithm: int | None, **fields: Any) -> tuple[Any, bool]:
    """InitConnect under ``key``: the answer, and whether it was encrypted with the key."""
    if algorithm is not None:
        fields["packetEncAlgo"] = algorithm
    request = REQUESTS[ProtoId.InitConnect](c2s={"clientVer": 1, "clientID": "x" * 150, **fields})
    wire.send(Frame(1001, 0, 1, encode(request, 0)).encode(key.encrypt))
    packet = raw(wire)
    frame = packet.open()
    if frame.intact:
        return decode(RESPONSES[ProtoId.InitConnect], frame.body, 0), False
    return decode(RESPONSES[ProtoId.InitConnect], packet.open(key.decrypt).body, 0), True


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        (0, PacketEncAlgo.FTAES_ECB),
        (1, PacketEncAlgo.AES_ECB),
        (2, PacketEncAlgo.AES_CBC),
        (None, PacketEncAlgo.FTAES_ECB),
    ],
)
def test_each_cipher(gateway: Serving, key_file: Path, asked: int | None, used: PacketEncAlgo) -> None:
    key = RsaKey.load(key_file)
    with Wire(gateway.port, init=False) as wire:
        answer, encrypted = init(wire, key, asked)
        assert encrypted
        s2c = answer.s2c
        assert (len(s2c.connAESKey), len(s2c.aesCBCiv)) == (16, 16 if used is PacketEncAlgo.AES_CBC else 0)
        cipher = AesCipher(used, s2c.connAESKey.encode(), s2c.aesCBCiv.encode() or bytes(16))
        for serial in range(2, 5):
            request = REQUESTS[ProtoId.Qot_GetArkStockDynamic]()
            request.c2s.security.market, request.c2s.security.code = 11, "TSLA"
            wire.send(Frame(3424, 0, serial, encode(request, 0)).encode(cipher.encrypt))
            packet = raw(wire)
            assert not packet.open().intact
            frame = packet.open(cipher.decrypt)
            assert frame.serial == serial
            assert decode(RESPONSES[ProtoId.Qot_GetArkStockDynamic], frame.body, 0).s2c.netShares == 76041
        # From now on plain packets are refused, and undecryptable ones get an encrypted answer.
        for body in (Frame(1004, 0, 9, b"\x0a\x02\x08\x01").encode(), Frame(1004, 0, 9, b"").encode()):
            wire.send(body)
            frame = raw(wire).open(cipher.decrypt)
            assert decode(RESPONSES[ProtoId.KeepAlive], frame.body, 0).retType == -500


def test_none_leaves_the_rest_plain(gateway: Serving, key_file: Path) -> None:
    with Wire(gateway.port, init=False) as wire:
        answer, encrypted = init(wire, RsaKey.load(key_file), -1)
        assert (answer.retType, encrypted) == (0, False)
        assert wire.dynamic().s2c.netShares == 76041


def test_another_cipher_is_refused_by_its_number(gateway: Serving, key_file: Path) -> None:
    with Wire(gateway.port, init=False) as wire:
        answer, encrypted = init(wire, RsaKey.load(key_file), 7)
        assert (answer.retType, encrypted) == (-1, False)
        assert answer.retMsg.startswith("packetEncAlgo takes 0 (FTAES_ECB)")


def test_a_refused_init_opens_no_door_for_a_plain_one(gateway: Serving, key_file: Path) -> None:
    with Wire(gateway.port, init=False) as wire:
        assert init(wire, RsaKey.load(key_file), 7)[0].retType == -1
        answer = wire.ask(ProtoId.InitConnect, clientVer=1, clientID="plain", packetEncAlgo=-1)
        assert (answer.retType, "--allow-plaintext" in answer.retMsg) == (-1, True)


def test_an_init_that_is_too_long_for_the_key_is_not_worked_on(
    gateway: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_on: list[bytes] = []
    monkeypatch.setattr(RsaKey, "decrypt", lambda _key, body: worked_on.append(body))
    with Wire(gateway.port, init=False) as wire:
        wire.send(Frame(1001, 0, 1, b"").encode(lambda _body: bytes(1 << 20)))
        assert wire.answer().retType == -500
    assert worked_on == []


def test_a_plain_client_is_refused_and_told_why(gateway: Serving) -> None:
    with Wire(gateway.port, init=False) as wire:
        answer = wire.ask(ProtoId.InitConnect, clientVer=1, clientID="plain", packetEncAlgo=-1)
        assert answer.retType == -1
        assert "--allow-plaintext" in answer.retMsg
        assert wire.dynamic().retType == -1


def test_a_wrong_key_is_refused(gateway: Serving, key_file: Path) -> None:
    bits = 1024 if key_file.stat().st_size < 1200 else 2048
    for wrong in (RsaKey.generate(bits), RsaKey.generate(3072 - bits)):
        with Wire(gateway.port, init=False) as wire:
            answer, encrypted = init(wire, wrong, 2)
            assert (answer.retType, encrypted) == (-500, False)
            assert "--rsa-key" in answer.retMsg


def test_an_encrypted_client_on_a_plain_gateway_is_refused(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port, init=False) as wire:
        answer, encrypted = init(wire, RsaKey.generate(1024), 2)
        assert (answer.retType, encrypted) == (-500, False)
        assert "--rsa-key" in answer.retMsg


def test_plaintext_may_be_allowed(sample_url: str, key_file: Path) -> None:
    with serving(sample_url, "--rsa-key", str(key_file), "--allow-plaintext") as gateway:
        with Wire(gateway.port) as plain:
            assert plain.dynamic().retType == 0
        with Wire(gateway.port, init=False) as wire:
            assert init(wire, RsaKey.load(key_file), 2)[1]


@pytest.fixture(scope="module")
def small_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "key.pem"
    path.write_bytes(RsaKey.generate(1024).pem())
    return path


@pytest.mark.parametrize("settings", [ENCRYPTED, KEY_ONLY], ids=["encrypted", "key alone"])
@pytest.mark.parametrize("package", ["futu", "moomoo"])
def test_the_published_client_runs_the_documents_examples(
    sample_url: str, small_key: Path, shared_data: Path, tmp_path: Path, package: str, settings: str
) -> None:
    reference = shared_data.parent / "reference"
    with serving(sample_url, "--rsa-key", str(small_key)) as gateway:
        for name in ("dynamic", "rating"):
            head, rest = as_run(example(reference, name), package, gateway.port, json=False).split(
                "import *\n"
            )
            script = head + "import *\n" + settings.format(key=str(small_key)) + rest
            lines = run_script(script, tmp_path)
            documented = [line for line in output(reference, name) if "5904" not in line]
            assert [line for line in lines if line in documented] == documented


@pytest.mark.parametrize("package", ["futu"])
def test_a_published_client_with_a_wrong_key_hears_within_a_second(
    sample_url: str, small_key: Path, tmp_path: Path, package: str
) -> None:
    """The client itself retries for ever; the test measures when its first attempt has failed."""
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(RsaKey.generate(1024).pem())
    script = f"""
import time
from {package} import *
from {package}.common import open_context_base
SysConfig.enable_proto_encrypt(True)
SysConfig.set_init_rsa_file({str(wrong)!r})
started = time.monotonic()
class Heard(Exception):
    pass
def stop(_seconds):
    raise Heard
open_context_base.sleep = stop
try:
    OpenQuoteContext(host='127.0.0.1', port={{port}})
except Heard:
    print('seconds', time.monotonic() - started, flush=True)
import os
os._exit(0)
"""
    with (
        serving(sample_url, "--rsa-key", str(small_key)) as gateway,
        Wire(gateway.port, init=False) as bystander,
    ):
        started = time.monotonic()
        lines = run_script(script.replace("{port}", str(gateway.port)), tmp_path)
        (line,) = [line for line in lines if line.startswith("seconds")]
        assert float(line.split()[1]) < 1
        assert time.monotonic() - started < 30
        assert init(bystander, RsaKey.load(small_key), 2)[1]


@pytest.mark.parametrize(
    ("host", "key", "warned"),
    [
        ("0.0.0.0", None, True),
        ("::", None, True),
        ("example.org", None, True),
        ("0.0.0.0", "key.pem", False),
        ("127.0.0.1", None, False),
        ("::1", None, False),
        ("localhost", None, False),
    ],
)
def test_listening_beyond_loopback_without_a_key_is_warned_of(
    host: str, key: str | None, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings(host=host, rsa_key=key)
    announce([f"{host}:11111"], settings)
    printed = capsys.readouterr()
    assert printed.out.startswith(f"qotgate listens on {host}:11111 and answers from ")
    assert (f"{host} is open to other machines, and not all is encrypted" in printed.err) is warned
