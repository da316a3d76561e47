"""The text of a page, without mark-up."""

import re
from html import unescape


def facts(page: str) -> list[str]:
    """The facts in a page, without tags."""
    return [unescape(re.sub(r"<[^>]*>", "", fact)).strip() for fact in re.findall(r"<dd.*?</dd>", page, re.S)]
