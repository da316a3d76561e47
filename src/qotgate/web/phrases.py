"""The phrases of the pages: one file in ``languages/`` of :mod:`qotgate.web` for each language. A new file is
a new language. Errors use the sentences of the wire."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from qotgate.model import Language
from qotgate.service.chinese import converted


@dataclass(frozen=True, slots=True)
class PageLanguage:
    """A language of the pages.

    ``tag`` is its name in the cookie, ``name`` and ``short`` on its button, ``html`` in the document;
    ``browsers`` are the prefixes of the browser tags (RFC 5646) that select it. ``names`` is the gateway's
    language for names and sentences, ``conversion`` the OpenCC configuration that converts them, empty for
    none.
    """

    tag: str
    name: str
    short: str
    html: str
    browsers: tuple[str, ...]
    names: Language
    conversion: str
    phrases: Mapping[str, str]

    def say(self, key: str, **values: Any) -> str:
        """A phrase filled with ``values``; for a count of one, the phrase ending in ``_one`` if there is one.
        Raises KeyError for a phrase that the language lacks."""
        if f"{key}_one" in self.phrases and "1" in (str(values.get("count")), str(values.get("shares"))):
            key = f"{key}_one"
        return self.phrases[key].format(**values)

    def own(self, text: str) -> str:
        """A name or sentence of the gateway, written in this language."""
        return converted(text, self.conversion) if self.conversion else text


def _read() -> dict[str, PageLanguage]:
    texts = {
        file.name.removesuffix(".toml"): file.read_text("utf-8")
        for file in (files("qotgate.web") / "languages").iterdir()
        if file.name.endswith(".toml")
    }
    found = {}
    for tag, text in sorted(texts.items()):
        table = {"conversion": "", **tomllib.loads(text)}
        table["browsers"] = tuple(table["browsers"])
        found[tag] = PageLanguage(tag=tag, **table)
    return found


PAGE_LANGUAGES: Mapping[str, PageLanguage] = _read()
"""The languages by tag."""


def chosen_language(wanted: Sequence[str], default: str) -> PageLanguage:
    """The first of the ``wanted`` tags that is a page language or has a prefix that selects one, the longest
    prefix first; otherwise ``default``."""
    by_beginning = sorted(
        ((start, language) for language in PAGE_LANGUAGES.values() for start in language.browsers),
        key=lambda one: -len(one[0]),
    )
    for tag in wanted:
        if tag in PAGE_LANGUAGES:
            return PAGE_LANGUAGES[tag]
        for start, language in by_beginning:
            if tag.lower() == start or tag.lower().startswith(f"{start}-"):
                return language
    return PAGE_LANGUAGES[default]
