"""The API compared with its own OpenAPI document, by schemathesis: valid requests get the described answer,
others are refused, and nothing fails."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode

from qotgate.protocol.research import TABLES
from tests.support.serving import Serving

pytestmark = pytest.mark.slow

EXAMPLES = 30
OPERATIONS = (
    "/api/v1/ark/dynamics/{code}",
    "/api/v1/ark/transactions/{code}",
    "/api/v1/ark/positions/{code}",
    "/api/v1/ark/funds/{fund}/days",
    "/api/v1/ark/holdings",
    "/api/v1/ark/active-transactions",
    "/api/v1/ratings/changes",
    "/api/v1/ratings/consensus/{code}",
    "/api/v1/ratings/summary/{code}",
    "/api/v1/markets/{market}/trading-days",
    "/api/v1/markets/states",
    "/api/v1/user",
    "/api/v1/securities",
    "/api/v1/coverage",
    *(f"/api/v1/research/{table.path}" for table in TABLES.values()),
    "/api/v1/files",
    "/api/v1/left-out",
    "/api/v1/rejected-files",
    "/api/v1/unknown-grades",
    "/api/v1/unmapped",
    "/api/v1/contradictions",
    "/api/v1/loads",
    "/api/v1/loads/{number}/left-out",
    "/healthz",
    "/readyz",
    "/metrics",
)


MODES = dict.fromkeys(
    (
        *("/healthz", "/readyz", "/metrics"),
        *("/api/v1/research/notes", "/api/v1/research/rating-changes"),
    ),
    (GenerationMode.POSITIVE,),
)
"""Operations that take nothing that could be wrong, or names of institutions, which any text may be: their
other parameters are tried with tables that have the same."""


@pytest.fixture(scope="session")
def document(sample_site: Serving) -> Any:
    loaded = schemathesis.openapi.from_url(f"{sample_site.pages}/api/v1/openapi.json")
    # A day beyond the data, or an invalid cursor, fits the document and is still refused.
    loaded.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "404", "422"]
    return loaded


def test_the_document_has_each_operation(document: Any) -> None:
    assert set(document) == set(OPERATIONS)


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        (path, mode)
        for path in OPERATIONS
        for mode in GenerationMode
        if mode in MODES.get(path, GenerationMode)
    ],
)
def test_the_api_does_what_its_document_says(document: Any, path: str, mode: GenerationMode) -> None:
    operation = document[path]["GET"]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        case.call_and_validate()

    ask()
