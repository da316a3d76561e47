"""The reference documents' Python examples, read from the documents.

The documents have lost their indentation; it is put back by the rules of the examples themselves: a line
that ends in a colon opens a block, ``else`` belongs to the first ``if``, and the context is used on top.
"""

import re
from pathlib import Path

DOCUMENTS = {"dynamic": "get-ark-stock-dynamic.txt", "rating": "get-rating-change.txt"}


def example(reference: Path, name: str) -> str:
    """The Python example of a document, as published."""
    text = (reference / DOCUMENTS[name]).read_text(encoding="utf-8")
    match = re.search(r"^from futu import \*\n.*?quote_ctx\.close\(\)\n", text, re.S | re.M)
    assert match
    lines, depth = [], 0
    for line in match[0].splitlines():
        if line.startswith(("else", "quote_ctx.", "ret,")):
            depth = 0
        lines.append("    " * depth + line)
        depth += line.endswith(":")
    script = "\n".join(lines)
    compile(script, name, "exec")
    return script


def output(reference: Path, name: str) -> list[str]:
    """The lines of the Python example's documented output, with blanks folded."""
    text = (reference / DOCUMENTS[name]).read_text(encoding="utf-8")
    match = re.search(r"^- Output\n(.*?)^\d+$", text, re.S | re.M)
    assert match
    return [" ".join(line.split()) for line in match[1].splitlines()]
