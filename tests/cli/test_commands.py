"""The command line: its output and its exit status."""

import json
import re
import socket
from pathlib import Path

import pytest

from tests.support.commands import run, run_process
from tests.support.paths import SAMPLE
from tests.support.serving import Serving
from tests.support.wire import free_port


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'cli.db'}"


def test_load_prints_a_table_and_then_that_nothing_changed(url: str) -> None:
    first = run("load", SAMPLE, "--db", url)
    assert first.returncode == 0, first.stderr
    assert re.search(r"read +│ 18 ", first.stdout)
    assert re.search(r"holdings +│ 88 +│ 88 ", first.stdout)
    assert "Generation 1." in first.stdout
    again = json.loads(run("load", SAMPLE, "--db", url, "--json").stdout)
    assert again["files"] == {"found": 18, "read": 0, "unchanged": 18, "rejected": 0}
    assert again["generation"] == 1


def test_dry_run_keeps_nothing(url: str) -> None:
    report = json.loads(run("load", SAMPLE, "--db", url, "--json", "--dry-run").stdout)
    assert report["dry_run"]
    assert report["rows"]["notes"] == {"read": 17, "new": 17}
    assert "Nothing is loaded yet" in run("status", "--db", url).stdout


def test_what_is_left_out_is_listed_by_file_and_line(url: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text(
        "ticker,name,firm,rating,price_target,date\n"
        "MU,Micron,UBS,Buy,abc,2026-06-01\n"
        "MU,Micron,UBS,Buy,10,2026-06-02\n"
    )
    done = run("load", notes, "--db", url)
    assert done.returncode == 0
    assert re.search(r"notes\.csv, line 2: .*abc", done.stdout)
    status = json.loads(run("status", "--db", url, "--json").stdout)
    assert (status["rejected_lines"], status["rejects"][0]["line"]) == (1, 2)


def test_equal_reasons_are_told_once_and_other_files_in_one_line(url: str, tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"empty{number}.csv").write_bytes(b"")
    lines = [f"MU,Micron,,Buy,{target},2026-06-02\n" for target in range(1, 8)]
    (tmp_path / "notes.csv").write_text("ticker,name,firm,rating,price_target,date\n" + "".join(lines))
    for name in ("README.md", "LICENSE", "a.png", "b.png"):
        (tmp_path / name).write_text("no data")
    said = run("load", tmp_path, "--db", url).stdout
    assert re.search(r"4 files passed over.* \(\.png: 2, (\.md|no suffix): 1, ", said)
    assert "README" not in said
    assert said.count("the file is empty") == said.count("firm is blank") == 1
    assert re.search(r"empty2\.csv and 3 more: the file is empty", said)
    assert re.search(r"notes\.csv, lines 2, 3, 4 and 4 more: firm is blank", said)
    assert "Left out: 13" in said


def test_the_user_may_say_the_order_of_days(url: str, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("ticker,firm,rating,date\nMU,UBS,Buy,3/2/2026\n")
    refused = run("load", tmp_path, "--db", url)
    assert (refused.returncode, "--dates dmy or --dates mdy" in refused.stdout) == (1, True)
    assert run("load", tmp_path, "--db", url, "--dates", "DMY").returncode == 0
    found = run("ratings", "--change-type", "new_rating", "--db", url, "--json").stdout
    assert "2026-02-03" in found


@pytest.mark.parametrize(
    "command",
    [
        *(["ark", "US.TSLA"], ["ratings"], ["holdings"], ["transactions"], ["status"], ["unload", "x.csv"]),
        *(["backup", "x.db"], ["research", "trades"], ["export", "folder"], ["consensus", "US.MU"]),
        *(["rating-summary", "US.MU"], ["market-state", "US.MU"]),
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_reads_makes_no_database(tmp_path: Path, command: list[str]) -> None:
    done = run(*command, "--db", f"sqlite:///{tmp_path / 'typo.db'}")
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"qotgate: There is no database {tmp_path / 'typo.db'}; `qotgate load PATH`"
    )
    assert not list(tmp_path.iterdir())


def test_when_nothing_could_be_loaded_the_status_is_1(url: str, tmp_path: Path) -> None:
    (tmp_path / "junk.bin").write_bytes(bytes(range(256)))
    done = run("load", tmp_path / "junk.bin", "--db", url)
    assert done.returncode == 1
    assert "junk.bin" in done.stdout


def test_ark(sample_url: str) -> None:
    done = run("ark", "US.TSLA", "--db", sample_url)
    assert done.stdout.splitlines() == [
        "dynamic_type: CONSECUTIVE_SAME_DIRECTION",
        "transaction_count: 2",
        "net_shares: 76041",
        "last_transaction_time: 2026-06-22",
    ]
    earlier = json.loads(run("ark", "US.TSLA", "--as-of", "2026-06-17", "--json", "--db", sample_url).stdout)
    assert (earlier["net_shares"], earlier["last_transaction_time"]) == (-20000, "2026-06-17")
    assert "last_transaction_time: N/A" in run("ark", "US.COIN", "--db", sample_url).stdout
    later = run("ark", "US.TSLA", "--as-of", "2099-01-01", "--db", sample_url).stdout.splitlines()
    assert later == [*done.stdout.splitlines(), "known_to: 2026-06-22"]


def test_ark_explained(sample_url: str) -> None:
    done = run("ark", "US.TSLA", "--explain", "--db", sample_url)
    assert done.returncode == 0
    notice = SAMPLE / "ark" / "SYNTHETIC_TRADES_2026-06-22.csv"
    assert "2026-06-22 ARKK +28,000 shares, confidence 1.00\n  from a trade notice\n" in done.stdout
    assert f"  {notice}, line 4\n" in done.stdout
    told = json.loads(run("ark", "US.TSLA", "--explain", "--json", "--db", sample_url).stdout)["trades"]
    assert sum(trade["shares"] for trade in told) == 76041
    inferred = next(trade for trade in told if trade["fund"] == "ARKW" and trade["day"] == "2026-06-18")
    assert (inferred["shares"], inferred["change"], inferred["flow"]) == (6041, 6041, 0)
    assert 0.5 < inferred["confidence"] < 1
    assert [Path(path).name for path, _ in inferred["places"]] == [
        "SYNTHETIC_ARKW_HOLDINGS_2026-06-18.csv",
        "SYNTHETIC_ARKW_HOLDINGS_2026-06-22.csv",
    ]
    for path, line in inferred["places"]:
        assert "TESLA" in Path(path).read_text().splitlines()[line - 1]


def test_ark_check(sample_url: str, tmp_path: Path) -> None:
    notices = SAMPLE / "ark" / "SYNTHETIC_TRADES_2026-06-22.csv"
    done = run("ark-check", notices, "--db", sample_url)
    assert done.returncode == 0
    assert re.search(r"all +│ 2 +│ 2 +│ 1\.0000 +│ 1\.0000 +│ 1\.0000", done.stdout)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(notices.read_text().replace(",28000,", ",38000,").replace("ARKW,06/22", "ARKX,06/22"))
    told = json.loads(run("ark-check", wrong, "--json", "--db", sample_url).stdout)
    assert (told["all"]["all"]["found"], told["all"]["all"]["exact"]) == (1, 0)
    assert (told["misses"][0]["noticed"], told["misses"][0]["inferred"]) == (38000, 28000)
    nothing = run("ark-check", SAMPLE / "ratings", "--db", sample_url)
    assert (nothing.returncode, nothing.stdout) == (2, "")


def test_ratings_page_by_page(sample_url: str) -> None:
    first = json.loads(run("ratings", "--count", 2, "--json", "--db", sample_url).stdout)
    assert [row["security"] for row in first["rows"]] == ["US.MU", "US.INTC"]
    assert first["rows"][0] == {
        "security": "US.MU",
        "name": "美光科技",
        "rating": "BUY",
        "last_rating": "BUY",
        "target_price": 1500.0,
        "last_target_price": 950.0,
        "change_type": "UPGRADE",
        "institution": "美银证券",
        "day": "2026-06-23",
        "last_day": "2026-05-13",
    }
    second = run("ratings", "--count", 20, "--page", first["next_page"], "--lang", "en", "--db", sample_url)
    assert "Nucor" in second.stdout
    assert "Next page" not in second.stdout
    ca = run("ratings", "--market", "ca", "--change-type", "upgrade", "--json", "--db", sample_url)
    assert [row["security"] for row in json.loads(ca.stdout)["rows"]] == ["CA.SHOP"]


def test_holdings(sample_url: str) -> None:
    first = json.loads(run("holdings", "--count", 2, "--json", "--lang", "en", "--db", sample_url).stdout)
    assert (first["all_count"], len(first["rows"])) == (5, 2)
    assert first["rows"][0]["security"] == "US.TDOC"
    assert list(first["rows"][0]) == [
        *("security", "name", "shares", "shares_change", "market_value", "weight", "weight_change"),
    ]
    page = ("--page", first["next_page"], "--lang", "en")
    second = run("holdings", *page, "--db", sample_url).stdout
    assert "Next page" not in second
    assert "5 in all.\nKnown to 2026-06-22.\n" in second
    twice = run("holdings", "--fund", "ARKW,arkw", "--json", "--db", sample_url).stdout
    assert twice == run("holdings", "--fund", "ARKW", "--json", "--db", sample_url).stdout
    one = run("holdings", "--fund", "ARKW", "--type", "increase", "--cycle", "five_day", "--db", sample_url)
    assert re.search(r"US\.TSLA .* 818,041 +\+18,041 ", one.stdout)


def test_transactions(sample_url: str) -> None:
    arguments = ("transactions", "--cycle", "sixty_day", "--db", sample_url)
    (row,) = json.loads(run(*arguments, "--fund", "ARKW", "--json").stdout)["rows"]
    assert row == {
        "security": "US.TSLA",
        "name": "特斯拉",
        "change_amount": 18_041 * 310.0,
        "change_shares": 18_041,
    }
    sold = ("--type", "DECREASE", "--sort", "change_shares", "--sort-dir", "ascending")
    # US.ZM was sold before the hole in the sample, and the sixty days begin after it.
    assert "0 in all." in run(*arguments, *sold).stdout
    before = run(*arguments, *sold, "--as-of", "2026-04-20").stdout
    assert re.search(r"^US\.ZM .* -10,200,000\.00 +-120,000$", before, re.M)


def test_status(sample_url: str) -> None:
    status = json.loads(run("status", "--db", sample_url, "--json").stdout)
    assert status["generation"] == 1
    assert {(row["fund"], row["source"]) for row in status["spans"]["ark_days"]} == {
        ("ARKK", "notice"),
        ("ARKK", "holdings"),
        ("ARKK", "hole"),
        ("ARKW", "notice"),
        ("ARKW", "holdings"),
        ("ARKW", "hole"),
    }
    assert "Trade notices" in run("status", "--db", sample_url).stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["load", "/no/such/path"], "/no/such/path does not exist"),
        (["load"], "Missing argument 'PATH...'"),
        (["ark", "TSLA"], "CODE takes a code as MARKET.CODE"),
        (["ark", "US.TSLA", "--as-of", "yesterday"], "--as-of takes a day as YYYY-MM-DD"),
        (["holdings", "--as-of", "2026-04-16"], "as_of takes a day from 2026-04-17 on"),
        (["ratings", "--market", "HK"], "--market takes US or CA"),
        (["ratings", "--change-type", "up"], "--change-type takes upgrade, downgrade, new_rating"),
        (["ratings", "--count", "21"], "count takes a whole number from 1 to 20"),
        (["ratings", "--count", "x"], "Invalid value for '--count'"),
        (["ratings", "--page", "x"], "page takes the nextPage"),
        (
            ["holdings", "--type", "all"],
            "--type takes position, increase, decrease, new, sold_out",
        ),
        (
            ["holdings", "--sort", "name"],
            "--sort takes shares, weight_change, shares_change",
        ),
        (
            ["transactions", "--cycle", "year"],
            "--cycle takes one_day, five_day, ten_day",
        ),
        (["transactions", "--sort-dir", "up"], "--sort-dir takes descending, ascending"),
        (["transactions", "--count", "201"], "count takes a whole number from 1 to 200"),
        (
            ["transactions", "--fund", "ARKZ"],
            "--funds names ARKZ, of which nothing is loaded; loaded are ARKK, ARKW",
        ),
        (["ark", "US.TSLA", "--funds", "ARKK,ARKZ"], "--funds names ARKZ"),
        (["serve", "--rate-limit", "lots"], "--rate-limit takes REQUESTS/SECONDSs"),
        (
            ["serve", "--rate-limit-scope", "planet"],
            "--rate-limit-scope takes gateway or connection, not 'planet'.",
        ),
        (["serve", "--port", "99999"], "--port takes a whole number from 0 to 65535, not '99999'."),
        (["serve", "--lang", "fr"], "--lang takes zh or en, not 'fr'."),
        (["serve", "--host", "256.1.1.1", "--port", "0"], "Cannot listen on 256.1.1.1:0"),
        (["status", "--db", "oracle://x"], "--db takes sqlite:///FILE or postgresql://USER@HOST/DATABASE"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["ark", "US.TSLA", "--frobnicate"], "No such option '--frobnicate'"),
        (["ark", "US.TSLA", "--tables", "/no/such/folder"], "--tables takes a folder"),
        (["ark", "US.TSLA", "--funds", ","], "--funds takes funds, comma separated, not ','."),
        (["ark", "US." + "A" * 65], "CODE takes a code as MARKET.CODE"),
        (["serve", "--host", ""], "--host takes an address, not ''."),
        (["serve", "--host", "a..b"], "Cannot listen on a..b"),
        (
            ["status", "--db", "sqlite+aiosqlite:///x"],
            "--db takes sqlite:///FILE or postgresql://USER@HOST/DATABASE",
        ),
        (
            ["status", "--db", "sqlite:///x?timeout=abc"],
            "--db takes sqlite:///FILE or postgresql://USER@HOST/DATABASE",
        ),
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(
    sample_url: str, arguments: list[str], sentence: str
) -> None:
    done = run(*arguments, env={"QOTGATE_DB": sample_url})
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"qotgate: {sentence}")


def test_a_port_in_use_is_named(sample_url: str, sample_gateway: Serving) -> None:
    done = run("serve", "--port", sample_gateway.port, "--db", sample_url)
    assert done.returncode == 2
    assert f"Cannot listen on 127.0.0.1:{sample_gateway.port}" in done.stderr


def test_options_come_from_flags_then_variables_then_a_file(tmp_path: Path, sample_url: str) -> None:
    config = tmp_path / "config" / "qotgate" / "qotgate.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'db = "{sample_url}"\nlang = "en"\n')
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}

    def name(*flags: str, **variables: str) -> str:
        done = run_process("ratings", "--count", 1, "--json", *flags, env={**environment, **variables})
        return str(json.loads(done.stdout)["rows"][0]["name"])

    assert name() == "Micron Technology"
    assert name(QOTGATE_LANG="zh") == "美光科技"
    assert name("--lang", "en", QOTGATE_LANG="zh") == "Micron Technology"
    config.write_text("db = \n")
    broken = run_process("status", env=environment)
    assert broken.returncode == 2
    assert "qotgate.toml" in broken.stderr
    config.write_text('langue = "en"\n')
    unknown = run_process("status", env=environment)
    assert (unknown.returncode, "langue" in unknown.stderr) == (2, True)
    config.unlink()
    config.mkdir()
    folder = run_process("status", env=environment)
    assert (folder.returncode, "qotgate.toml is not a file" in folder.stderr) == (2, True)


def test_the_demo_prints_the_documented_answers_whatever_the_users_options(tmp_path: Path) -> None:
    port = free_port()
    key = tmp_path / "key.pem"
    assert run("keygen", key).returncode == 0
    own = {
        "QOTGATE_RSA_KEY": str(key),
        "QOTGATE_HOST": "::1",
        "QOTGATE_RATE_LIMIT": "1/30s",
        "QOTGATE_FUNDS": "X",
    }
    done = run_process("demo", "--port", port, env={"DEMO_ONCE": "1", **own})
    assert done.returncode == 0, done.stderr
    assert f"127.0.0.1:{port}" in done.stdout
    assert "net_shares: 76041" in done.stdout
    for kind in ("CONSECUTIVE_SAME_DIRECTION", "RECENT_TRANSACTION", "LAST_TRANSACTION", "NO_DYNAMIC"):
        assert f"dynamic_type: {kind}" in done.stdout
    assert re.search(r"US\.MU +美光科技 +BUY +BUY +1500\.0 +950\.0 +UPGRADE +美银证券", done.stdout)


def test_the_demo_takes_a_free_port_where_an_opend_has_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_process("demo", "--once", env={"QOTGATE_PORT": port})
        named = run_process("demo", "--once", "--port", port)
    assert done.returncode == 0, done.stderr
    assert f"Port {port} is taken, as by an OpenD of your own: the demo takes a free one." in done.stdout
    assert "net_shares: 76041" in done.stdout
    assert (named.returncode, f"127.0.0.1:{port}" in named.stderr) == (2, True)


def test_help_names_every_command() -> None:
    text = run("--help").stdout
    commands = ("load", "fetch", "serve", "ark", "ark-check", "holdings", "transactions", "ratings")
    for command in (*commands, "status", "keygen", "demo"):
        assert re.search(rf"^ +{command} ", text, re.M)
    assert run("--version").stdout.startswith("qotgate 0.")


def test_an_unknown_code_is_said_beside_the_answer(sample_url: str) -> None:
    done = run("ark", "us.tslaa", "--db", sample_url, "--lang", "en")
    assert "dynamic_type: NO_DYNAMIC" in done.stdout
    assert done.stderr == "US.TSLAA is not known here (did you mean US.TSLA (Tesla)?).\n"
