"""What a page says, without its mark-up."""

import re
from html import unescape


def facts(page: str) -> list[str]:
    """The facts in a page, tags taken off."""
    return [unescape(re.sub(r"<[^>]*>", "", fact)).strip() for fact in re.findall(r"<dd.*?</dd>", page, re.S)]
