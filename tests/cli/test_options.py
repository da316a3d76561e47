"""Every option is documented in both languages, and its effect on a reload in docs/running.md."""

import pickle
import re
from pathlib import Path

import pytest

from qotgate.model import QotGateError
from qotgate.serving.settings import NEXT_START, OPTIONS, misspelt_variables, read_settings
from tests.support.paths import ROOT


def named(text: str) -> set[str]:
    """The names in the first column of tables."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {name for cell in cells for name in re.findall("`([a-z_0-9]+)`", cell)}


@pytest.mark.parametrize("document", ["docs/options.md", "docs/zh/options.md"])
def test_each_option_is_in_the_table(document: str) -> None:
    assert set(OPTIONS) <= named((ROOT / document).read_text(encoding="utf-8"))


def test_what_a_reload_does_is_told_of_each_option() -> None:
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    section = text[text.index("## Changing options") : text.index("## Rolling restart")]
    assert named(section) == set(OPTIONS)
    (later,) = [line for line in section.splitlines() if "| at the next start" in line]
    assert named(later) == set(NEXT_START) & set(OPTIONS)


def test_a_misspelt_variable_is_told_with_the_option_that_it_is_near_to() -> None:
    variables = ["QOTGATE_PROT", "QOTGATE_LANG", "qotgate_port", "QOTGATE_XYZZY", "QOTGATE_SECRETS", "PATH"]
    assert misspelt_variables(variables) == [("QOTGATE_PROT", "QOTGATE_PORT"), ("QOTGATE_XYZZY", None)]


@pytest.mark.parametrize(
    "given",
    [{"lang": "EN"}, {"log_level": "Debug"}, {"log_format": "JSON"}, {"rate_limit_scope": "Connection"}],
)
def test_words_are_taken_in_any_case(given: dict[str, str]) -> None:
    ((name, word),) = given.items()
    assert getattr(read_settings(**given), name) == word.lower()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("x/y.db", "sqlite:///x/y.db"),
        ("/y.sqlite3", "sqlite:////y.sqlite3"),
        ("sqlite:///y.db", "sqlite:///y.db"),
        ("postgresql://h/y.db", "postgresql://h/y.db"),
        ("postgres", "postgres"),
    ],
)
def test_a_path_names_a_database_file(given: str, read: str) -> None:
    assert read_settings(db=given).db == read


def test_flags_precede_variables_secrets_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "qotgate.toml"
    config.write_text("port = 1\nworkers = 1\nwindow_days = 1\nmax_connections = 1\n")
    monkeypatch.setattr("qotgate.serving.settings.CONFIG_FILE", config)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("qotgate_port", "QOTGATE_WORKERS", "Qotgate_Window_Days"):
        (secrets / name).write_text("2\n")
    monkeypatch.setenv("QOTGATE_SECRETS", str(secrets))
    monkeypatch.setenv("qotgate_port", "3")
    monkeypatch.setenv("QOTGATE_WORKERS", "3")
    found = read_settings(port=4, workers=None)
    assert (found.port, found.workers, found.window_days, found.max_connections) == (4, 3, 2, 1)
    assert found.given == {"port", "workers", "window_days", "max_connections"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("port = 1.5", "--port takes a whole number from 0 to 65535, not 1.5."),
        ("port = true", "--port takes a whole number from 0 to 65535, not True."),
        ("port = []", "--port takes a whole number from 0 to 65535, not []."),
        ("window_days = 0", "--window-days takes a whole number from 1 to 3660, not 0."),
        ("drain_seconds = nan", "--drain-seconds takes a number from 0 to 3600, not nan."),
        ("drain_seconds = true", "--drain-seconds takes a number from 0 to 3600, not True."),
        ("replay_speed = inf", "--replay-speed takes a number of 0 or more, not inf."),
        ("allow_plaintext = 2", "--allow-plaintext takes true or false, not 2."),
        ("rate_limit = 60", "--rate-limit takes text, not 60."),
        ("log_level = 1", "--log-level takes debug, info, warning or error, not 1."),
        ("rsa_key = 1", "--rsa-key takes a path, not 1."),
        ("upstream_for = [3426]", "--upstream-for takes proto ids of 3229, 3230, "),
        ('funds = "ARKK"\nlang = ["en"]', "--lang takes zh or en, not ['en']."),
        ('websocket_origins = ["x"]', "--websocket-origins takes origins such as https://example.com"),
        ("http_token = 12345678901234567", "--http-token takes text."),
        ("db = 7", "--db takes a database."),
        ("[port]\nx = 1", "--port takes a whole number from 0 to 65535, not {'x': 1}."),
        ("given = 1", "has an unknown option given"),
        ("replay_speed = 1" + 400 * "0", "--replay-speed takes a number of 0 or more, not 1000"),
        ("port = " + 2000 * "[", "qotgate.toml is not valid TOML"),
        ("port = 0x" + 4000 * "f", "--port takes a whole number from 0 to 65535."),
    ],
)
def test_another_type_is_refused(
    line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "qotgate.toml"
    config.write_text(line)
    monkeypatch.setattr("qotgate.serving.settings.CONFIG_FILE", config)
    with pytest.raises(QotGateError) as refused:
        read_settings()
    assert said in str(refused.value)


def test_settings_do_not_change_and_go_to_other_processes() -> None:
    settings = read_settings(http_token="x" * 16, funds="arkk, arkw", no_http="yes", replay_speed="2")
    again = pickle.loads(pickle.dumps(settings))
    assert vars(again) == vars(settings)
    assert (again.funds, again.no_http, again.replay_speed) == (("ARKK", "ARKW"), True, 2.0)
    assert "x" * 16 not in repr(settings) + repr(settings.http_token)
    with pytest.raises(AttributeError):
        settings.port = 1


def test_an_option_that_is_kept_is_given_as_before() -> None:
    before, wanted = read_settings(port=1), read_settings(rate_limit="1/1s", window_days=2)
    kept = wanted.keeping(["port", "rate_limit"], before)
    assert (kept.port, kept.rate_limit, kept.window_days) == (1, "60/30s", 2)
    assert kept.given == {"port", "window_days"}
