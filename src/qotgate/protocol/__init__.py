"""The wire, sans I/O: frames, bodies and messages. Names from the wire are used in this room only."""
