"""The machine: open files, versions, clock and time zones."""

import ctypes
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from qotgate.doctor.finding import Finding, fail, ok, warn
from qotgate.model.version import __version__
from qotgate.service.calendar import ARK_START

EXTRAS = {"pyarrow": "arrow", "psycopg": "postgresql", "redis": "redis", "yfinance": "yfinance"}
"""Packages that an extra installs."""
PACKAGES = ("cryptography", "protobuf", "sqlalchemy", "uvloop", "websockets", "fastapi", "exchange-calendars")
UNSYNCHRONISED = 0x40  # STA_UNSYNC in timex.h
EXCHANGES = "America/New_York", "Asia/Hong_Kong", "Asia/Shanghai"
DRIFT_MOST = 1.0
"""Difference between two clocks, in seconds, that is worth a finding."""


def versions(needed: Mapping[str, str]) -> Iterator[Finding]:
    """Versions of the packages in use; ``needed`` has packages and the option that needs each."""
    found = {name: _version(name) for name in (*PACKAGES, *EXTRAS)}
    told = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield ok(
        "versions", f"qotgate {__version__}, Python {platform.python_version()}, {platform.system()}; {told}."
    )
    for package, option in needed.items():
        if found.get(package) is None:
            yield fail(
                "versions",
                f"{option} takes the package {package}, which is not installed.",
                f"pip install 'qotgate[{EXTRAS[package]}]'",
            )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def open_files(wanted: int) -> Iterator[Finding]:
    """Whether the process may open ``wanted`` files."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and wanted > most:
        yield fail(
            "open files",
            f"The options take {wanted:,} open files, and the system allows {most:,}.",
            "Raise it (ulimit -n, LimitNOFILE= of a unit), or lower --max-connections.",
        )
    else:
        allowed = "any number" if most == resource.RLIM_INFINITY else f"{most:,}"
        yield ok("open files", f"The options take {wanted:,} open files, and the system allows {allowed}.")


def clock() -> Iterator[Finding]:
    """Whether the clock is plausible, and synchronised if the system can tell."""
    if datetime.now(UTC).date() < ARK_START:
        yield fail(
            "clock",
            f"It is {_now()} by the clock, before {ARK_START}, when there was no ARK fund: all days of files "
            "would be days to come.",
            "Set the clock (timedatectl set-ntp true, or date -s), then look again.",
        )
        return
    state = _kernel_clock()
    if state is None:
        yield ok("clock", f"It is {_now()}; this system does not tell whether the clock is kept right.")
    elif state & UNSYNCHRONISED:
        yield warn(
            "clock",
            f"It is {_now()}; nothing keeps the clock right.",
            "Run an NTP client (timedatectl set-ntp true, or chrony), unless the host of this machine does.",
        )
    else:
        yield ok("clock", f"It is {_now()}, and the clock is kept right.")


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


def _kernel_clock() -> int | None:
    """The status word of the kernel's clock (adjtimex), None if there is none."""
    if not sys.platform.startswith("linux"):
        return None
    # struct timex is 208 bytes on 64-bit systems; `modes` 0 only reads, and `status` follows four longs.
    if ctypes.sizeof(ctypes.c_long) != 8:
        return None
    buffer = (ctypes.c_long * 32)()
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(buffer))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else int(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_int))[10])


def same_clock(name: str, ours: float, theirs: float, took: float) -> Iterator[Finding]:
    """Compare with the clock ``name``, which was read at ``ours`` and took ``took`` seconds to answer."""
    drift = theirs - (ours + took / 2)
    if abs(drift) > DRIFT_MOST + took:
        direction = "ahead of" if drift > 0 else "behind"
        yield warn(
            "clock",
            f"The clock of {name} is {abs(drift):.1f} s {direction} this machine's.",
            "Run an NTP client on both.",
        )
    else:
        yield ok("clock", f"The clock of {name} is this machine's to {DRIFT_MOST + took:.1f} s.")


def time_zones() -> Iterator[Finding]:
    """Whether the time zones of the exchanges are known."""
    try:
        for zone in EXCHANGES:
            ZoneInfo(zone)
    except (ZoneInfoNotFoundError, OSError):
        yield fail(
            "time zones",
            f"The time zone {zone} is not known here.",
            "Install the system's tzdata, or pip install tzdata.",
        )
    else:
        yield ok("time zones", f"{', '.join(EXCHANGES)} are known.")
