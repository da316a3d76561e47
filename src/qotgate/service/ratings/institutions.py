"""Finds institutions by their common names."""

from collections.abc import Mapping
from difflib import get_close_matches

from qotgate.model import InvalidRequest
from qotgate.model.sentences import SEPARATORS
from qotgate.ratings.words import normalise
from qotgate.service.questions import Questions
from qotgate.service.search import MAX_NEAR
from qotgate.store import reads
from qotgate.store.database import generation

SHOWN = 80
LIKENESS = 0.75
"""Minimum similarity of a spelling to the typed name, from 0 to 1, as measured by difflib."""
LEAST_PART = 3
"""Minimum length in bytes of a spelling that is searched within the typed name; a Chinese character has 3."""


def identity_of(questions: Questions, name: str, parameter: str = "institution") -> str:
    """The English name of an institution called ``name``: one in the table, or one with a loaded note. Raises
    InvalidRequest for any other, with the names that may be meant."""
    institutions = questions.reference.institutions
    identity = institutions.named(name)
    if institutions.has(identity):
        return identity
    loaded = {normalise(one): one for one in _loaded(questions)}
    # If no note is loaded at all, the caller gets that error instead.
    if not loaded or normalise(identity) in loaded:
        return loaded.get(normalise(identity), identity)
    spellings = institutions.spellings | loaded
    near = [_shown(questions, one) for one in _near(normalise(name), spellings)]
    raise InvalidRequest(
        "institution_near" if near else "institution_unknown",
        parameter=parameter,
        value=name[:SHOWN],
        near=SEPARATORS[questions.lang].join(near),
    )


def _shown(questions: Questions, identity: str) -> str:
    name = questions.reference.institutions.name(identity, questions.lang)
    return name if name == identity else f"{name} ({identity})"


def _near(wanted: str, spellings: Mapping[str, str]) -> list[str]:
    """The institutions with a spelling that is similar to ``wanted``, contains it, or is contained in it, the
    most similar first."""
    like = get_close_matches(wanted, spellings, MAX_NEAR, LIKENESS)
    longer = [one for one in spellings if len(wanted) > 1 and wanted in one]
    shorter = [one for one in spellings if len(one.encode()) > LEAST_PART and one in wanted]
    parts = sorted(longer, key=lambda one: (one.find(wanted), len(one))) + sorted(
        shorter, key=len, reverse=True
    )
    return list(dict.fromkeys(spellings[one] for one in (*like, *parts)))[:MAX_NEAR]


def _loaded(questions: Questions) -> list[str]:
    with questions.store.reading() as connection:
        key = ("loaded institutions", generation(connection))
        return questions.remembered(key, lambda: reads.ratings.institutions(connection))
