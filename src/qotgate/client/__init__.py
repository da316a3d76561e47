"""The Python clients: a drop-in for scripts written against the published clients, and typed clients."""

from qotgate.client.async_quote_client import AsyncQuoteClient
from qotgate.client.context import RET_ERROR, RET_OK, OpenQuoteContext
from qotgate.client.errors import ConnectionLost, Timeout
from qotgate.client.quote_client import QuoteClient
from qotgate.client.rows import AsyncPagedRows, PagedRows, Rows
from qotgate.client.sys_config import ProtoFMT, SysConfig

__all__ = [
    "RET_ERROR",
    "RET_OK",
    "AsyncPagedRows",
    "AsyncQuoteClient",
    "ConnectionLost",
    "OpenQuoteContext",
    "PagedRows",
    "ProtoFMT",
    "QuoteClient",
    "Rows",
    "SysConfig",
    "Timeout",
]
