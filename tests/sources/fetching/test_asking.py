"""Requests to a publisher: polite, patient up to a limit, suspicious of the answer; keys go only to their
publisher."""

import gzip
import re
from itertools import count
from pathlib import Path

import httpx
import pytest

import qotgate
from qotgate.model import QotGateError
from qotgate.sources.fetching import client, ratings
from qotgate.sources.fetching.client import Client, FetchError, Key
from tests.support.publishing import AGENT, Publisher, Reply, Time, publishing

SECRET = "s3cr3t-key"


def test_a_request_says_who_asks_and_for_what(publisher: Publisher, polite: Client) -> None:
    publisher.publish("/file", b"x")
    polite.get(publisher.url + "file", accept="text/csv")
    headers = publisher.asked[0].headers
    assert (headers["User-Agent"], headers["Accept"]) == (AGENT, "text/csv")
    assert headers["If-None-Match"] is None
    assert headers["Authorization"] is None


def test_there_is_a_pause_between_two_requests_to_one_host(
    publisher: Publisher, polite: Client, time: Time
) -> None:
    publisher.publish("/file", b"x")
    for _ in range(3):
        polite.get(publisher.url + "file")
    assert time.slept == [client.PAUSE, client.PAUSE]


def test_a_failing_publisher_is_asked_again_after_longer_and_longer_waits(
    publisher: Publisher, polite: Client, time: Time
) -> None:
    publisher.publish("/file", Reply(status=500), Reply(status=503), b"x")
    assert polite.get(publisher.url + "file").content == b"x"
    assert len(publisher.asked) == 3
    first, second = time.waits()
    assert 1 <= first < second <= 3


def test_it_gives_up_after_a_few_tries(publisher: Publisher, polite: Client) -> None:
    publisher.publish("/file", Reply(status=502))
    with pytest.raises(FetchError, match=r"^it answered 502 Bad Gateway, 5 times$"):
        polite.get(publisher.url + "file")
    assert len(publisher.asked) == client.ATTEMPTS


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (401, 1), (404, 1), (410, 1), (408, 5), (425, 5)])
def test_a_refusal_is_final_unless_it_may_pass(
    publisher: Publisher, polite: Client, status: int, tries: int
) -> None:
    publisher.publish("/file", Reply(status=status))
    with pytest.raises(FetchError, match=f"it answered {status} "):
        polite.get(publisher.url + "file")
    assert len(publisher.asked) == tries


@pytest.mark.parametrize("asked", ["90", "Tue, 23 Jun 2026 12:01:30 GMT"])
def test_it_waits_as_long_as_it_is_asked_to(
    publisher: Publisher, polite: Client, time: Time, asked: str
) -> None:
    publisher.publish("/file", Reply(status=429, headers={"Retry-After": asked}), b"x")
    assert polite.get(publisher.url + "file").content == b"x"
    assert time.waits() == [90.0]


@pytest.mark.parametrize("asked", ["soon", "", "-5", "Tue, 23 Jun 2020 12:00:00 GMT"])
def test_a_retry_after_that_says_nothing_is_passed_over(
    publisher: Publisher, polite: Client, asked: str
) -> None:
    publisher.publish("/file", Reply(status=429, headers={"Retry-After": asked}), b"x")
    assert polite.get(publisher.url + "file").content == b"x"


def test_whoever_asks_for_a_long_wait_is_left_alone(publisher: Publisher, polite: Client, time: Time) -> None:
    publisher.publish("/file", Reply(status=429, headers={"Retry-After": "86400"}))
    with pytest.raises(FetchError, match="asks to be left alone for 86,400 seconds"):
        polite.get(publisher.url + "file")
    assert (len(publisher.asked), time.waits()) == (1, [])


def test_silence_is_not_waited_for_without_end(publisher: Publisher, time: Time) -> None:
    publisher.publish("/file", Reply(hangs=True))
    short = httpx.Timeout(0.1)
    with (
        Client(publisher.url, AGENT, sleep=time.sleep, clock=time.clock, timeout=short) as hasty,
        pytest.raises(FetchError, match=r"^it did not answer in time, 5 times$"),
    ):
        hasty.get(publisher.url + "file")
    publisher.publish("/file", Reply(hangs=True), b"x")
    with Client(publisher.url, AGENT, sleep=time.sleep, clock=time.clock, timeout=short) as hasty:
        assert hasty.get(publisher.url + "file").content == b"x"


def test_an_answer_that_drips_without_end_is_left(publisher: Publisher) -> None:
    publisher.publish("/file", b"x" * 1000)
    late = count(0, 400).__next__
    with Client(publisher.url, AGENT, clock=late) as slow, pytest.raises(FetchError, match="longer than 300"):
        slow.get(publisher.url + "file")


def test_an_answer_that_is_cut_short_is_asked_for_again(publisher: Publisher, polite: Client) -> None:
    cut = Reply(b"half", declared=8)
    publisher.publish("/file", cut, b"all of it")
    assert polite.get(publisher.url + "file").content == b"all of it"
    publisher.publish("/file", cut)
    with pytest.raises(FetchError, match=r"^its answer was cut short, 5 times$"):
        polite.get(publisher.url + "file")


def test_an_answer_in_pieces_that_ends_early_was_cut_short(publisher: Publisher, polite: Client) -> None:
    chunks = Reply(b"4\r\nhalf\r\n", headers={"Transfer-Encoding": "chunked"}, declared=0)
    publisher.publish("/file", chunks)
    with pytest.raises(FetchError, match="cut short"):
        polite.get(publisher.url + "file")


def test_nobody_there_is_one_sentence(time: Time) -> None:
    with publishing() as gone:
        pass
    with (
        Client(gone.url, AGENT, sleep=time.sleep, clock=time.clock) as polite,
        pytest.raises(FetchError, match=r"^it cannot be reached \(.*refused\), 5 times$"),
    ):
        polite.get(gone.url)


def test_a_host_that_was_away_for_one_file_is_not_tried_for_the_next(time: Time) -> None:
    with publishing() as gone:
        pass
    with Client(gone.url, AGENT, sleep=time.sleep, clock=time.clock) as polite:
        with pytest.raises(FetchError, match="5 times"):
            polite.get(gone.url + "one")
        waits = time.waits()
        with pytest.raises(FetchError, match=r"^127\.0\.0\.1 cannot be reached$"):
            polite.get(gone.url + "other")
        assert time.waits() == waits


def test_a_huge_answer_is_not_read(
    publisher: Publisher, polite: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "BODY_LIMIT", 1 << 20)
    packed = gzip.compress(bytes(3 << 20))
    for reply in (
        Reply(b"", declared=1 << 40),
        Reply(b"x" * ((1 << 20) + 1), declared=None),
        Reply(packed, headers={"Content-Encoding": "gzip"}),
    ):
        publisher.publish("/file", reply)
        with pytest.raises(FetchError, match=r"^it is larger than 1 MiB$"):
            polite.get(publisher.url + "file")
    publisher.publish("/file", b"x" * (1 << 20))
    assert polite.get(publisher.url + "file").content == b"x" * (1 << 20)


def test_a_broken_compression_and_an_empty_answer_fail(publisher: Publisher, polite: Client) -> None:
    publisher.publish("/file", Reply(b"not gzip", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(FetchError, match="compressed and broken"):
        polite.get(publisher.url + "file")
    publisher.publish("/file", b" \n")
    with pytest.raises(FetchError, match="its answer is empty"):
        polite.get(publisher.url + "file")


def test_redirects_are_followed_but_not_for_ever_nor_out_of_http(
    publisher: Publisher, polite: Client
) -> None:
    publisher.publish("/old", Reply(status=301, headers={"Location": "/file"}))
    publisher.publish("/file", b"x")
    assert polite.get(publisher.url + "old").content == b"x"
    publisher.publish("/loop", Reply(status=302, headers={"Location": "/loop"}))
    with pytest.raises(FetchError, match="it redirects more than 5 times"):
        polite.get(publisher.url + "loop")
    for location in ("ftp://127.0.0.1/x", "file:///etc/hostname"):
        publisher.publish("/away", Reply(status=302, headers={"Location": location}))
        with pytest.raises(FetchError, match="not http"):
            polite.get(publisher.url + "away")


def test_304_to_whoever_did_not_ask_for_changes_is_a_failure(publisher: Publisher, polite: Client) -> None:
    publisher.publish("/file", Reply(status=304))
    with pytest.raises(FetchError, match="304"):
        polite.get(publisher.url + "file")


@pytest.mark.parametrize(
    "address", ["ftp://host/", "assets.ark-funds.com", "file:///tmp", "http://", "https://host:port/"]
)
def test_an_address_that_is_not_http_is_refused(address: str) -> None:
    with pytest.raises(QotGateError, match="--base-url takes an address that begins with https://"):
        Client(address, AGENT)


@pytest.mark.parametrize("key", [ratings.fmp_key(SECRET), ratings.benzinga_key(SECRET)])
def test_the_key_goes_to_its_publisher_alone_and_is_shown_nowhere(
    publisher: Publisher, time: Time, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    with publishing() as other:
        other.publish("/file", b"x")
        publisher.publish("/there", Reply(status=302, headers={"Location": other.url + "file"}))
        publisher.publish("/here", b"x")
        with Client(publisher.url, AGENT, key=key, sleep=time.sleep, clock=time.clock) as named:
            named.get(publisher.url + "here")
            named.get(publisher.url + "there")
            with pytest.raises(FetchError) as refused:
                named.get(publisher.url + "nothing")
    assert [SECRET in request.headers[key.header] for request in publisher.asked] == [True, True, True]
    assert not any(SECRET in request.target for request in publisher.asked)
    assert SECRET not in str(other.asked[0].headers)
    assert SECRET not in caplog.text + repr(key) + str(refused.value)


def test_a_publisher_that_refuses_the_key_is_told_apart(publisher: Publisher) -> None:
    publisher.publish("/file", Reply(status=403))
    with (
        Client(publisher.url, AGENT, key=ratings.fmp_key(SECRET)) as named,
        pytest.raises(FetchError, match=r"403 Forbidden: the key is not known there, or not for this$"),
    ):
        named.get(publisher.url + "file")


def test_a_key_is_not_sent_in_the_clear() -> None:
    with pytest.raises(QotGateError, match=r"A key is sent over https alone, not to example.com"):
        Client("http://example.com/", AGENT, key=ratings.fmp_key(SECRET))


def test_nothing_but_the_command_downloads() -> None:
    package = Path(qotgate.__file__).parent
    imports = re.compile(r"^\s*(?:import|from) (?:httpx|yfinance|qotgate\.sources\.fetching)\b", re.M)
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if imports.search(path.read_text(encoding="utf-8"))
    }
    users = {path for path in users if not path.startswith("sources/fetching/")}
    # The webhook sends the news of a load to the user's address, and reads only the status.
    assert users == {"cli/fetch.py", "web/webhook.py"}
