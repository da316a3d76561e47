"""The package works with every protobuf version that a user's environment may have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.parts import missing
from tests.support.serving import Serving

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import google.protobuf
assert google.protobuf.__version__.startswith(sys.argv[1]), google.protobuf.__version__
from qotgate import *
from qotgate.protocol.body import decode, encode, refusal
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
for body_format in (0, 1):
    body = encode(refusal(RetType.FAILED, 'no'), body_format)
    assert decode(RESPONSES[ProtoId.KeepAlive], body, body_format).retMsg == 'no'
for proto_fmt in (ProtoFMT.Protobuf, ProtoFMT.Json):
    SysConfig.set_proto_fmt(proto_fmt)
    with OpenQuoteContext(port=int(sys.argv[2])) as context:
        assert context.get_ark_stock_dynamic('US.TSLA')[1]['net_shares'] == 76041
        assert len(context.get_rating_change(Market.US)[1]) == 5
        assert len(context.get_ark_fund_holding()[1]) > 0
"""


@pytest.mark.parametrize("version", ["4.25", "5.29", "7"])
def test_protobuf(version: str, tmp_path: Path, sample_gateway: Serving) -> None:
    wanted = f"protobuf=={version}.*"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(tmp_path),
        wanted,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        missing(f"{wanted} cannot be installed")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, version.split(".")[0], str(sample_gateway.port)],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
