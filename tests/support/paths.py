"""Folders of the repository."""

from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = Path(str(files("qotgate") / "sample"))
TABLES = Path(str(files("qotgate") / "tables"))
