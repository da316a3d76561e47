"""The options about OpenD: accepted values, and one sentence for any other."""

from pathlib import Path
from typing import Any

import pytest

from qotgate.model import QotGateError
from qotgate.serving.settings import read_settings
from qotgate.serving.upstream_options import opend_options
from tests.relay.test_relay import SNAPSHOT, Client
from tests.support.opend import scripted_opend
from tests.support.serving import serving_process


def options(**flags: Any) -> Any:
    return opend_options(read_settings(db="sqlite://", **flags))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:11112", ("127.0.0.1", 11112)),
        ("opend.example:1", ("opend.example", 1)),
        ("[::1]:11112", ("::1", 11112)),
        ("opend.example", ("opend.example", 11111)),
        ("fe80::1", ("fe80::1", 11111)),
        ("[fe80::1]", ("fe80::1", 11111)),
    ],
)
def test_an_address(text: str, address: tuple[str, int]) -> None:
    found = options(upstream=text)
    assert (found.host, found.port) == address


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"upstream": ":11112"}, "takes HOST:PORT"),
        ({"upstream": "host:port"}, "takes HOST:PORT"),
        ({"upstream": "host:99999"}, "takes HOST:PORT"),
        ({"upstream": "127.0.0.1:11111"}, "is the gateway's own port"),
        ({"upstream": "localhost:4000", "port": 4000, "host": "0.0.0.0"}, "is the gateway's own port"),
        ({"upstream": "10.0.0.1:11111", "upstream_trade": True}, "takes --upstream-rsa-key"),
        ({"upstream": "10.0.0.1:11111", "upstream_for": "3203"}, "takes proto ids of 3229, 3230, 3423"),
        ({"upstream": "10.0.0.1:11111", "upstream_rsa_key": Path("/none")}, "cannot be read"),
        ({"upstream": "10.0.0.1:11111", "upstream_encryption": "des"}, "--upstream-encryption"),
        ({"upstream_trade": True}, "--upstream-trade takes --upstream HOST:PORT"),
        ({"upstream_cache": Path("folder")}, "--upstream-cache takes --upstream HOST:PORT"),
    ],
)
def test_what_they_do_not_take(flags: dict[str, Any], sentence: str) -> None:
    with pytest.raises(QotGateError) as told:
        options(**flags)
    assert sentence in str(told.value)


def test_which_questions_go_to_opend() -> None:
    assert options(upstream="10.0.0.1").own == {3229, 3230, 3423, 3424, 3425, 3426}
    assert options(upstream="10.0.0.1", upstream_for="3426,3423").own == {3229, 3230, 3424, 3425}
    # Questions that OpenD answers better always go there.
    left = options(upstream="10.0.0.1", upstream_for="1005,3219,3223,3229,3230").own
    assert left == {3423, 3424, 3425, 3426}


def test_each_worker_has_its_own_connections(sample_url: str, tmp_path: Path) -> None:
    with scripted_opend() as opend:
        upstream = ("--upstream", f"127.0.0.1:{opend.port}", "--upstream-cache", str(tmp_path))
        with serving_process(sample_url, "--workers", "2", *upstream) as gateway:
            clients = [Client(gateway.port, clientID=f"client {number}") for number in range(8)]
            for client in clients:
                assert client.get(3203, SNAPSHOT).retType == 0
            served = {one.login.clientID for one in opend.sessions}
            assert served >= {f"client {number}" for number in range(8)}
            for client in clients:
                client.socket.close()
            assert gateway.stop() == 0
