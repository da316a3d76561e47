"""A fuzzer in its own process, and its results."""

import os
import re
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path

from fuzz import CORPUS

ROOT = CORPUS.parents[1]
FOUND = ROOT / ".cache" / "fuzz"
"""The folder of inputs that reach new code, by target; it is not part of the repository."""
UNIT_SECONDS = 25
"""Time limit of one input in seconds; the slowest stored one takes a hundredth of it."""
MEMORY_MIB = 2048
START_SECONDS = 120
LEAST_LENGTH = 4096

_STATE = re.compile(r"^#\d+\s.*cov: (\d+) ft: (\d+)(?: corp: (\d+)/)?", re.MULTILINE)
_RUNS = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
_ERROR = re.compile(
    r"=== Uncaught Python exception: ===\n(?:.*\n)*?(?===\d+)|^.*ERROR: libFuzzer.*$", re.MULTILINE
)


@dataclass
class Outcome:
    """The results of a run: inputs tried, edges and features of the code that they reached, inputs worth
    storing. ``findings`` are inputs that broke a promise, each with its report."""

    target: str
    executions: int = 0
    edges: int = 0
    features: int = 0
    corpus: int = 0
    findings: list[tuple[Path, str]] = field(default_factory=list)

    def report(self) -> str:
        """The findings with their bytes, so that a log is enough to reproduce them."""
        told = []
        for path, reason in self.findings:
            content = b64encode(path.read_bytes()).decode()
            told.append(
                f"{self.target}: {path.name}, in base64: {content}\n{reason}\n"
                f"To see it again: python -m fuzz.one {self.target} FILE. Once mended, keep FILE in "
                f"fuzz/corpus/{self.target}."
            )
        return "\n".join(told)


def run(name: str, seconds: int, found: Path = FOUND, seed: int = 0) -> Outcome:
    """Fuzz the target ``name`` for about ``seconds``; with ``seed`` 0, from a new seed each time."""
    units, findings = found / name, found / "findings" / name
    for folder in (units, findings, CORPUS / name):
        folder.mkdir(parents=True, exist_ok=True)
    known = set(findings.iterdir())
    command = [
        *(sys.executable, "-m", "fuzz.one", name, str(units), str(CORPUS / name)),
        *(f"-max_total_time={seconds}", f"-timeout={UNIT_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}"),
        *(f"-artifact_prefix={findings}{os.sep}", "-print_final_stats=1", f"-max_len={LEAST_LENGTH}"),
        f"-seed={seed}",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        # A reader in Rust reports each panic that it catches, which would fill the log.
        env={**os.environ, "RUST_BACKTRACE": "0"},
        capture_output=True,
        check=False,
        timeout=seconds + UNIT_SECONDS + START_SECONDS,
    )
    said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    outcome = Outcome(name)
    if runs := _RUNS.findall(said):
        outcome.executions = int(runs[-1])
    if states := _STATE.findall(said):
        outcome.edges, outcome.features = (int(number) for number in states[-1][:2])
    outcome.corpus = sum(1 for _ in units.iterdir()) + sum(1 for _ in (CORPUS / name).iterdir())
    reason = "\n".join(_ERROR.findall(said)).strip()
    outcome.findings = [
        (path, reason) for path in sorted(set(findings.iterdir()) - known) if "slow-" not in path.name
    ]
    if done.returncode and not outcome.findings:
        raise RuntimeError(f"the fuzzer of {name} did not run:\n{said[-4000:]}")
    return outcome
