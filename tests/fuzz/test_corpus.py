"""The corpus of fuzzing as ordinary tests, and a minute of fuzzing, split over the targets."""

import os
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz import CORPUS, TARGETS, target
from fuzz.running import Outcome, run
from tests.support.parts import missing

SECONDS = 60
SEED = 1
"""The same in each run, so that a finding comes from a change, not from chance. `make fuzz` looks further."""
CORPUS_MOST = 1 << 20


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    take = target(name)
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        try:
            take(path.read_bytes())
        except Exception as error:
            error.add_note(f"fuzz/corpus/{name}/{path.name}")
            raise


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < CORPUS_MOST
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.slow
def test_a_minute_of_fuzzing(tmp_path: Path) -> None:
    if find_spec("atheris") is None:
        missing("atheris has no wheel for this Python and system")
    processors = os.cpu_count() or 1
    seconds = max(1, SECONDS // len(TARGETS))
    with ThreadPoolExecutor(processors) as threads:
        outcomes = list(threads.map(lambda name: run(name, seconds, tmp_path, SEED), TARGETS))
    assert not any(outcome.findings for outcome in outcomes), "\n\n".join(map(Outcome.report, outcomes))
    for outcome in outcomes:
        # More than the number of stored inputs.
        assert outcome.executions > len(list((CORPUS / outcome.target).iterdir())), outcome
        assert outcome.edges > 0
