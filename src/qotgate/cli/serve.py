"""``qotgate serve``: run the gateway."""

import sys
from typing import Any

import click

from qotgate.cli import (
    bare_structlog,  # noqa: F401 - before what logs
    options,
)
from qotgate.model import QotGateError
from qotgate.serving.configuration import Configuration
from qotgate.serving.settings import read_settings


@click.command()
@options.all_flags
def serve(**flags: Any) -> None:
    """Answer the published clients on TCP, on WebSocket if configured, and browsers on HTTP, until Ctrl-C or
    SIGTERM."""
    configuration = Configuration.of(read_settings(**flags))
    if configuration.settings.workers > 1:
        if sys.platform == "win32":
            raise QotGateError("--workers takes 1 on this system, which cannot fork.")
        # Imported late: it needs features that some systems lack.
        from qotgate.serving.workers import serve_by_workers

        serve_by_workers(configuration, flags)
    else:
        from qotgate.serving.alone import serve_alone

        serve_alone(configuration, flags)
