"""Runs fuzzers, two or more at a time, and prints a table: ``python -m fuzz [TARGET...] [--seconds N]``."""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from fuzz import TARGETS
from fuzz.running import Outcome, run

COLUMNS = ("target", "executions", "edges", "features", "corpus", "findings")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz targets, all unless named.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    given = parser.parse_args()
    print(_row(COLUMNS), _row(["---"] + ["---:"] * (len(COLUMNS) - 1)), sep="\n", flush=True)
    findings = []
    with ThreadPoolExecutor(given.jobs) as threads:
        for outcome in threads.map(lambda name: run(name, given.seconds), given.targets or TARGETS):
            print(_row(_cells(outcome)), flush=True)
            if outcome.findings:
                findings.append(outcome.report())
    if findings:
        sys.exit("\n\n".join(findings))


def _cells(outcome: Outcome) -> list[str]:
    numbers = (outcome.executions, outcome.edges, outcome.features, outcome.corpus, len(outcome.findings))
    return [outcome.target, *(f"{number:,}" for number in numbers)]


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
