"""The shipped tables, and the user's own: grades, institutions, names, listings, splits.

The user's folder may have files with the same names and columns; their rows come after the shipped ones and
win.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib.resources import files
from io import StringIO
from pathlib import Path

from qotgate.ark.codes import Listings
from qotgate.ark.dynamics import Split
from qotgate.model import Grade, Language, QotGateError, Security
from qotgate.ratings.words import GradeScale, Institutions

COLUMNS = {
    "grades.csv": ("word", "grade"),
    "institutions.csv": ("name", "name_zh", "spellings"),
    "former_names.csv": ("code", "former"),
    "listings.csv": ("identifier", "code", "name"),
    "securities.csv": ("code", "name", "name_zh"),
    "splits.csv": ("code", "day", "new", "old"),
}
SPELLING_SEPARATOR = "|"


class Reference:
    """The tables, each parsed at first use. ``texts`` are their files by name, each as (path, text)."""

    def __init__(self, texts: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        self._texts = texts

    @cached_property
    def digest(self) -> str:
        """It differs for different tables."""
        return sha256("".join(text for name in COLUMNS for _, text in self._texts[name]).encode()).hexdigest()

    @cached_property
    def grades(self) -> GradeScale:
        return GradeScale({row["word"]: Grade[row["grade"].upper()] for row in self._rows("grades.csv")})

    @cached_property
    def institutions(self) -> Institutions:
        return Institutions(
            (row["name"], row["name_zh"], row["spellings"].split(SPELLING_SEPARATOR))
            for row in self._rows("institutions.csv")
        )

    @cached_property
    def listings(self) -> Listings:
        rows = self._rows("listings.csv")
        return Listings(
            {row["identifier"]: _code(row["code"]) for row in rows},
            {row["identifier"]: row["name"] for row in rows},
        )

    @cached_property
    def names(self) -> dict[str, tuple[str, str]]:
        """The English and the Chinese name of each code."""
        return {row["code"]: (row["name"], row["name_zh"]) for row in self._rows("securities.csv")}

    @cached_property
    def former_names(self) -> dict[str, tuple[str, ...]]:
        """The former and the colloquial symbols and names of each code."""
        return _former_names(self._rows("former_names.csv"))

    @cached_property
    def splits(self) -> dict[str, tuple[Split, ...]]:
        """The splits of each code, oldest first."""
        return _splits(self._rows("splits.csv"))

    def check(self) -> None:
        """Raises QotGateError, which names the wrong file and line."""
        for name in COLUMNS:
            self._rows(name)

    def security_name(self, code: Security, lang: Language, fallback: str) -> str:
        """The name of a security in ``lang``, or else in the other language, or else ``fallback``."""
        english, chinese = self.names.get(str(code), ("", ""))
        first, second = (chinese, english) if lang == "zh" else (english, chinese)
        return first or (fallback if lang == "zh" and not second else second or fallback)

    def _rows(self, name: str) -> list[dict[str, str]]:
        return [row for path, text in self._texts[name] for row in _rows(path, text, COLUMNS[name])]


@lru_cache(maxsize=4)
def load_reference(folder: Path | None = None) -> Reference:
    """Read the shipped tables and those in ``folder``.

    Raises QotGateError, which names the wrong file and line.
    """
    if folder is not None and not folder.is_dir():
        raise QotGateError(f"--tables takes a folder of CSV files, not {folder}.")
    found: dict[str, list[tuple[str, str]]] = {}
    for name in COLUMNS:
        texts = [(f"tables/{name}", (files("qotgate") / "tables" / name).read_text("utf-8"))]
        if folder is not None and (own := folder / name).is_file():
            try:
                texts.append((str(own), own.read_text("utf-8-sig")))
            except (OSError, UnicodeError) as error:
                raise QotGateError(f"{own} cannot be read as UTF-8 text: {error}.") from error
        found[name] = texts
    reference = Reference(found)
    if folder is not None:
        reference.check()
    return reference


def _former_names(rows: list[dict[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[row["code"]] = (*found.get(row["code"], ()), *row["former"].split(SPELLING_SEPARATOR))
    return found


def _splits(rows: list[dict[str, str]]) -> dict[str, tuple[Split, ...]]:
    """The splits of each code, oldest first: ``new`` shares for ``old`` ones from ``day`` on."""
    found: dict[str, dict[date, Split]] = {}
    for row in rows:
        day = date.fromisoformat(row["day"])
        found.setdefault(row["code"], {})[day] = Split(day, Fraction(int(row["new"]), int(row["old"])))
    return {code: tuple(splits[day] for day in sorted(splits)) for code, splits in found.items()}


def _code(text: str) -> Security | None:
    return Security.parse(text) if text else None


def _rows(path: str, text: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        yield from _checked_rows(path, csv.DictReader(_without_comments(text)), columns)
    except csv.Error as error:
        raise QotGateError(f"{path} is no CSV file: {error}.") from error


def _without_comments(text: str) -> Iterator[str]:
    """The lines of a table; those that begin with ``#`` become blank, so that the others keep their
    numbers."""
    return ("\n" if line.startswith("#") else line for line in StringIO(text))


def _checked_rows(
    path: str, reader: "csv.DictReader[str]", columns: tuple[str, ...]
) -> Iterator[dict[str, str]]:
    while reader.fieldnames == []:  # a DictReader takes blank lines for a header
        reader.fieldnames = None
    if tuple(reader.fieldnames or ()) != columns:
        raise QotGateError(f"{path} takes the columns {','.join(columns)} in its first line.")
    for row in reader:
        if None in row or None in row.values():
            raise QotGateError(f"{path}, line {reader.line_num}: takes {len(columns)} cells.")
        if "grade" in row and row["grade"].upper() not in Grade.__members__:
            grades = ", ".join(grade.name.lower() for grade in Grade)
            raise QotGateError(f"{path}, line {reader.line_num}: grade takes {grades}, not {row['grade']}.")
        if "day" in row:
            try:
                date.fromisoformat(row["day"])
            except ValueError:
                raise QotGateError(
                    f"{path}, line {reader.line_num}: day takes YYYY-MM-DD, not {row['day']}."
                ) from None
            if not all(row[name].isdecimal() and int(row[name]) for name in ("new", "old")):
                raise QotGateError(f"{path}, line {reader.line_num}: new and old take whole numbers above 0.")
        if ("identifier" in row or "day" in row) and row["code"]:
            try:
                Security.parse(row["code"], "code")
            except QotGateError as error:
                raise QotGateError(f"{path}, line {reader.line_num}: {error}") from error
        yield row
