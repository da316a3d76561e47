"""All real data in one database, loaded at once."""

from pathlib import Path

import pytest
from sqlalchemy import select

from qotgate.model import ACTIVE_FUNDS
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store, tables


@pytest.mark.slow
def test_all_of_it_loads_and_every_line_has_a_code_or_a_reason(
    tmp_path: Path, reference: Reference, shared_data: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'all.db'}")
    report = load(store, reference, find_files([shared_data]))
    assert report.read > 4300
    # Every reject is one sentence.
    for path, _, reason in report.rejects:
        assert 0 < len(reason) < 600, (path, reason)
        assert "\n" not in reason
        assert "Traceback" not in reason
    assert report.unmapped == {}
    # The mailed notice of 2020-12-15, and no other.
    assert len(report.contradictions) == 16
    assert {Path(row["path"]).name for row in report.contradictions} == {"ark_trades_2020-12-15.csv"}
    holding, security = tables.holding, tables.security
    with store.reading() as connection:
        lines = connection.execute(
            select(holding.c.identifier, holding.c.name)
            .join(security)
            .where(security.c.code.is_(None), holding.c.fund.in_(ACTIVE_FUNDS))
            .distinct()
        ).all()
    store.close()
    assert len(lines) > 10
    assert [tuple(line) for line in lines if not reference.listings.knows(line.identifier)] == []
