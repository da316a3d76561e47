"""The same data by FastAPI, SQLAlchemy and SQLite in the usual way: JSON over HTTP.

Plain functions, which FastAPI runs in its threads, a session for each request, pydantic models for the
answers.
"""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from qotgate.model import ACTIVE_FUNDS
from qotgate.store.tables import FOREVER, ark_day, history, note, rating_change, spelling, trade

WINDOW = timedelta(days=29)

# As many as concurrent requests: with fewer, its threads wait for one another.
engine = create_engine(os.environ.get("DATABASE", "sqlite:///qotgate.db"), pool_size=64)
app = FastAPI()


def session() -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


Database = Annotated[Session, Depends(session)]


class Dynamic(BaseModel):
    """How the funds trade a security."""

    dynamic_type: str
    transaction_count: int
    net_shares: int
    last_transaction_time: date | None


class Change(BaseModel):
    """A rating change."""

    code: str
    name: str
    institution: str
    change_type: str
    grade: int | None
    last_grade: int | None
    target: float | None
    last_target: float | None
    day: date
    last_day: date | None


class Changes(BaseModel):
    """A page of rating changes."""

    rows: list[Change]
    all_count: int
    next_offset: int | None


@app.get("/ark/{code}")
def dynamic(code: str, database: Database, as_of: date | None = None) -> Dynamic:
    security_id = database.scalar(select(spelling.c.security_id).where(spelling.c.code == code).limit(1))
    if security_id is None:
        raise HTTPException(404)
    latest: date | None = database.scalar(
        select(func.max(ark_day.c.through)).where(ark_day.c.fund.in_(ACTIVE_FUNDS))
    )
    if latest is None:
        raise HTTPException(404)
    latest = min(latest, as_of or latest)
    total = func.sum(trade.c.shares)
    query = (
        select(trade.c.day, total)
        .where(trade.c.security_id == security_id, trade.c.fund.in_(ACTIVE_FUNDS))
        .where(trade.c.day >= latest - WINDOW, trade.c.through <= latest)
        .group_by(trade.c.day)
        .having(total != 0)
        .order_by(trade.c.day.desc())
    )
    sums = database.execute(query).all()
    if not sums:
        return Dynamic(
            dynamic_type="NO_DYNAMIC", transaction_count=0, net_shares=0, last_transaction_time=None
        )
    run = [shares for _, shares in sums]
    same = next((n for n, shares in enumerate(run) if (shares > 0) != (run[0] > 0)), len(run))
    kind, counted = ("CONSECUTIVE_SAME_DIRECTION", run[:same]) if same > 1 else ("RECENT_TRANSACTION", run)
    return Dynamic(
        dynamic_type=kind,
        transaction_count=len(counted),
        net_shares=sum(counted),
        last_transaction_time=sums[0][0],
    )


@app.get("/ratings/{market}")
def changes(
    market: str,
    database: Database,
    change_type: str = "UPGRADE",
    count: Annotated[int, Query(ge=1, le=20)] = 10,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Changes:
    wanted = (
        rating_change.c.market == market,
        rating_change.c.change_type == change_type,
        rating_change.c.until == FOREVER,
    )
    all_count = database.scalar(select(func.count()).select_from(rating_change).where(*wanted)) or 0
    query = (
        select(rating_change, history.c.code, history.c.institution, note.c.name)
        .join(history, history.c.id == rating_change.c.history_id)
        .join(note, note.c.id == rating_change.c.note_id)
        .where(*wanted)
        .order_by(rating_change.c.day.desc(), rating_change.c.note_id.desc())
        .limit(count)
        .offset(offset)
    )
    rows = [Change.model_validate(dict(row)) for row in database.execute(query).mappings()]
    end = offset + len(rows)
    return Changes(rows=rows, all_count=all_count, next_offset=end if end < all_count else None)
