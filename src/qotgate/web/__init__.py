"""HTTP: an API and pages, over the same services as the gateway.

The room is imported only to serve HTTP: FastAPI and its parts would double the time that a command takes to
start.
"""
