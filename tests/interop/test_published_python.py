"""The published Python clients, unchanged, against the gateway: the documents' own examples."""

from pathlib import Path

import pytest

from tests.support.documents import example, output
from tests.support.published import as_run, run_script
from tests.support.serving import Serving


@pytest.fixture(scope="session")
def reference_documents(shared_data: Path) -> Path:
    return shared_data.parent / "reference"


@pytest.mark.parametrize("json", [False, True], ids=["protobuf", "json"])
@pytest.mark.parametrize("package", ["futu", "moomoo"])
class TestDocuments:
    def test_ark_stock_dynamic(
        self, reference_documents: Path, sample_gateway: Serving, tmp_path: Path, package: str, json: bool
    ) -> None:
        script = example(reference_documents, "dynamic")
        lines = run_script(as_run(script, package, sample_gateway.port, json=json), tmp_path)
        documented = output(reference_documents, "dynamic")
        assert len(documented) == 4
        assert [
            line for line in lines if line.split(":")[0] in {d.split(":")[0] for d in documented}
        ] == documented

    def test_rating_change(
        self, reference_documents: Path, sample_gateway: Serving, tmp_path: Path, package: str, json: bool
    ) -> None:
        script = example(reference_documents, "rating")
        lines = run_script(as_run(script, package, sample_gateway.port, json=json), tmp_path)
        count, *table = output(reference_documents, "rating")
        assert len(table) == 3
        start = lines.index(table[0])
        assert lines[start : start + 3] == table
        # The sample has fewer rows than the document's service.
        assert lines[start - 1] == f"{count.split(':')[0]}: 5"


def test_our_client_runs_them_with_the_import_line_changed(
    reference_documents: Path, sample_gateway: Serving, tmp_path: Path
) -> None:
    for name in ("dynamic", "rating"):
        script = example(reference_documents, name)
        lines = run_script(as_run(script, "qotgate", sample_gateway.port, json=False), tmp_path)
        documented = [line for line in output(reference_documents, name) if "5904" not in line]
        assert [line for line in lines if line in documented] == documented


def test_keep_alive_holds_a_published_client(sample_url: str, tmp_path: Path) -> None:
    """The client sends a keep-alive at 4/5 of the interval: after three intervals it is still connected."""
    from tests.support.serving import serving

    script = """
import time
from futu import *
context = OpenQuoteContext(host='127.0.0.1', port={port})
before = context.get_sync_conn_id()
time.sleep(5)
assert context.get_ark_stock_dynamic('US.TSLA')[0] == RET_OK
assert context.get_sync_conn_id() == before
assert context.get_global_state()[1]['program_status_type'] == 'READY'
context.close()
"""
    with serving(sample_url, "--keep-alive-interval", "1") as gateway:
        run_script(script.format(port=gateway.port), tmp_path)
