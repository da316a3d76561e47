"""Converts Chinese between scripts, by OpenCC's tables."""

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4)
def _converter(configuration: str) -> Any:
    # Imported late: commands that show no Chinese start without its tables.
    from opencc import OpenCC

    return OpenCC(configuration)


def converted(text: str, configuration: str) -> str:
    """``text`` converted by a configuration of OpenCC, such as ``s2twp`` (Simplified to Traditional, Taiwan);
    text without Chinese stays unchanged."""
    if text.isascii():
        return text
    changed: str = _converter(configuration).convert(text)
    return changed


def simplified(text: str) -> str:
    """``text`` in Simplified Chinese, so that both scripts compare equal."""
    return converted(text, "t2s")
