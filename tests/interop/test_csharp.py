"""C# made from our .proto files. The published C# client is a download that no package registry has, and no
.NET is at hand either, so what is shown is that protoc makes C# of every file without complaint."""

import re
from pathlib import Path

from tests.support.toolchains import PROTO, run


def test_protoc_makes_csharp_of_every_file(tmp_path: Path) -> None:
    names = sorted(path.stem for path in PROTO.glob("*.proto"))
    done = run(
        ["protoc", f"--proto_path={PROTO}", f"--csharp_out={tmp_path}", *(f"{n}.proto" for n in names)], PROTO
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.cs")}
    # One file for each, named as C# names things.
    assert set(made) == {"".join(part[0].upper() + part[1:] for part in n.split("_")) for n in names}
    dynamic = made["QotGetArkStockDynamic"]
    assert "namespace QotGetArkStockDynamic {" in dynamic
    assert {"C2S", "S2C", "Request", "Response"} <= set(re.findall(r"sealed partial class (\w+)", dynamic))
    # proto2 fields that were not sent are told from zeros.
    assert "public bool HasNetShares" in dynamic
