"""Years of synthetic trades, written directly into the tables: loading so many files would take minutes."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import insert

from qotgate.model import ACTIVE_FUNDS
from qotgate.store import Store, tables
from qotgate.store.tables import HOLDINGS


def write_trades(url: str, sessions: Sequence[date], securities: int, every: int = 1) -> None:
    """Write trades of each active fund in a number of securities, US.N1 and so on, at a fixed interval of
    days."""
    store = Store.open(url)
    with store.engine.begin() as connection:
        numbers = range(1, securities + 1)
        names = [{"id": n, "code": f"US.N{n}", "name": f"Company number {n}"} for n in numbers]
        connection.execute(insert(tables.security), names)
        spelled = {"identifier": "", "first_day": sessions[0], "last_day": sessions[-1], "believed": True}
        connection.execute(
            insert(tables.spelling),
            [{**name, "ticker": f"N{name['id']}", "security_id": name["id"]} | spelled for name in names],
        )
        connection.execute(insert(tables.session), [{"day": day} for day in sessions])
        for fund in ACTIVE_FUNDS:
            days = [{"fund": fund, "day": day, "source": HOLDINGS, "through": day} for day in sessions]
            connection.execute(insert(tables.ark_day), days)
            trades = [
                {"security_id": n, "day": day, "fund": fund, "shares": (-1) ** (day.day + n) * 100 * n}
                | {"through": day, "ground": "FLOW", "change": 100.0 * n, "flow": 0, "price": 10.0 + n}
                for day in sessions
                for n in numbers
                if (day.toordinal() + n) % every == 0
            ]
            connection.execute(insert(tables.trade), trades)
    store.close()
