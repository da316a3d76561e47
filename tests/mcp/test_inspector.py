"""The tools called by the protocol's own inspector."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.parts import missing, program

INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"


@pytest.mark.slow
def test_the_inspector_lists_and_calls_the_tools(sample_url: str, tmp_path: Path) -> None:
    def inspect(*arguments: str) -> Any:
        done = subprocess.run(
            [
                *(program("npm"), "exec", "--yes", "--loglevel=error", f"--package={INSPECTOR}", "--"),
                *(
                    "mcp-inspector",
                    "--cli",
                    sys.executable,
                    "-m",
                    "qotgate.cli.main",
                    "mcp",
                    "--db",
                    sample_url,
                ),
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=280,
        )
        if "npm error" in done.stderr:
            missing(f"npm could not install the inspector: {done.stderr[:500]}")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    tools = inspect("--method", "tools/list")["tools"]
    assert {"coverage", "ark_dynamic", "rating_changes"} <= {tool["name"] for tool in tools}
    call = ("--method", "tools/call", "--tool-name", "ark_dynamic", "--tool-arg", "security=US.TSLA")
    answer = inspect(*call)
    assert answer["structuredContent"]["net_shares"] == 76041
