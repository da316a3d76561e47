"""What stands behind the gateway: a real OpenD, or a recording of one."""
