"""HTTP: an API and pages to look at, over the same services as the gateway.

The room is imported only where HTTP is served: FastAPI and its parts would double the time that a command
takes to start.
"""
