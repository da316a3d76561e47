"""The servers: connections, sessions, limits; a proto id is mapped to a service call here."""

from qotgate.gateway.options import GatewayOptions, WebSocketOptions
from qotgate.gateway.server import Gateway

__all__ = ["Gateway", "GatewayOptions", "WebSocketOptions"]
