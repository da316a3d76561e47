"""C#: Mono compiles and runs the example without packages, and protoc generates C# from every .proto file
without complaint.

The published C# client is a download that no package registry has.
"""

import re
from pathlib import Path

import pytest

from tests.support.serving import serving
from tests.support.toolchains import HERE, PROTO, csharp_client, run


@pytest.mark.slow
def test_the_example_asks_both_questions(sample_url: str) -> None:
    client = csharp_client()
    with serving(sample_url, "--lang", "en") as gateway:
        done = run([*client, gateway.host, str(gateway.port), "us.tsla"], HERE)
        refused = run([*client, gateway.host, str(gateway.port), "CA."], HERE)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {"dynamicType: 1", "transactionCount: 2", "netShares: 76041"} <= set(lines)
    assert len([line for line in lines if line.startswith("rating of ")]) == 3
    assert refused.returncode == 1
    assert "security.code takes" in refused.stderr
    away = run([*client, gateway.host, str(gateway.port), "US.TSLA"], HERE)
    assert (away.returncode, away.stdout) == (1, "")
    assert run([*client, gateway.host], HERE).returncode == 2


def test_protoc_makes_csharp_of_every_file(tmp_path: Path) -> None:
    names = sorted(path.stem for path in PROTO.glob("*.proto"))
    done = run(
        ["protoc", f"--proto_path={PROTO}", f"--csharp_out={tmp_path}", *(f"{n}.proto" for n in names)], PROTO
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.cs")}
    # One file for each, named by C#'s rules.
    assert set(made) == {"".join(part[0].upper() + part[1:] for part in n.split("_")) for n in names}
    dynamic = made["QotGetArkStockDynamic"]
    assert "namespace QotGetArkStockDynamic {" in dynamic
    assert {"C2S", "S2C", "Request", "Response"} <= set(re.findall(r"sealed partial class (\w+)", dynamic))
    # proto2 distinguishes fields that were not sent from zeros.
    assert "public bool HasNetShares" in dynamic
