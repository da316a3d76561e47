"""Every option is documented in both languages, and its effect on a reload in docs/running.md."""

import re

import pytest

from qotgate.serving.settings import NEXT_START, Settings, misspelt_variables, read_settings
from tests.support.paths import ROOT


def named(text: str) -> set[str]:
    """The names in the first column of tables."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {name for cell in cells for name in re.findall("`([a-z_0-9]+)`", cell)}


@pytest.mark.parametrize("document", ["docs/options.md", "docs/zh/options.md"])
def test_each_option_is_in_the_table(document: str) -> None:
    assert set(Settings.model_fields) <= named((ROOT / document).read_text(encoding="utf-8"))


def test_what_a_reload_does_is_told_of_each_option() -> None:
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    section = text[text.index("## Changing options") : text.index("## Rolling restart")]
    assert named(section) == set(Settings.model_fields)
    (later,) = [line for line in section.splitlines() if "| at the next start" in line]
    assert named(later) == set(NEXT_START) & set(Settings.model_fields)


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
