"""The program prints the sentences that the documents quote."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import qotgate
from tests.support.paths import ROOT

OTHERS = {
    "password authentication failed": "PostgreSQL",
    "too many clients already": "PostgreSQL",
    "database or disk is full": "SQLite",
    "malformed": "SQLite",
}
"""Sentences of other programs, passed on unchanged."""
GAP = "{}"


def texts(node: ast.AST) -> Iterator[str]:
    """The texts in a piece of code, with GAP for each value filled in."""
    if isinstance(node, ast.JoinedStr):
        parts = node.values
        yield "".join(part.value if isinstance(part, ast.Constant) else GAP for part in parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"\{[^{}]*\}", GAP, node.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


@cache
def printed() -> list[str]:
    folder = Path(str(qotgate.__file__)).parent
    return [
        text for path in folder.rglob("*.py") for text in texts(ast.parse(path.read_text(encoding="utf-8")))
    ]


def is_printed(quote: str) -> bool:
    """Whether a text of the program matches the quote; ``...`` in it stands for a value filled in."""
    pattern = ".*".join(map(re.escape, quote.split(" ... ")))
    return any(re.search(pattern, text, re.DOTALL) for text in printed())


def quotes() -> list[str]:
    """The quotations in the first column of the table of troubles."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text[text.index("## When something is wrong") : text.index("## Security checklist")]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return [quote for cell in cells for quote in re.findall(r'"([^"]+)"', cell)]


@pytest.mark.parametrize("quote", quotes())
def test_each_trouble_is_quoted_from_the_program(quote: str) -> None:
    assert quote in OTHERS or is_printed(quote)


def test_a_sentence_that_is_not_printed_is_found_out() -> None:
    assert len(quotes()) >= 12
    assert set(OTHERS) <= set(quotes())
    assert not is_printed("InitConnect must be encrypted")
    assert not is_printed("over the limit (retType -1)")
