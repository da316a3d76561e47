"""Explains a wrong parameter in words: pydantic's own sentences name types and patterns."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from fastapi import Request

from qotgate.model import InvalidRequest, Language

SHOWN = 40
"""Characters of a value that are quoted."""
FORMS: Mapping[str, tuple[str, str]] = {
    "code": (
        "takes a code as MARKET.CODE, such as US.TSLA, HK.00700 or CA.SHOP",
        "须为“市场.代码”，如 US.TSLA、HK.00700、CA.SHOP",
    ),
    "fund": ("takes one fund, such as ARKK", "须为一只基金，如 ARKK"),
}
"""Sentences for parameters with a format of their own."""
KINDS: Mapping[str, tuple[str, str]] = {
    "int": ("takes a whole number", "须为整数"),
    "date": ("takes a day as YYYY-MM-DD", "须为 YYYY-MM-DD 格式的日期"),
    "day": ("takes a day as YYYY-MM-DD", "须为 YYYY-MM-DD 格式的日期"),
    "bool": ("takes true or false", "须为 true 或 false"),
    "literal": ("takes {expected}", "须为 {expected}"),
    "enum": ("takes {expected}", "须为 {expected}"),
    "greater_than_equal": ("takes {ge} or more", "须不小于 {ge}"),
    "less_than_equal": ("takes {le} or less", "须不大于 {le}"),
    "less_than": ("takes less than {lt}", "须小于 {lt}"),
    "string_type": ("takes a text", "须为文本"),
    "string_too_long": ("takes up to {max_length} characters", "不得超过 {max_length} 个字符"),
}
"""Sentences by the beginning of pydantic's name of the error."""
OTHER = ("takes something else", "格式不对")
MISSING = ("is missing", "缺失")


def sentence(name: str, error: Mapping[str, Any], lang: Language) -> str:
    """The sentence for a user about ``error``, a pydantic error, in the parameter ``name``."""
    kind = str(error["type"])
    words = FORMS.get(name) if kind == "string_pattern_mismatch" else None
    words = words or next((words for start, words in KINDS.items() if kind.startswith(start)), OTHER)
    said = (MISSING if kind == "missing" else words)[lang == "zh"]
    said = said.format(**{**error.get("ctx", {}), "expected": _listed(error, lang)})
    if kind == "missing":
        return f"{name} {said}。" if lang == "zh" else f"{name} {said}."
    value = str(error["input"])[:SHOWN]
    return f"{name} {said}，不能是 {value!r}。" if lang == "zh" else f"{name} {said}, not {value!r}."


def _listed(error: Mapping[str, Any], lang: Language) -> str:
    expected = str(error.get("ctx", {}).get("expected", "")).replace("'", "")
    return expected.replace(", ", "、").replace(" or ", "、") if lang == "zh" else expected


def check_names(request: Request) -> None:
    """Raises InvalidRequest for a query parameter that is not in the API's document."""
    route = request.scope["route"]
    described = request.app.openapi()["paths"][route.path]["get"].get("parameters", ())
    known = [one["name"] for one in described if one["in"] == "query"]
    refuse_unknown(request.query_params, known)


def refuse_unknown(names: Iterable[str], known: Sequence[str]) -> None:
    """Raises InvalidRequest for the first of ``names`` that is not among the ``known`` parameters."""
    for name in names:
        if name in known:
            continue
        if near := get_close_matches(name.lower(), known, n=1):
            raise InvalidRequest("parameter_near", value=name[:SHOWN], near=near[0])
        raise InvalidRequest("parameter_unknown", value=name[:SHOWN], known=", ".join(known))
