"""The shipped tables, and the user's own: grades, institutions, names, listings, splits.

The user's folder may have files with the same names and columns; their rows come after the shipped ones and
win.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
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


@dataclass(frozen=True)
class Reference:
    """The tables. ``digest`` differs for different tables."""

    grades: GradeScale
    institutions: Institutions
    listings: Listings
    names: dict[str, tuple[str, str]]
    former_names: dict[str, tuple[str, ...]]
    splits: dict[str, tuple[Split, ...]]
    digest: str

    def security_name(self, code: Security, lang: Language, fallback: str) -> str:
        """The name of a security in ``lang``, or else in the other language, or else ``fallback``."""
        english, chinese = self.names.get(str(code), ("", ""))
        first, second = (chinese, english) if lang == "zh" else (english, chinese)
        return first or (fallback if lang == "zh" and not second else second or fallback)


@lru_cache(maxsize=4)
def load_reference(folder: Path | None = None) -> Reference:
    """Read the shipped tables and those in ``folder``.

    Raises QotGateError, which names the wrong file and line.
    """
    if folder is not None and not folder.is_dir():
        raise QotGateError(f"--tables takes a folder of CSV files, not {folder}.")
    digest = sha256()
    rows: dict[str, list[dict[str, str]]] = {}
    for name, columns in COLUMNS.items():
        texts = [(f"tables/{name}", (files("qotgate") / "tables" / name).read_text("utf-8"))]
        if folder is not None and (own := folder / name).is_file():
            try:
                texts.append((str(own), own.read_text("utf-8-sig")))
            except (OSError, UnicodeError) as error:
                raise QotGateError(f"{own} cannot be read as UTF-8 text: {error}.") from error
        for _, text in texts:
            digest.update(text.encode())
        rows[name] = [row for path, text in texts for row in _rows(path, text, columns)]
    return Reference(
        grades=GradeScale({row["word"]: Grade[row["grade"].upper()] for row in rows["grades.csv"]}),
        institutions=Institutions(
            (row["name"], row["name_zh"], row["spellings"].split(SPELLING_SEPARATOR))
            for row in rows["institutions.csv"]
        ),
        listings=Listings(
            {row["identifier"]: _code(row["code"]) for row in rows["listings.csv"]},
            {row["identifier"]: row["name"] for row in rows["listings.csv"]},
        ),
        names={row["code"]: (row["name"], row["name_zh"]) for row in rows["securities.csv"]},
        former_names=_former_names(rows["former_names.csv"]),
        splits=_splits(rows["splits.csv"]),
        digest=digest.hexdigest(),
    )


def _former_names(rows: list[dict[str, str]]) -> dict[str, tuple[str, ...]]:
    """The former and the colloquial symbols and names of each code."""
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
