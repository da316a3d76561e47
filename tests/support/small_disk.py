"""A disk of a few megabytes that fills up, or is read-only, for :mod:`tests.store.test_faults`. It runs in a
separate mount namespace, which removes the disk when it ends."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE, serving_process
from tests.support.wire import Wire


def mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)


def qotgate(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([*QOTGATE, *arguments], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


def fill_up(folder: Path, notes: Path) -> None:
    """A load that needs more space than there is: it is rolled back, clients get the old answer, and with
    more space it succeeds, all while a gateway serves."""
    url = f"sqlite:///{folder / 'full.db'}"
    mount(folder, "size=800k")
    assert qotgate("load", "--db", url, str(SAMPLE))[0] == 0
    with serving_process(url) as gateway, Wire(gateway.port) as wire:
        assert wire.dynamic().s2c.netShares == 76041
        status, said = qotgate("load", "--db", url, str(notes))
        assert (status, said) == (
            2,
            "qotgate: The database cannot be written: database or disk is full; "
            f"free some space on its disk. The load was at {notes}.\n",
        )
        assert wire.dynamic("ROKU").retType == 0
        ballast = folder / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        # The disk is full, and the gateway still answers.
        assert wire.dynamic("ZM").retType == 0
        ballast.unlink()
        mount(folder, "remount,size=64m")
        assert qotgate("load", "--db", url, str(notes)) == (0, "")
        assert wire.dynamic().s2c.netShares == 76041
        assert gateway.stop() == 0


def read_only(folder: Path, notes: Path) -> None:
    """A read-only disk: nothing starts, and the error names the reason. A disk cannot become read-only under
    a gateway, which holds the file open; once writable again, it serves."""
    url = f"sqlite:///{folder / 'kept.db'}"
    mount(folder, "size=16m")
    assert qotgate("load", "--db", url, str(SAMPLE))[0] == 0
    mount(folder, "remount,ro")
    for command in (
        ["status"],
        ["ark", "US.TSLA"],
        ["load", str(notes)],
        ["serve", "--port", "0", "--no-http"],
    ):
        status, said = qotgate(*command, "--db", url)
        assert status == 2
        assert said == (
            f"qotgate: The database {url} cannot be used: unable to open database file; "
            "its file, folder and disk must be there and writable, also for reading.\n"
        )
    mount(folder, "remount,rw")
    with serving_process(url) as gateway, Wire(gateway.port) as wire:
        assert wire.dynamic().s2c.netShares == 76041


if __name__ == "__main__":
    {"full": fill_up, "read-only": read_only}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
