"""The gateway: an engine that answers frames, a door, and the carriers TCP and WebSocket."""

from qotgate.gateway.options import GatewayOptions, WebSocketOptions
from qotgate.gateway.server import Gateway

__all__ = ["Gateway", "GatewayOptions", "WebSocketOptions"]
