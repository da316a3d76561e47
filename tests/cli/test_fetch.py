"""``qotgate fetch``: downloads, stored files, loads, output and exit status."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from qotgate import __version__
from qotgate.cli import fetch, schedule
from qotgate.cli.main import main
from qotgate.model import ETFS, QotGateError
from qotgate.sources.fetching import ark as ark_files
from qotgate.sources.fetching import client
from qotgate.sources.fetching import ratings as rating_files
from tests.support.publishing import Publisher, Reply, Time, holdings, publishing, visible
from tests.support.serving import QOTGATE

SECRET = "s3cr3t-key"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs ``qotgate`` on its own database. Returns the status, the output and the errors."""
    monkeypatch.setattr(client, "PAUSE", 0.0)
    monkeypatch.setenv("QOTGATE_DB", f"sqlite:///{tmp_path / 'db' / 'qotgate.db'}")
    monkeypatch.delenv("QOTGATE_FMP_KEY", raising=False)
    monkeypatch.delenv("QOTGATE_BENZINGA_KEY", raising=False)

    def run_qotgate(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run_qotgate


def publish_ark(publisher: Publisher, *funds: str, shares: int = 1000) -> None:
    for fund in funds:
        etag = {"ETag": f'"{fund}-{shares}"'}
        publisher.publish(f"/{ark_files.FILES[fund]}", Reply(holdings(fund, shares=shares), headers=etag))


def kept(folder: Path) -> list[str]:
    return [Path(name).name for name in visible(folder)]


def test_ark_fetches_what_holdings_are_summed_over_keeps_their_files_beside_the_database_and_loads_them(
    run: Callable[..., tuple[int, str, str]], publisher: Publisher, tmp_path: Path
) -> None:
    publish_ark(publisher, *ETFS)
    status, out, _ = run("fetch", "ark", "--base-url", publisher.url)
    assert status == 0
    assert sorted(request.path for request in publisher.asked) == sorted(
        f"/{ark_files.FILES[fund]}" for fund in ETFS
    )
    agents = {request.headers["User-Agent"] for request in publisher.asked}
    assert len(agents) == 1
    assert agents.pop().startswith(f"qotgate/{__version__} (")
    folder = tmp_path / "db" / "fetched" / "ark"
    assert kept(folder) == sorted(ark_files.FILES[fund] for fund in ETFS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", Path(visible(folder)[0]).parts[0])
    assert f"ARKK: fetched, {folder}" in out
    assert re.search(r"holdings +│ 16 +│ 16 ", out)
    assert "Generation 1." in out


def test_ark_fetches_the_funds_that_are_configured(
    run: Callable[..., tuple[int, str, str]], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QOTGATE_FUNDS", "ARKK,ARKW")
    publish_ark(publisher, *ETFS)
    assert run("fetch", "ark", "--base-url", publisher.url)[0] == 0
    asked = sorted(request.path for request in publisher.asked)
    assert asked == sorted(f"/{ark_files.FILES[fund]}" for fund in ("ARKK", "ARKW"))


def test_a_second_fetch_finds_nothing_new_and_a_changed_file_is_loaded(
    run: Callable[..., tuple[int, str, str]], publisher: Publisher, tmp_path: Path
) -> None:
    fetch_two = ("fetch", "ark", "--funds", "ARKK, arkw", "--base-url", publisher.url)
    publish_ark(publisher, "ARKK", "ARKW")
    run(*fetch_two)
    status, out, _ = run(*fetch_two)
    assert status == 0
    assert "ARKK: unchanged, " in out
    assert "Generation 1." in out
    assert publisher.asked[-1].headers["If-None-Match"] == '"ARKW-1000"'
    publish_ark(publisher, "ARKW", shares=1500)
    status, out, _ = run(*fetch_two)
    assert ("ARKW: fetched, " in out, "Generation 2." in out) == (True, True)
    assert len(kept(tmp_path / "db" / "fetched" / "ark")) == 3


def test_one_file_that_fails_does_not_stop_the_others(
    run: Callable[..., tuple[int, str, str]], publisher: Publisher
) -> None:
    publish_ark(publisher, "ARKK")
    publisher.publish(f"/{ark_files.FILES['ARKG']}", b"<html>Just a moment...</html>")
    status, out, _ = run("fetch", "ark", "--funds", "ARKF,ARKG,ARKK", "--base-url", publisher.url)
    assert status == 0
    assert "ARKF: failed: it answered 404 Not Found." in out
    assert "ARKG: failed: its answer is a web page, not data." in out
    assert "ARKK: fetched, " in out


def test_when_nothing_was_there_the_status_is_1_and_nothing_is_loaded(
    run: Callable[..., tuple[int, str, str]], publisher: Publisher
) -> None:
    status, out, error = run("fetch", "ark", "--base-url", publisher.url)
    assert (status, out.count("failed"), "Generation" in out) == (1, 8, False)
    assert "qotgate load FOLDER" in error


def test_what_is_not_loaded_at_once_is_loaded_by_the_next_run(
    run: Callable[..., tuple[int, str, str]], publisher: Publisher, tmp_path: Path
) -> None:
    options = (
        "fetch",
        "ark",
        "--funds",
        "ARKK",
        "--base-url",
        publisher.url,
        "--folder",
        str(tmp_path / "raw"),
    )
    for shares in (1000, 2000):
        publish_ark(publisher, "ARKK", shares=shares)
        status, out, _ = run(*options, "--no-load")
        assert (status, "Generation" in out) == (0, False)
    assert not (tmp_path / "db").exists()
    assert len(kept(tmp_path / "raw" / "ark")) == 2
    _, out, _ = run(*options)
    assert re.search(r"read +│ 2 ", out)


def test_a_file_that_was_kept_when_loading_failed_is_loaded_later(
    run: Callable[..., tuple[int, str, str]],
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise QotGateError("The database cannot be written: disk is full.")

    publish_ark(publisher, "ARKK")
    options = ("fetch", "ark", "--funds", "ARKK", "--base-url", publisher.url)
    with monkeypatch.context() as patched:
        patched.setattr(fetch, "load_into", broken)
        status, _, err = run(*options)
    assert (status, err) == (2, "qotgate: The database cannot be written: disk is full.\n")
    _, out, _ = run(*options)
    assert re.search(r"read +│ 1 ", out)


def test_the_files_can_be_loaded_like_any_others(
    run: Callable[..., tuple[int, str, str]], publisher: Publisher, tmp_path: Path
) -> None:
    publish_ark(publisher, "ARKK")
    run("fetch", "ark", "--funds", "ARKK", "--base-url", publisher.url, "--no-load")
    _, out, _ = run("load", str(tmp_path / "db" / "fetched"), "--json")
    assert json.loads(out)["files"] == {"found": 1, "read": 1, "unchanged": 0, "rejected": 0}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ark", "--funds", "ARKK,ARKZ"], "--funds takes ARKB, "),
        (["ark", "--every", "6 hours"], "--every takes a time such as 30m, 6h or 1d, not '6 hours'"),
        (["ark", "--every", "0h"], "--every takes a time"),
        (["ark", "--every", "6h", "--at", "20:30"], "--every and --at exclude each other"),
        (["ark", "--at", "24:00"], "--at takes a time of the day such as 20:30, not '24:00'"),
        (["ark", "--at", "20:30", "--tz", "New York"], "--tz takes a time zone such as America/New_York"),
        (["ark", "--tz", "America/New_York"], "--tz is the time zone of --at"),
        (["all", "--provider", "fmp"], "FMP needs a key: put yours in the variable"),
        (["ark", "--base-url", "ftp://host/"], "--base-url takes an address that begins with https://"),
        (["ark", "--db", "oracle://x"], "--db takes sqlite:///FILE or postgresql://USER@HOST/DATABASE"),
        (["ark", "--tables", "/no/such/folder"], "--tables takes a folder"),
        (["ark", "--no-load", "--folder", "/dev/null"], "/dev/null/ark cannot be used: "),
        (["ratings"], "Missing option '--symbols'"),
        (["ratings", "--symbols", "AAPL"], "--symbols takes a code as MARKET.CODE"),
        (["ratings", "--symbols", "HK.00700"], "--symbols takes US and CA securities such as US.AAPL"),
        (["ratings", "--symbols", "US.../../X"], "--symbols takes US and CA securities"),
        (["ratings", "--symbols", ","], "--symbols takes securities"),
        (["ratings", "--symbols", "US.A", "--provider", "x"], "--provider takes yfinance, fmp, benzinga"),
        (["ratings", "--symbols", "US.A", "--provider", "fmp"], "FMP needs a key: put yours in the variable"),
        (["ratings", "--symbols", "US.A", "--provider", "benzinga"], "Benzinga needs a key: put yours in"),
        (["ratings", "--symbols", "US.A", "--base-url", "http://h/"], "--base-url is for fmp and benzinga"),
        ([], "Missing command"),
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(
    run: Callable[..., tuple[int, str, str]], arguments: list[str], sentence: str
) -> None:
    status, out, err = run("fetch", *arguments)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith(f"qotgate: {sentence}")


@pytest.mark.parametrize(
    ("provider", "variable", "header", "path"),
    [
        ("fmp", "QOTGATE_FMP_KEY", "apikey", "/stable/grades"),
        ("benzinga", "QOTGATE_BENZINGA_KEY", "Authorization", "/api/v2.1/calendar/ratings"),
    ],
)
def test_notes_are_asked_for_with_a_key_that_is_written_nowhere(
    run: Callable[..., tuple[int, str, str]],
    publisher: Publisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    variable: str,
    header: str,
    path: str,
) -> None:
    monkeypatch.setenv(variable, f" {SECRET}\n")
    row = {"symbol": "AAPL", "ticker": "AAPL", "date": "2026-06-19"}
    body = json.dumps({"ratings": [row]} if provider == "benzinga" else [row]).encode()
    publisher.publish(path, body)
    publisher.publish("/stable/price-target-news", Reply(status=402))
    status, out, err = run(
        "fetch", "ratings", "--symbols", "US.AAPL", "--provider", provider, "--base-url", publisher.url
    )
    assert status == 0
    assert "US.AAPL" in out
    assert "rejected" in out  # the report of a load, with any outcome
    assert all(SECRET in request.headers[header] for request in publisher.asked)
    folder = tmp_path / "db" / "fetched" / provider
    assert body in [file.read_bytes() for file in folder.glob("*/*.json")]
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert written
    assert not any(SECRET in str(file) or SECRET.encode() in file.read_bytes() for file in written)
    assert not any(SECRET in request.target for request in publisher.asked)
    assert SECRET not in out + err


@pytest.mark.parametrize("home", ["a file of the folder of secrets", "a line of the TOML file"])
@pytest.mark.parametrize(
    ("provider", "path"), [("fmp", "/stable/grades"), ("benzinga", "/api/v2.1/calendar/ratings")]
)
def test_a_key_comes_from_where_options_come_from(
    run: Callable[..., tuple[int, str, str]],
    publisher: Publisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    home: str,
    provider: str,
    path: str,
) -> None:
    if home.startswith("a file"):
        folder = tmp_path / "secrets"
        folder.mkdir()
        (folder / f"qotgate_{provider}_key").write_text(f"{SECRET}\n")
        monkeypatch.setenv("QOTGATE_SECRETS", str(folder))
    else:
        (tmp_path / "qotgate.toml").write_text(f'{provider}_key = "{SECRET}"\n')
        monkeypatch.setattr("qotgate.serving.settings.CONFIG_FILE", tmp_path / "qotgate.toml")
    publisher.publish(path, b"[]")
    publisher.publish("/stable/price-target-news", b"[]")
    status, out, err = run(
        *("fetch", "ratings", "--symbols", "US.AAPL"), "--provider", provider, "--base-url", publisher.url
    )
    assert (status, err) == (0, "")
    assert publisher.asked
    assert all(SECRET in str(request.headers) for request in publisher.asked)
    assert SECRET not in out


def test_a_key_that_is_none_is_not_shown(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QOTGATE_FMP_KEY", "schlüssel")
    status, _, err = run("fetch", "ratings", "--symbols", "US.AAPL", "--provider", "fmp")
    assert (status, err) == (2, "qotgate: fmp_key has characters that no key has.\n")


def test_ratings_come_from_yfinance_unless_told_otherwise(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    status, _, err = run("fetch", "ratings", "--symbols", "US.AAPL")
    assert status == 2
    assert "pip install 'qotgate[yfinance]'" in err
    table = pd.DataFrame(
        {"Firm": ["UBS"], "ToGrade": ["Buy"], "FromGrade": [""], "Action": ["init"]},
        index=pd.DatetimeIndex(["2026-06-19 11:32:05"], name="GradeDate"),
    )
    package = SimpleNamespace(Ticker=lambda _symbol: SimpleNamespace(upgrades_downgrades=table))
    monkeypatch.setitem(sys.modules, "yfinance", package)
    monkeypatch.setattr("qotgate.sources.fetching.yahoo.PAUSE", 0.0)
    status, out, _ = run("fetch", "ratings", "--symbols", "us.aapl,US.AAPL")
    assert status == 0
    assert out.count("US.AAPL ratings: fetched, ") == 1
    assert "rejected" in out
    (file,) = (tmp_path / "db" / "fetched" / "yfinance").glob("*/*.csv")
    assert file.read_bytes() == (
        b"ticker,GradeDate,Firm,ToGrade,FromGrade,Action\nAAPL,2026-06-19 11:32:05,UBS,Buy,,init\n"
    )


def test_all_is_the_funds_and_then_the_notes_on_what_they_hold(
    run: Callable[..., tuple[int, str, str]], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ark_files, "BASE_URL", publisher.url)
    monkeypatch.setattr(rating_files, "FMP", publisher.url)
    monkeypatch.setenv("QOTGATE_FMP_KEY", "a-key-of-the-tests")
    publish_ark(publisher, "ARKK", "ARKW")
    status, _, err = run("fetch", "all", "--funds", "ARKK,ARKW", "--provider", "fmp")
    assert status == 0, err
    asked = [one.params["symbol"] for one in publisher.asked if one.path == "/stable/grades"]
    assert asked
    # A second day: the list now comes from the holdings.
    for fund in ("ARKK", "ARKW"):
        publisher.publish(f"/{ark_files.FILES[fund]}", Reply(holdings(fund, "06/24/2026")))
    publisher.asked.clear()
    assert run("fetch", "all", "--funds", "ARKK,ARKW", "--provider", "fmp")[0] == 0
    again = [one.params["symbol"] for one in publisher.asked if one.path == "/stable/grades"]
    assert set(again) == set(asked)


# Again and again


@pytest.fixture
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("own_signals")
def test_rounds_go_on_after_one_that_failed_until_they_are_stopped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    time = Time()
    rounds: list[float] = []

    def one_round() -> None:
        rounds.append(time.seconds)
        time.seconds += 100
        if len(rounds) == 2:
            raise QotGateError("The database cannot be written: it is locked.")
        if len(rounds) == 3:
            time.seconds += 7200
        if len(rounds) == 5:
            raise KeyboardInterrupt

    schedule.repeat(one_round, schedule.Every(3600.0), sleep=time.sleep, now=now_of(time))
    assert [later - earlier for earlier, later in pairwise(rounds)] == [
        3600, 3600, 7300, 3600,
    ]  # fmt: skip
    assert sum(time.slept) == 3 * 3500
    assert max(time.slept) <= schedule.LOOK_SECONDS
    assert "it is locked." in capsys.readouterr().err


def now_of(time: Time) -> Callable[[], datetime]:
    return lambda: datetime(2026, 6, 1, tzinfo=UTC) + timedelta(seconds=time.seconds)


def test_a_clock_that_is_set_on_while_it_sleeps_delays_no_round() -> None:
    time = Time()
    rounds: list[float] = []

    def one_round() -> None:
        rounds.append(time.seconds)
        if len(rounds) == 3:
            raise KeyboardInterrupt

    def sleep(seconds: float) -> None:
        # First a laptop that is suspended for a night.
        time.seconds += seconds if len(rounds) > 1 else 40_000

    schedule.repeat(one_round, schedule.Every(3600.0), sleep=sleep, now=now_of(time))
    assert [later - earlier for earlier, later in pairwise(rounds)] == [40_000, 3600]


@pytest.mark.parametrize(
    ("zone", "started", "due"),
    [
        ("America/New_York", "2026-07-01 23:00", "2026-07-02 00:30"),
        ("America/New_York", "2026-07-02 00:30", "2026-07-03 00:30"),
        ("America/New_York", "2026-12-01 23:00", "2026-12-02 01:30"),
        ("Asia/Shanghai", "2026-07-01 12:29", "2026-07-01 12:30"),
        # Clocks go back in the night of November 1st.
        ("America/New_York", "2026-11-01 00:31", "2026-11-02 01:30"),
    ],
)
def test_a_round_of_each_day_is_at_that_time_there(zone: str, started: str, due: str) -> None:
    daily = schedule.read_schedule(None, "20:30", zone)
    assert daily is not None
    found = daily.after(datetime.fromisoformat(started).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_time_that_a_day_lacks_is_an_hour_later() -> None:
    daily = schedule.read_schedule(None, "2:30", "America/New_York")
    assert daily is not None
    found = daily.after(datetime(2026, 3, 7, 12, tzinfo=UTC))
    assert found == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert daily.after(found) == datetime(2026, 3, 9, 6, 30, tzinfo=UTC)


def test_a_signal_that_is_dropped_in_a_finalizer_still_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []
    dropped: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: dropped.append(found.exc_type))
    handlers = [signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)]

    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def one_round() -> None:
        rounds.append(1)
        Finalized()

    schedule.repeat(one_round, schedule.Every(3600.0), sleep=lambda _seconds: pytest.fail("it goes on"))
    assert (rounds, dropped) == ([1], [KeyboardInterrupt])
    assert [signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)] == handlers


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("6h", 21600), ("1D", 86400)])
def test_a_period_is_minutes_hours_or_days(text: str, seconds: float) -> None:
    assert schedule.read_schedule(text, None, None) == schedule.Every(seconds)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_it_keeps_running_until_it_is_told_to_stop(
    publisher: Publisher, tmp_path: Path, name: signal.Signals
) -> None:
    publish_ark(publisher, "ARKK")
    options = ["--funds", "ARKK", "--base-url", publisher.url, "--every", "6h"]
    url = f"sqlite:///{tmp_path / 'qotgate.db'}"
    with subprocess.Popen(
        [*QOTGATE, "fetch", "ark", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QOTGATE_DB": url, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            assert any("Generation 1." in line for line in lines)
            process.send_signal(name)
            assert process.wait(timeout=20) == 0
        finally:
            if process.poll() is None:
                process.kill()
    assert len(publisher.asked) == 1
