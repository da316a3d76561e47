"""What `qotgate doctor` looks at: one module for each concern, findings out. Looking changes nothing."""

from qotgate.doctor.finding import Finding, Level

__all__ = ["Finding", "Level"]
