"""The ciphers, compared with recorded exchanges of another implementation (scripts/make_vectors.py)."""

import json
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from Crypto.Cipher import PKCS1_v1_5
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from qotgate.model import QotGateError
from qotgate.protocol.cipher import AesCipher, PacketEncAlgo, RsaKey
from qotgate.protocol.frame import Frame, FrameParser

VECTORS = Path(__file__).parent / "vectors"
ALGORITHMS = [PacketEncAlgo.FTAES_ECB, PacketEncAlgo.AES_ECB, PacketEncAlgo.AES_CBC]
AES = json.loads((VECTORS / "aes.json").read_text())


def cipher(algorithm: PacketEncAlgo) -> AesCipher:
    return AesCipher(algorithm, AES["key"].encode(), AES["iv"].encode())


def recorded(name: str, tmp_path: Path) -> tuple[RsaKey, dict[str, Any]]:
    vectors: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    (tmp_path / "key.pem").write_text(vectors["key"])
    return RsaKey.load(tmp_path / "key.pem"), vectors


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_aes_packets_are_those_that_were_recorded(algorithm: PacketEncAlgo) -> None:
    for serial, exchange in enumerate(AES["exchanges"][algorithm.name], 1):
        packet, plain = bytes.fromhex(exchange["packet"]), bytes.fromhex(exchange["plain"])
        (arrived,) = FrameParser().feed(packet)
        frame = arrived.open(cipher(algorithm).decrypt)
        assert frame == Frame(3424, 0, serial, plain, intact=True)
        assert frame.encode(cipher(algorithm).encrypt) == packet


@pytest.mark.parametrize("name", ["rsa1024", "rsa2048"])
def test_rsa_packets_that_were_recorded_open(name: str, tmp_path: Path) -> None:
    key, vectors = recorded(name, tmp_path)
    for serial, exchange in enumerate(vectors["packets"], 1):
        (arrived,) = FrameParser().feed(bytes.fromhex(exchange["packet"]))
        assert arrived.open(key.decrypt) == Frame(1001, 0, serial, bytes.fromhex(exchange["plain"]))


@pytest.mark.parametrize("name", ["rsa1024", "rsa2048"])
def test_the_other_implementation_opens_ours(name: str, tmp_path: Path) -> None:
    key, vectors = recorded(name, tmp_path)
    other = RSA.import_key(vectors["key"])
    size = other.size_in_bytes()
    for body in (b"", b"x", bytes(range(256)) * 2):
        sent = key.encrypt(body)
        blocks = [sent[start : start + size] for start in range(0, len(sent), size)]
        assert b"".join(PKCS1_v1_5.new(other).decrypt(block, None) for block in blocks) == body


@given(st.binary(max_size=100), st.sampled_from(ALGORITHMS))
def test_any_body_comes_back(body: bytes, algorithm: PacketEncAlgo) -> None:
    assert cipher(algorithm).decrypt(cipher(algorithm).encrypt(body)) == body


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(st.lists(st.tuples(st.binary(max_size=100), st.binary(max_size=64))))
def test_a_packet_does_not_depend_on_those_before_it(
    algorithm: PacketEncAlgo, packets: list[tuple[bytes, bytes]]
) -> None:
    ours, theirs = cipher(algorithm), cipher(algorithm)
    for body, junk in packets:
        encrypted = cipher(algorithm).encrypt(body)
        assert ours.encrypt(body) == encrypted
        with suppress(ValueError):
            theirs.decrypt(junk)
        assert theirs.decrypt(encrypted) == body


@given(st.binary(max_size=100), st.sampled_from(ALGORITHMS))
def test_any_bytes_decrypt_or_are_refused(body: bytes, algorithm: PacketEncAlgo) -> None:
    try:
        plain = cipher(algorithm).decrypt(body)
    except ValueError:
        return
    assert len(plain) <= len(body)


def test_a_wrong_rsa_key_is_noticed_by_the_digest(tmp_path: Path) -> None:
    _, vectors = recorded("rsa1024", tmp_path)
    for exchange in vectors["packets"]:
        (arrived,) = FrameParser().feed(bytes.fromhex(exchange["packet"]))
        assert not arrived.open(RsaKey.generate(1024).decrypt).intact


@pytest.mark.parametrize("bits", [1024, 2048])
def test_a_key_that_is_made_can_be_read(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(RsaKey.generate(bits).pem())
    assert path.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert RSA.import_key(path.read_bytes()).size_in_bits() == bits
    RsaKey.load(path)


def pem(key: Any, password: bytes | None = None) -> bytes:
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(QotGateError, match=r"key\.pem cannot be read: No such file"):
        RsaKey.load(path)
    large = rsa.generate_private_key(65537, 3072)
    for content in (
        b"",
        b"junk",
        pem(large),
        pem(large, b"secret"),
        pem(ec.generate_private_key(ec.SECP256R1())),
        large.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    ):
        path.write_bytes(content)
        with pytest.raises(QotGateError, match=r"key\.pem is no RSA private key"):
            RsaKey.load(path)


def test_keygen(tmp_path: Path) -> None:
    from tests.support.commands import run

    path = tmp_path / "key.pem"
    assert run("keygen", path).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made = path.read_bytes()
    again = run("keygen", path)
    assert (again.returncode, path.read_bytes()) == (2, made)
    assert f"qotgate: {path} cannot be made: File exists." in again.stderr
    assert "--bits takes 1024 or 2048" in run("keygen", tmp_path / "other", "--bits", 512).stderr
    assert not (tmp_path / "other").exists()
