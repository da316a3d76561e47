"""The checks of `qotgate doctor`: one module for each concern, each returns findings. A check changes
nothing."""

from qotgate.doctor.finding import Finding, Level

__all__ = ["Finding", "Level"]
