"""The schedule of a command that keeps running."""

import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from types import FrameType
from typing import Protocol
from zoneinfo import ZoneInfo

import click

from qotgate.model import QotGateError

SECONDS = {"m": 60, "h": 3600, "d": 86400}
LOOK_SECONDS = 60.0
"""The longest sleep: after a suspend or a clock change, a round starts at most this much late."""


class Schedule(Protocol):
    """Decides when rounds begin."""

    def after(self, started: datetime) -> datetime:
        """The start of the next round after one that began at ``started``, both in UTC."""


@dataclass(frozen=True, slots=True)
class Every:
    """A round each ``seconds``."""

    seconds: float

    def after(self, started: datetime) -> datetime:
        return started + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class DailyAt:
    """A round each day at ``time`` in ``zone``, None for the machine's own. If the time does not exist on a
    day, as clocks go forward, the round is an hour later."""

    time: clock_time
    zone: ZoneInfo | None

    def after(self, started: datetime) -> datetime:
        local = started.astimezone(self.zone)
        day = local.date() + timedelta(days=local.time() >= self.time)
        return datetime.combine(day, self.time, self.zone).astimezone(UTC)


def read_schedule(every: str | None, at: str | None, tz: str | None) -> Schedule | None:
    """The schedule in the flags ``--every``, ``--at`` and ``--tz``, None without them.

    Raises QotGateError.
    """
    if every is not None and at is not None:
        raise QotGateError("--every and --at exclude each other: name one.")
    if at is None:
        if tz is not None:
            raise QotGateError("--tz is the time zone of --at, such as --at 20:30 --tz America/New_York.")
        return None if every is None else _every(every)
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", at.strip()):
        raise QotGateError(f"--at takes a time of the day such as 20:30, not {at!r}.")
    hour, minute = map(int, at.split(":"))
    return DailyAt(clock_time(hour, minute), None if tz is None else _zone(tz))


def _every(text: str) -> Every:
    found = re.fullmatch(r"([1-9]\d{0,4})([mhd])", text.strip().lower())
    if found is None:
        raise QotGateError(f"--every takes a time such as 30m, 6h or 1d, not {text!r}.")
    return Every(float(found[1]) * SECONDS[found[2]])


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise QotGateError(f"--tz takes a time zone such as America/New_York, not {name!r}.") from error


def repeat(
    one_round: Callable[[], object],
    schedule: Schedule,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Run a round at once, then by the schedule, until Ctrl-C or SIGTERM; a failed round is reported, and the
    schedule continues."""
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        # While Python runs a finalizer, it drops the exception and the round continues.
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while not stopped:
            started = now()
            try:
                one_round()
            except QotGateError as error:
                click.echo(f"qotgate: {error}", err=True)
            due = schedule.after(started)
            while not stopped and (left := (due - now()).total_seconds()) > 0:
                sleep(min(left, LOOK_SECONDS))
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    click.echo("Stopped.", err=True)
