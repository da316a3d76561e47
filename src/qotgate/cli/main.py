"""``qotgate``: the commands, and their exit.

Wrong input ends in one sentence on standard error and exit status 2. If the reader closes the pipe, as in
``qotgate status | head -1``, the command ends silently.
"""

import faulthandler
import gc
import io
import os
import sys
from collections.abc import Iterator, Mapping

# NumPy would start threads for linear algebra, which no command uses, and they would spin for a while.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from click.exceptions import Exit

from qotgate.cli.groups import Group
from qotgate.cli.words import language, speak
from qotgate.model import QotGateError, Refused
from qotgate.model.version import __version__

WRONG_INPUT = 2
OUTPUT_LOST = 1
OUTPUT_UNREAD = 128 + 13
"""The shell's exit status for a program ended by SIGPIPE (13), which Python ignores."""
STANDARD_OUTPUT = 1

COMMANDS = {
    "load": "load.load",
    "unload": "unload.unload",
    "serve": "serve.serve",
    "ark": "ark.ark",
    "ark-check": "ark_check.ark_check",
    "holdings": "lists.holdings",
    "transactions": "lists.transactions",
    "ratings": "ratings.ratings",
    "consensus": "opinions.consensus",
    "rating-summary": "opinions.summary",
    "trading-days": "markets.days",
    "market-state": "markets.states",
    "research": "research.app",
    "export": "export.export",
    "status": "status.status",
    "mcp": "mcp.mcp",
    "keygen": "keygen.keygen",
    "doctor": "doctor.doctor",
    "backup": "backup.backup",
    "restore": "backup.restore",
    "demo": "demo.demo",
    "fetch": "fetch.app",
    "recording": "recording.app",
}
"""The module of each command, in the order of the help."""


class _Commands(Mapping[str, Any]):
    """The commands by name. Each is imported on demand: all of them take half a second."""

    def __getitem__(self, name: str) -> Any:
        module, attribute = COMMANDS[name].split(".")
        return getattr(_imported(f"qotgate.cli.{module}"), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _imported(name: str) -> ModuleType:
    """Import the module of a command. What it brings stays until the process ends: the garbage collector is
    not to look through it, neither meanwhile nor at the end, which takes a fifth of a short command. It works
    again from here on."""
    known = name in sys.modules
    gc.disable()
    try:
        return import_module(name)
    finally:
        if not known:
            gc.freeze()
        gc.enable()


@click.group(cls=Group, commands=_Commands())
@click.version_option(__version__, message="qotgate %(version)s", help="Print the version.")
def app() -> None:
    """A gateway that speaks the OpenD protocol and answers from data you own."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its status."""
    if not faulthandler.is_enabled() and sys.__stderr__ is not None:
        # A crash in C code ends the process; only the threads' tracebacks show where.
        faulthandler.enable(sys.__stderr__)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names are in any script, and the output may have an encoding without it.
            stream.reconfigure(errors="backslashreplace")
    speak(None)
    # Pydantic would look for plug-ins among all installed packages. The commands use none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        arguments = sys.argv[1:] if arguments is None else arguments
        status = _run(arguments or ["--help"])
        sys.stdout.flush()
    except click.ClickException as error:
        click.echo(f"qotgate: {error.format_message()}", err=True)
        sys.exit(WRONG_INPUT)
    except QotGateError as error:
        # Imported late: it imports the logging library.
        from qotgate.serving.log import without_passwords

        said = error.text(language()) if isinstance(error, Refused) else str(error)
        click.echo(f"qotgate: {without_passwords(said)}", err=True)
        sys.exit(WRONG_INPUT)
    except OSError as error:
        # An error of a file names the file; without a name, the error is the output's.
        if error.filename is not None:
            raise
        _drop_output()
        if isinstance(error, BrokenPipeError):
            sys.exit(OUTPUT_UNREAD)
        click.echo(f"qotgate: Standard output cannot be written: {error.strerror}.", err=True)
        sys.exit(OUTPUT_LOST)
    except SystemExit as ended:
        # Rich ends the program itself if a pipe is broken.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _drop_output()
        sys.exit(OUTPUT_UNREAD)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    """Run a command. Returns its exit status. Unlike Click's own ``main`` it raises what ends a command."""
    try:
        with app.make_context("qotgate", arguments) as context:
            app.invoke(context)
    except Exit as ended:
        return ended.exit_code
    return 0


def _drop_output() -> None:
    """Discard the remaining output: Python would try to write it again at exit."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), STANDARD_OUTPUT)


if __name__ == "__main__":
    main()
