"""ARK's files: their names, and the detection of other contents in their place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qotgate.model import ACTIVE_FUNDS, QotGateError
from qotgate.sources.fetching import ark
from qotgate.sources.fetching.files import Outcome, Status
from tests.support.paths import SAMPLE
from tests.support.publishing import Publisher, holdings, visible

ARKK = ark.FILES["ARKK"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!DOCTYPE html><html>Just a moment...</html>", "its answer is a web page, not data"),
        (b"\xef\xbb\xbf\n <?xml version='1.0'?><Error/>", "its answer is a web page, not data"),
        (b"", "its answer is empty"),
        (bytes(range(256)), "its answer is not a file of ARKK's holdings"),
        (b'{"error": "no"}', "its answer is not a file of ARKK's holdings"),
        (b"date,fund,company,ticker\n", "its answer is not a file of ARKK's holdings"),
        (holdings("ARKW"), "its answer is not a file of ARKK's holdings"),
    ],
)
def test_what_is_not_the_fund_s_file_is_not_kept(
    publisher: Publisher, fetch_arkk: Callable[..., Outcome], tmp_path: Path, body: bytes, reason: str
) -> None:
    publisher.publish(f"/{ARKK}", body)
    assert fetch_arkk() == Outcome("ARKK", Status.FAILED, reason=reason)
    assert visible(tmp_path) == []


def test_an_ark_file_may_lack_its_last_line_ending_and_its_disclaimer(
    publisher: Publisher, fetch_arkk: Callable[..., Outcome]
) -> None:
    body = b"\r\n".join(holdings("ARKK").splitlines()[:-1])
    publisher.publish(f"/{ARKK}", body)
    assert fetch_arkk().path.read_bytes() == body


def test_the_shipped_sample_passes_for_what_ark_publishes() -> None:
    for path in (SAMPLE / "ark").glob("*HOLDINGS*"):
        (wanted,) = ark.wanted([path.name.split("_")[1]])
        assert wanted.count(path.read_bytes()) > 0


def test_each_fund_has_a_file_of_its_own_under_its_published_address() -> None:
    assert set(ACTIVE_FUNDS) <= set(ark.FILES)
    for fund, name in ark.FILES.items():
        assert name.endswith(f"_{fund}_HOLDINGS.csv")
    (arkq,) = ark.wanted(["arkq"])
    assert arkq.url == (
        "https://assets.ark-funds.com/fund-documents/funds-etf-csv/"
        "ARK_AUTONOMOUS_TECH._%26_ROBOTICS_ETF_ARKQ_HOLDINGS.csv"
    )


def test_a_renamed_file_can_be_named() -> None:
    (arkw,) = ark.wanted(["ARKW=ARK_NEW_NAME_ETF_ARKW_HOLDINGS.csv"], "https://h")
    assert (arkw.title, arkw.url) == ("ARKW", "https://h/ARK_NEW_NAME_ETF_ARKW_HOLDINGS.csv")


@pytest.mark.parametrize("fund", ["ARKZ", "", "ARKK=", "=x.csv", "ARKK=../x.csv", "ARKK=a\\b", "ARKK=.x"])
def test_a_fund_without_a_file_is_refused(fund: str) -> None:
    with pytest.raises(QotGateError, match=r"--funds takes ARKB, .*, or FUND=FILE.csv, not "):
        ark.wanted([fund])
