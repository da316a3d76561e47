"""The Python client: a drop-in for scripts written against the published clients."""

from qotgate.client.context import RET_ERROR, RET_OK, OpenQuoteContext

__all__ = ["RET_ERROR", "RET_OK", "OpenQuoteContext"]
