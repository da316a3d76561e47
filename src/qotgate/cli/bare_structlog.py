"""Imports structlog without Rich, which it takes where it finds it, to draw tracebacks. The log of the
gateway draws none, and Rich takes a tenth of the time until the first answer."""

import sys

if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # importing it then fails
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
