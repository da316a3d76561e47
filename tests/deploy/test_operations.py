"""docs/operations.md and the alerts, compared with the exported metrics."""

import re
import subprocess
import urllib.request

import pytest

from tests.support.paths import ROOT
from tests.support.serving import serving
from tests.support.wire import Wire, free_port

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DOCUMENT = ROOT / "docs" / "operations.md"


@pytest.fixture(scope="module")
def exported(sample_url: str) -> set[str]:
    """The names of all samples of a gateway with every part, after some requests."""
    store = f"redis://127.0.0.1:{free_port()}/0"  # a limit store that is away has metrics too
    with serving(sample_url, "--http-port", "0", "--limit-store", store) as gateway:
        with Wire(gateway.port) as wire:
            assert wire.dynamic().retType == 0
        for path in ("/healthz", "/metrics"):
            with urllib.request.urlopen(f"{gateway.pages}{path}", timeout=20) as answer:
                text = answer.read().decode()
    names = set(re.findall(r"^(\w+)(?:\{.*?\})? [-+0-9.eEInfNa]+$", text, re.M))
    assert len(names) > 20
    return {name for name in names if not name.endswith("_created")}


def without_ends(names: set[str]) -> set[str]:
    """The one name that a histogram has in the document."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def test_the_document_has_every_metric_and_no_other(exported: set[str]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text[text.index("## Metrics") : text.index("## Log")]
    documented = set(re.findall(r"`(qotgate_[a-z_]+)", table))
    assert documented == without_ends(exported)


def test_alerts_are_on_metrics_that_there_are(exported: set[str]) -> None:
    named = set(re.findall(r"\bqotgate_[a-z_]+(?=[\[{)\s])", "\n".join(expressions())))
    assert len(named) >= 8
    assert named <= exported


def expressions() -> list[str]:
    return re.findall(r"expr: (.*)", ALERTS.read_text())


@pytest.mark.slow
def test_alerts_go_off_when_they_should() -> None:
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        done = subprocess.run(
            ["promtool", *command], cwd=ALERTS.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout
