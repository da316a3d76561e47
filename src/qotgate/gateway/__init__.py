"""The servers: connections, sessions, limits; a proto id is mapped to a service call here."""

from qotgate.gateway.server import Gateway, GatewayOptions
from qotgate.gateway.websocket import WebSocketOptions

__all__ = ["Gateway", "GatewayOptions", "WebSocketOptions"]
