"""Names and sentences are in the client's language, whatever other clients of the gateway use."""

import asyncio

import pytest

from qotgate import AsyncQuoteClient, InvalidRequest, OpenQuoteContext, QuoteClient
from qotgate.protocol.messages import ProtoId
from tests.support.in_process import in_process
from tests.support.wire import Wire

NAMES = {"en": ("Micron Technology", "BofA Securities"), "zh": ("美光科技", "美银证券")}


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QOTGATE_LANG", raising=False)


def named(client: QuoteClient) -> tuple[str, str]:
    first = next(iter(client.rating_changes("US")))
    return first.name, first.institution


def test_each_client_has_its_own(sample_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_process(sample_url, lang="zh") as gateway:
        address = gateway.host, gateway.port
        # Twice each, in turn, since answers are cached.
        for lang in ("en", "zh", "en", "zh"):
            with QuoteClient(*address, lang=lang) as client:
                assert [named(client), named(client)] == [NAMES[lang]] * 2
                with pytest.raises(InvalidRequest) as refused:
                    next(iter(client.rating_changes("HK")))
                assert ("takes" in str(refused.value)) == (lang == "en")
        with QuoteClient(*address) as client:
            assert named(client) == NAMES["zh"]
        monkeypatch.setenv("QOTGATE_LANG", "EN")
        with QuoteClient(*address) as client:
            assert named(client) == NAMES["en"]
        with OpenQuoteContext(*address) as context:
            assert context.get_rating_change("US")[1]["name"][0] == NAMES["en"][0]
        with OpenQuoteContext(*address, lang="zh") as context:
            assert context.get_rating_change("US")[1]["name"][0] == NAMES["zh"][0]

        async def ask() -> str:
            async with AsyncQuoteClient(*address, lang="zh") as client:
                async for row in client.rating_changes("US"):
                    return row.name
            raise AssertionError

        assert asyncio.run(ask()) == NAMES["zh"][0]


def test_the_published_clients_have_it_in_their_id(sample_url: str) -> None:
    with in_process(sample_url, lang="zh") as gateway:
        for client_id, lang in (("PyNormal", "zh"), ("my bot lang=en", "en"), ("moomoo bot", "en")):
            with Wire(gateway.port, init=False) as wire:
                wire.ask(ProtoId.InitConnect, clientVer=1, clientID=client_id)
                row = wire.ask(ProtoId.Qot_GetRatingChange, market=11).s2c.dataList[0]
                assert (row.name, row.institutionName) == NAMES[lang]


def test_another_language_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="lang takes one of zh, en, not"):
        QuoteClient(lang="fr")  # wrong on purpose
