"""The MCP server: tools and resources through the official SDK."""

from collections.abc import Callable
from functools import wraps
from importlib.resources import files
from typing import Any

import structlog
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import ValidationError

from qotgate.mcp.research import RESEARCH_TOOLS, ResearchTools
from qotgate.mcp.tools import TOOLS, Services, Tools
from qotgate.model import InvalidRequest, QotGateError, StoreError, Unavailable
from qotgate.model.version import __version__
from qotgate.web.parameters import refuse_unknown, sentence

READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)

INSTRUCTIONS = """\
Answers about two subjects, from files that the user has loaded: how the ARK funds trade stocks, and how
analysts change their ratings. Every question takes as_of (YYYY-MM-DD): the answer as it was known at the end
of that day. Call coverage first: it lists the days that the data covers. known_to in an answer is the day of
the answer. Mention that day; if an answer has untold days or left_out funds, mention those too. Nothing is
investment advice."""
HELP = files("qotgate.mcp").joinpath("help.md").read_text(encoding="utf-8")

log = structlog.get_logger()


class _Server(MCPServer[Any]):
    """A server that explains bad arguments in sentences, and refuses unknown ones. The SDK ignores unknown
    arguments, so a misspelt ``as_of`` would give today's answer."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        known = [list(one.input_schema["properties"]) for one in await self.list_tools() if one.name == name]
        try:
            for names in known:
                refuse_unknown(arguments, names)
            return await super().call_tool(name, arguments, context)
        except InvalidRequest as error:
            raise ToolError(str(error)) from error
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            (first, *_) = error.__cause__.errors()
            raise ToolError(sentence(str(first["loc"][0]), first, "en")) from error


def make_server(services: Services) -> MCPServer[Any]:
    """A server whose tools query ``services``, each call in its own thread."""
    server = _Server(
        "qotgate",
        title="qotgate",
        description="ARK trades and analyst rating changes, as of any day, from the user's own files",
        instructions=INSTRUCTIONS,
        version=__version__,
        log_level="WARNING",
        subscriptions=False,
    )
    tools = Tools(services)
    research = ResearchTools(services)
    for tool in (
        *(getattr(tools, one.__name__) for one in TOOLS),
        *(getattr(research, one.__name__) for one in RESEARCH_TOOLS),
    ):
        server.add_tool(_told(tool, services), annotations=READ_ONLY)

    @server.resource("qotgate://help", mime_type="text/markdown", description="What the answers mean.")
    def help_text() -> str:
        return HELP

    @server.resource(
        "qotgate://coverage", mime_type="application/json", description="The days that the data covers."
    )
    def coverage() -> str:
        return tools.coverage().model_dump_json(indent=2)

    return server


def _told(tool: Callable[..., Any], services: Services) -> Callable[..., Any]:
    """A tool that counts its call, and whose errors are sentences for the agent."""

    @wraps(tool)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            services.count(tool.__name__)
            return tool(*arguments, **options)
        except StoreError as error:
            log.error("data cannot be read", tool=tool.__name__, reason=str(error))  # noqa: TRY400 - it says all
            raise ToolError(Unavailable("store").text("en")) from error
        except QotGateError as error:
            raise ToolError(str(error)) from error

    return call
