"""Scripts on the published Python clients, in separate processes."""

import os
import subprocess
import sys
from pathlib import Path

WIDE = "import pandas; pandas.set_option('display.width', 1000, 'display.max_columns', None)\n"


JSON = "SysConfig.set_proto_fmt(ProtoFMT.Json)\n"


def run_script(script: str, home: Path, *arguments: object) -> list[str]:
    """The lines that a script prints, with blanks folded. The published clients keep logs in the home
    folder."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "HOME": str(home), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def as_run(published: str, package: str, port: int, *, json: bool) -> str:
    """The example with another package, port and body format, otherwise as published."""
    head, rest = published.split("\n", 1)
    head = head.replace("futu", package)
    rest = rest.replace("port=11111", f"port={port}")
    return WIDE + head + "\n" + (JSON if json else "") + rest
