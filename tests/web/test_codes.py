"""Codes are accepted in any case, everywhere."""

import pytest

from qotgate import QuoteClient
from qotgate.cli.main import main
from qotgate.protocol.messages import ProtoId
from tests.support.in_process import in_process, run_alone, web_in_process
from tests.support.wire import Wire

NET_SHARES = 76041


@pytest.mark.parametrize("code", ["us.tsla", "Us.Tsla", "US.TSLA"])
def test_on_the_command_line(sample_url: str, capsys: pytest.CaptureFixture[str], code: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ark", code, "--db", sample_url])
    assert (ended.value.code, f"net_shares: {NET_SHARES}" in capsys.readouterr().out) == (0, True)


def test_on_the_wire(sample_url: str) -> None:
    with in_process(sample_url) as gateway:
        with Wire(gateway.port) as wire:
            assert (
                wire.ask(
                    ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "tsla"}
                ).s2c.netShares
                == NET_SHARES
            )
        with QuoteClient(gateway.host, gateway.port) as client:
            assert client.ark_dynamic("us.tsla").net_shares == NET_SHARES


PATHS = ("ark/dynamics/{}", "ark/transactions/{}", "ark/positions/{}", "ratings/changes?security={}")


def test_over_http(sample_url: str) -> None:
    async def ask() -> None:
        async with web_in_process(sample_url) as (web, _):
            for path in PATHS:
                for lower, upper in (("us.tsla", "US.TSLA"), ("us.mog.A", "US.MOG.A")):
                    answer = await web.get(f"/api/v1/{path.format(lower)}")
                    assert answer.status_code == 200, answer.text
                    assert answer.json() == (await web.get(f"/api/v1/{path.format(upper)}")).json()
            found = [(await web.get(f"/api/v1/ark/holdings?fund={fund}")).json() for fund in ("arkk", "ARKK")]
            assert found[0] == found[1]
            assert found[0]["rows"]
            page = await web.get("/securities/us.tsla")
            assert (page.status_code, "76,041" in page.text) == (200, True)
            assert "/files/" in page.text
            assert "/securities/us.tsla" not in page.text.partition("<main")[2]

    run_alone(ask())
