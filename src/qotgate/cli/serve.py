"""``qotgate serve``: run the gateway."""

import sys
from inspect import Parameter, Signature
from typing import Any

from qotgate.cli.options import flag
from qotgate.model import QotGateError
from qotgate.serving.configuration import Configuration
from qotgate.serving.settings import Settings, about, read_settings


def serve(**flags: Any) -> None:
    """Answer the published clients on TCP, on WebSocket where asked to, and browsers on HTTP, until Ctrl-C or
    SIGTERM."""
    configuration = Configuration.of(read_settings(**flags))
    if configuration.settings.workers > 1:
        if sys.platform == "win32":
            raise QotGateError("--workers takes 1 on this system, which cannot fork.")
        # Imported late, as it needs what not every system has.
        from qotgate.serving.workers import serve_by_workers

        serve_by_workers(configuration, flags)
    else:
        from qotgate.serving.alone import serve_alone

        serve_alone(configuration, flags)


# Its flags are the options of the table.
serve.__signature__ = Signature(  # type: ignore[attr-defined]
    [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=flag(name))
        for name in Settings.model_fields
        if about(name)["flag"]
    ]
)
