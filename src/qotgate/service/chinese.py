"""Chinese in one script or the other, by OpenCC's tables."""

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4)
def _converter(configuration: str) -> Any:
    # Imported late: commands that show no Chinese start without its tables.
    from opencc import OpenCC

    return OpenCC(configuration)


def converted(text: str, configuration: str) -> str:
    """``text`` by a configuration of OpenCC, such as ``s2twp`` (Simplified to Traditional, as written in
    Taiwan); text without Chinese is not touched."""
    if text.isascii():
        return text
    changed: str = _converter(configuration).convert(text)
    return changed


def simplified(text: str) -> str:
    """``text`` in Simplified Chinese, so that both scripts compare as one."""
    return converted(text, "t2s")
