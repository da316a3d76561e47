"""The published clients through the relay and directly to OpenD: the same answers, the same pushes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qotgate.protocol.cipher import RsaKey
from tests.support.certificates import certificate
from tests.support.opend import scripted_opend
from tests.support.opend_session import PUSHES, check, told, told_by_javascript
from tests.support.opend_websocket import opend_on_websocket
from tests.support.published import run_script
from tests.support.serving import serving
from tests.support.toolchains import rsa_key, websocket_port


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The report of each package on OpenD itself."""
    found = {}
    for package in ("futu", "moomoo"):
        with scripted_opend(burst=PUSHES) as opend:
            found[package] = told(package, opend.port, None, tmp_path_factory.mktemp("home"))
    return found


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The gateway's key and OpenD's."""
    folder = tmp_path_factory.mktemp("keys")
    yield rsa_key(folder / "ours.pem"), rsa_key(folder / "theirs.pem")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "client", "upstream"),
    [
        ("futu", "plain", "plain"),
        ("futu", "plain", "aes_cbc"),
        ("futu", "RSA", "plain"),
        ("futu", "RSA", "ftaes_ecb"),
        ("moomoo", "plain", "plain"),
        ("moomoo", "RSA", "aes_ecb"),
    ],
)
def test_the_same_as_straight_from_opend(
    straight: dict[str, list[Any]],
    keys: tuple[Path, Path],
    sample_url: str,
    tmp_path: Path,
    package: str,
    client: str,
    upstream: str,
) -> None:
    ours, theirs = keys
    options = ["--upstream-trade"]
    if client == "RSA":
        options += ["--rsa-key", str(ours)]
    if upstream != "plain":
        options += ["--upstream-rsa-key", str(theirs), "--upstream-encryption", upstream]
    with (
        scripted_opend(None if upstream == "plain" else RsaKey.load(theirs), burst=PUSHES) as opend,
        serving(sample_url, "--upstream", f"127.0.0.1:{opend.port}", *options) as gateway,
    ):
        found = told(package, gateway.port, ours if client == "RSA" else None, tmp_path)
    check(straight[package])
    assert found == straight[package]


def test_the_gateway_s_own_questions_are_answered_here(sample_url: str, tmp_path: Path) -> None:
    """They are answered on the same connection as OpenD's."""
    script = """
import sys
from futu import *
context = OpenQuoteContext("127.0.0.1", int(sys.argv[1]))
print("DYNAMIC", context.get_ark_stock_dynamic("US.TSLA")[0])
print("SNAPSHOT", context.get_market_snapshot(["US.TSLA"])[1]["name"][0])
print("RATINGS", len(context.get_rating_change(market=Market.US, count=2)[1]))
context.close()
trade = OpenSecTradeContext(TrdMarket.US, "127.0.0.1", int(sys.argv[1]))
print("ACCOUNTS", trade.get_acc_list())
trade.close()
"""
    with (
        scripted_opend() as opend,
        serving(sample_url, "--upstream", f"127.0.0.1:{opend.port}", "--lang", "en") as gateway,
    ):
        lines = run_script(script, tmp_path, gateway.port)
        assert opend.asked[3424] == opend.asked[3426] == 0
        assert opend.asked[2001] == 0
    assert "DYNAMIC 0" in lines
    assert "SNAPSHOT Name of TSLA" in lines
    (accounts,) = [line for line in lines if line.startswith("ACCOUNTS")]
    assert "it takes `qotgate serve --upstream-trade`" in accounts


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_javascript_is_told_the_same(sample_url: str, tmp_path: Path, scheme: str) -> None:
    """Including orders: a JavaScript program knows no serial number, and so no PacketID."""
    tls = certificate(tmp_path) if scheme == "wss" else None
    options = ["--websocket-port", "0", "--websocket-key", "k", "--upstream-trade", "--lang", "en"]
    if tls is not None:
        options += ["--websocket-cert", str(tls[0]), "--websocket-private-key", str(tls[1])]
    more: dict[str, Any] = {"certificate": tls and tls[0], "trading": True}
    with opend_on_websocket(tls, burst=PUSHES) as port:
        straight = told_by_javascript(port, tmp_path, **more)
    with (
        scripted_opend(burst=PUSHES) as opend,
        serving(sample_url, "--upstream", f"127.0.0.1:{opend.port}", *options) as gateway,
    ):
        found = told_by_javascript(websocket_port(gateway, scheme), tmp_path, **more)
        (login,) = [login for login in opend.logins if login.clientID != "qotgate"]
    assert login.programmingLanguage == "JavaScript"
    failed = {name for name, told in straight.items() if isinstance(told, dict) and told["retType"] != 0}
    assert failed == {"unknown", "locked", "wrong password"}
    assert straight["pushed"] == [str(number) for number in range(PUSHES)]
    assert [one["order"]["orderStatus"] for one in straight["order pushes"]] == [5, 5, 15]
    assert found == straight
