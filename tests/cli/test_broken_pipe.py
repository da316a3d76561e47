"""Output to a closed pipe: every command ends silently, like one ended by SIGPIPE."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE

COMMANDS = {
    "a line": ["--version"],
    "lines": ["ark", "US.TSLA"],
    "a table": ["holdings"],
    "JSON": ["status", "--json"],
    "a report": ["load", str(SAMPLE)],
    "a server": ["serve", "--port", "0", "--no-http", "--log-level", "error"],
}
"""Commands by how they print: at once, line by line, by Rich, from an event loop."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_gone_ends_a_command_quietly(sample_file: Path, tmp_path: Path, name: str) -> None:
    database = tmp_path / "qotgate.db"
    database.write_bytes(sample_file.read_bytes())
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*QOTGATE, *COMMANDS[name]],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "QOTGATE_DB": f"sqlite:///{database}"},
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
