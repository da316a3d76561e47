"""A gateway for tests: a script on futu-api, moomoo-api or qotgate against data that the test gives.

With pytest, the fixture ``qotgate_gateway`` is there without an import; with anything else, use
:func:`run_gateway`.
"""

from qotgate.testing.running import RunningGateway, run_gateway

__all__ = ["RunningGateway", "run_gateway"]
