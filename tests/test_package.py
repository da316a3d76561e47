"""The published package: built from scratch, checked, installed without Node, and run."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml

from qotgate import __version__
from tests.support.paths import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"


def run(*command: str | Path, cwd: Path, path: str | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QOTGATE_")}
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**environment, "HOME": str(cwd), "PATH": path or environment["PATH"]},
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_package_is_built_checked_installed_and_run(tmp_path: Path) -> None:
    source = tmp_path / "source"
    run("git", "clone", "--quiet", ROOT, source, cwd=tmp_path)
    run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", source, cwd=tmp_path)
    made = sorted((tmp_path / "dist").iterdir())
    assert [path.suffix for path in made] == [".whl", ".gz"]
    run(sys.executable, "-m", "twine", "check", "--strict", *made, cwd=tmp_path)

    venv.create(tmp_path / "clean", with_pip=True)
    programs = tmp_path / "clean" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", made[0], cwd=tmp_path)
    # Only its own programs: no Node.
    assert (
        run(programs / "qotgate", "--version", cwd=tmp_path, path=str(programs)) == f"qotgate {__version__}\n"
    )
    told = run(programs / "qotgate", "demo", "--once", "--port", "0", cwd=tmp_path, path=str(programs))
    assert "net_shares: 76041" in told
    run(programs / "python", "-m", "pip", "check", cwd=tmp_path)
    static = next((tmp_path / "clean").glob("lib/python*/site-packages/qotgate/web/static"))
    assert (static / "vendor" / "uPlot.iife.min.js").is_file()


def test_the_workflows_run_what_there_is() -> None:
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    steps = [
        step.get("run", "")
        for path in sorted(WORKFLOWS.glob("*.yml"))
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        for step in job["steps"]
    ]
    made = [step.removeprefix("make ") for step in steps if step.startswith("make ")]
    assert {"check", "demo", "test"} <= set(made)
    assert all(f"\n{target}:" in targets for target in made)
    assert "qotgate/.ci/run" in steps
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
