"""A C++ client from scratch on our .proto files: encryption and messages for an implementation that shares no
code with the gateway."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.answers import ALL_COUNT, ROWS, WHOLE_DYNAMIC, rows
from tests.support.serving import Serving, serving
from tests.support.toolchains import HERE, cpp_client, rsa_key, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def client() -> Path:
    return cpp_client()


@pytest.fixture(scope="module", params=[1024, 2048])
def key_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rsa_key(tmp_path_factory.mktemp("rsa") / "key.pem", request.param)


@pytest.fixture(scope="module")
def encrypted_gateway(sample_url: str, key_file: Path) -> Iterator[Serving]:
    with serving(sample_url, "--rsa-key", str(key_file), "--lang", "en") as gateway:
        yield gateway


def check(done: subprocess.CompletedProcess[str], encrypted_answers: int) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert json.loads(told["dynamic"]) == WHOLE_DYNAMIC
    rating = json.loads(told["rating"])
    assert rows(rating) == ROWS
    assert rating["allCount"] == ALL_COUNT
    assert told["encrypted"] == f"answers: {encrypted_answers}"


def test_plain(client: Path, sample_url: str) -> None:
    with serving(sample_url, "--lang", "en") as gateway:
        check(run([client, str(gateway.port)], HERE), 0)


def test_rsa_and_aes_cbc(client: Path, encrypted_gateway: Serving, key_file: Path) -> None:
    check(run([client, str(encrypted_gateway.port), key_file], HERE), 3)


def test_another_key_is_refused(client: Path, encrypted_gateway: Serving, tmp_path: Path) -> None:
    done = run([client, str(encrypted_gateway.port), rsa_key(tmp_path / "other.pem")], HERE)
    assert done.returncode == 1
    assert done.stdout == (
        "refused: The body of InitConnect does not fit its SHA-1, plain or decrypted: use the RSA key that "
        "the gateway was started with (--rsa-key).\n"
    )


def test_a_plain_client_is_refused_by_a_gateway_with_a_key(client: Path, encrypted_gateway: Serving) -> None:
    done = run([client, str(encrypted_gateway.port)], HERE)
    assert done.returncode == 1
    assert done.stdout == (
        "refused: This gateway takes only an InitConnect that is encrypted with its RSA key: name the key "
        "file in the client, or start the gateway with --allow-plaintext.\n"
    )
