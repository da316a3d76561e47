"""Brokers' words: their grades on one scale, their names under one identity.

Words are compared by letters and digits alone, so that "Equal-Weight" equals "equal weight".
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from qotgate.model import Grade, Language, RatingLevel

SPELLINGS_KEPT = 4096
LEVEL_OF_GRADE = {
    Grade.STRONG_BUY: RatingLevel.BUY,
    Grade.BUY: RatingLevel.BUY,
    Grade.HOLD: RatingLevel.HOLD,
    Grade.SELL: RatingLevel.SELL,
    Grade.STRONG_SELL: RatingLevel.SELL,
}

_GRADES = {grade.value: grade for grade in Grade}


def normalise(word: str) -> str:
    """Letters and digits of ``word``, case folded."""
    return "".join(filter(str.isalnum, word.casefold()))


def known_grade(number: int | None) -> Grade | None:
    """The grade stored as ``number``."""
    return None if number is None else _GRADES[number]


def level(grade: Grade | None) -> RatingLevel:
    """The three-step level of a grade; Unknown without one."""
    return RatingLevel.UNKNOWN if grade is None else LEVEL_OF_GRADE[grade]


class GradeScale:
    """Brokers' words on the five-step scale."""

    def __init__(self, words: Mapping[str, Grade]) -> None:
        self._grades = {normalise(word): grade for word, grade in words.items()}
        # A feed has few different words and many notes.
        self.grade = lru_cache(maxsize=SPELLINGS_KEPT)(self._grade)

    def _grade(self, word: str) -> Grade | None:
        """The grade of a word, None if the scale does not have it."""
        return self._grades.get(normalise(word))


class Institutions:
    """The identity of an institution's spellings, and its names.

    ``rows`` are (English name, Chinese name or "", other spellings). An institution outside the table is
    identified by its own spelling.
    """

    def __init__(self, rows: Iterable[tuple[str, str, Iterable[str]]]) -> None:
        self.spellings: dict[str, str] = {}
        """The English name of each normalised spelling."""
        self._chinese: dict[str, str] = {}
        for name, chinese, spellings in rows:
            self.spellings.update((normalise(spelling), name) for spelling in (name, *spellings))
            if chinese:
                self._chinese[name] = chinese
                self.spellings[normalise(chinese)] = name
        # Of rows without other spellings.
        self.spellings.pop("", None)
        self.identity = lru_cache(maxsize=SPELLINGS_KEPT)(self._identity)

    def _identity(self, spelling: str) -> str:
        """The English name under which an institution's notes are stored."""
        return self.spellings.get(normalise(spelling), spelling.strip())

    def named(self, text: str) -> str:
        """The identity of a name that a user typed."""
        # No file has a name with NUL, and PostgreSQL rejects it.
        return self.identity(text.replace("\0", ""))

    def has(self, identity: str) -> bool:
        """Whether the table has the institution of this English name."""
        return self.spellings.get(normalise(identity)) == identity

    def name(self, identity: str, lang: Language) -> str:
        return self._chinese.get(identity, identity) if lang == "zh" else identity
