"""The upstream behind the gateway: a real OpenD, or a recording of one."""
