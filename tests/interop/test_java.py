"""The published Java client against the gateway: the documents' own examples, and sessions.

Maven Central's newest futu-api (9.6.5608) is older than the two calls; ``java/`` adds them to its connection
class. It has no moomoo-api.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import ALL_COUNT, ROWS, WHOLE_DYNAMIC, rows
from tests.support.documents import DOCUMENTS
from tests.support.serving import Serving, serving
from tests.support.toolchains import HERE, in_pkcs8, java_classes, rsa_key, run

pytestmark = pytest.mark.slow

IMPORTS = """
import com.futu.openapi.FTAPI;
import com.futu.openapi.FTAPI_Conn;
import com.futu.openapi.FTSPI_Conn;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import qotgate.futu.FTAPI_Conn_Qot;
import qotgate.futu.FTSPI_Qot;
import qotgate.pb.*;
"""
EXAMPLE_SECONDS = 30


def example(reference: Path, name: str) -> str:
    """The Java example of a document, which has turned each \\n in a string into a line break."""
    text = (reference / DOCUMENTS[name]).read_text(encoding="utf-8")
    match = re.search(r"^public class QotDemo implements FTSPI_Qot.*?(?=^2$)", text, re.S | re.M)
    assert match
    return re.sub(r'\n"', r'\\n"', match[0])


def as_run(published: str, port: int) -> str:
    """The example with the imports that the document leaves out, and another port; otherwise as published."""
    port_published = "(short)11111"
    assert published.count(port_published) == 1
    # A short cannot hold a port above 32767.
    return IMPORTS + published.replace(port_published, str(port))


@pytest.fixture(scope="session")
def class_path() -> str:
    return java_classes()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rsa_key(tmp_path_factory.mktemp("rsa") / "key.pem")


@pytest.fixture(scope="module")
def gateway(sample_url: str) -> Iterator[Serving]:
    """A gateway that drops clients after 3 silent seconds."""
    options = ["--keep-alive-interval", "1", "--lang", "en", "--rate-limit", "off"]
    with serving(sample_url, *options) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def encrypted_gateway(sample_url: str, key_file: Path) -> Iterator[Serving]:
    options = ["--rsa-key", str(key_file), "--keep-alive-interval", "1", "--lang", "en"]
    with serving(sample_url, *options, "--rate-limit", "off") as gateway:
        yield gateway


def run_example(script: str, class_path: str, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """The output of an example: lines, then an answer as JSON. It never ends by itself, so it is ended
    here."""
    source = folder / "QotDemo.java"
    source.write_text(script, encoding="utf-8")
    compiled = run(["javac", "-encoding", "UTF-8", "-cp", class_path, "-d", folder, source], folder)
    assert compiled.returncode == 0, compiled.stderr
    command = ["timeout", str(EXAMPLE_SECONDS), "java", "-cp", f"{folder}:{class_path}", "QotDemo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        lines, json_lines = [], []
        for line in process.stdout:
            if json_lines or line.endswith("{\n"):
                json_lines.append(line)
            else:
                lines.append(line.strip())
            if line == "}\n":
                break
        process.terminate()
    assert json_lines, lines
    label, _, first = json_lines[0].rpartition(" ")
    return [*lines, label], json.loads(first + "".join(json_lines[1:]))


class TestDocuments:
    def test_ark_stock_dynamic(
        self, class_path: str, shared_data: Path, gateway: Serving, tmp_path: Path
    ) -> None:
        script = as_run(example(shared_data.parent / "reference", "dynamic"), gateway.port)
        lines, response = run_example(script, class_path, tmp_path)
        assert re.fullmatch(r"Qot onInitConnect: ret=0 desc= connID=\d+", lines[0])
        assert lines[1:] == ["Send QotGetArkStockDynamic: 2", "Receive QotGetArkStockDynamic:"]
        assert response == {"retType": 0, "retMsg": "", "errCode": 0, "s2c": WHOLE_DYNAMIC}

    def test_rating_change(
        self, class_path: str, shared_data: Path, gateway: Serving, tmp_path: Path
    ) -> None:
        script = as_run(example(shared_data.parent / "reference", "rating"), gateway.port)
        lines, response = run_example(script, class_path, tmp_path)
        assert re.fullmatch(r"Qot onInitConnect: ret=0 desc= connID=\d+", lines[0])
        assert lines[1:] == ["Send QotGetRatingChange: 2", "Receive QotGetRatingChange:"]
        assert rows(response["s2c"]) == ROWS
        assert response["s2c"]["allCount"] == ALL_COUNT


def session(
    class_path: str, gateway: Serving, seconds: int, key: Path | None = None
) -> tuple[int, list[str]]:
    """The exit status and the lines of ``java/``'s Session."""
    command = ["java", "-cp", class_path, "qotgate.futu.Session", str(gateway.port), str(seconds)]
    done = run([*command, key] if key else command, HERE)
    return done.returncode, done.stdout.splitlines()


class TestSession:
    @pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
    def test_connect_global_state_keep_alive_and_both_questions(
        self, class_path: str, key_file: Path, encrypted: bool, request: pytest.FixtureRequest
    ) -> None:
        """The client sends keep-alives: after three intervals it is still connected."""
        gateway = request.getfixturevalue("encrypted_gateway" if encrypted else "gateway")
        status, lines = session(class_path, gateway, 4, key_file if encrypted else None)
        assert status == 0, lines
        told = dict(line.split(" ", 1) for line in lines)
        assert list(told) == ["connected", "state", "dynamic", "rating"]
        assert int(told["connected"]) > 0
        state = json.loads(told["state"])["s2c"]
        assert state["programStatus"] == {"type": "ProgramStatusType_Ready"}
        assert (state["qotLogined"], state["trdLogined"]) == (True, False)
        assert json.loads(told["dynamic"])["s2c"] == WHOLE_DYNAMIC
        rating = json.loads(told["rating"])["s2c"]
        assert (rows(rating), rating["allCount"]) == (ROWS, ALL_COUNT)

    def test_another_key_is_refused(
        self, class_path: str, encrypted_gateway: Serving, tmp_path: Path
    ) -> None:
        """The gateway can answer only unencrypted, which a client with encryption on cannot read."""
        status, lines = session(class_path, encrypted_gateway, 0, rsa_key(tmp_path / "other.pem"))
        assert (status, lines) == (1, ["refused 100/0 Invalid packet body, serialNO=1"])

    def test_a_plain_client_is_refused_by_a_gateway_with_a_key(
        self, class_path: str, encrypted_gateway: Serving
    ) -> None:
        status, lines = session(class_path, encrypted_gateway, 0)
        assert status == 1
        assert lines == [
            "refused 100/5 This gateway takes only an InitConnect that is encrypted with its RSA key: name "
            "the key file in the client, or start the gateway with --allow-plaintext."
        ]

    def test_the_client_takes_keys_of_1024_bits_only(
        self, class_path: str, sample_url: str, tmp_path: Path
    ) -> None:
        """It decrypts in blocks of 128 bytes, with any key."""
        key = rsa_key(tmp_path / "large.pem", 2048)
        with serving(sample_url, "--rsa-key", str(key)) as gateway:
            status, lines = session(class_path, gateway, 0, key)
        assert (status, lines) == (1, ["refused 100/0 Invalid packet body, serialNO=1"])

    def test_the_client_passes_over_a_key_in_pkcs8(
        self, class_path: str, encrypted_gateway: Serving, key_file: Path
    ) -> None:
        """It then sends unencrypted, and cannot read the gateway's refusal either."""
        status, lines = session(class_path, encrypted_gateway, 0, in_pkcs8(key_file))
        assert (status, lines) == (1, ["refused 100/0 Invalid packet body, serialNO=1"])
