"""Limits: a moving window of requests (of a process, in shared memory, in Redis), and connection slots."""
