"""The wire, sans I/O: frames, bodies and messages. The wire's own names stay in this room."""
