"""A gateway for tests: it lets a script on futu-api, moomoo-api or qotgate run against data from the test.

With pytest, the fixture ``qotgate_gateway`` needs no import; without pytest, use :func:`run_gateway`.
"""

from qotgate.testing.running import RunningGateway, run_gateway

__all__ = ["RunningGateway", "run_gateway"]
