"""Open files: as many as the connections need, or a sentence about the limit."""

import resource
import subprocess
from contextlib import ExitStack

from tests.support.serving import QOTGATE, serving_process
from tests.support.wire import Wire


def limit(soft: int, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_connections_than_the_system_allows_files_are_refused(sample_url: str) -> None:
    done = subprocess.run(
        [*QOTGATE, "serve", "--port", "0", "--max-connections", "1000", "--db", sample_url],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: limit(512, 512),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "qotgate: --max-connections 1000 takes 1128 open files, and the system allows 512; "
        "raise that with ulimit -n.\n"
    )


def test_the_soft_limit_is_raised_to_what_the_connections_take(sample_url: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        # The gateway inherits it.
        limit(300, hard)
        with serving_process(sample_url, "--max-connections", "400") as gateway:
            limit(soft, hard)
            with ExitStack() as opened:
                for _ in range(350):
                    opened.enter_context(Wire(gateway.port))
    finally:
        limit(soft, hard)
