"""Do the ARK funds buy before analysts upgrade a stock, or after? python event_study.py 2026-06-01 2026-06-30

Each upgrade between the two days, as known on the last of them, is an event. Around it, each day is asked
as of that day, so that the study sees what could be seen then and nothing later: +1 where ARK's latest trades
were net purchases, -1 for net sales, 0 for none in the window. event_study.png plots the mean of the events.
"""

import asyncio
import sys
from collections import Counter
from datetime import date, timedelta
from statistics import mean

import matplotlib.pyplot as plt

from qotgate import ArkDynamicType, AsyncQuoteClient, InvalidRequest, Market, StockDynamic

STALE = (ArkDynamicType.NO_DYNAMIC, ArkDynamicType.LAST_TRANSACTION)
OFFSETS = range(-20, 21)


def direction(dynamic: StockDynamic) -> int:
    if dynamic.dynamic_type in STALE:
        return 0
    return (dynamic.net_shares > 0) - (dynamic.net_shares < 0)


async def main(first: date, last: date) -> None:
    async with AsyncQuoteClient(timeout=60) as client:
        # Also tells a server that does not know as_of from days that are not loaded yet.
        await client.ark_dynamic("US.TSLA", as_of=first)
        events = []
        async for change in client.rating_changes(Market.US, as_of=last):
            if change.day < first:
                break
            if change.day <= last:
                events.append((change.security, change.day))
        print(f"{len(events)} upgrades of {len({security for security, _ in events})} stocks")

        directions: dict[int, list[int]] = {offset: [] for offset in OFFSETS}
        for day, count in sorted(Counter(day for _, day in events).items()):
            stocks = [security for security, event in events if event == day]
            for offset in OFFSETS:
                try:
                    dynamics = await client.ark_dynamics(stocks, as_of=day + timedelta(days=offset))
                except InvalidRequest:  # before the first day that is loaded
                    continue
                # After the last known day, the answers are of that day, and say nothing of the days since.
                if all(dynamic.known_to == day + timedelta(days=offset) for dynamic in dynamics):
                    directions[offset] += map(direction, dynamics)
            print(f"{day}: {count}")

    means = {offset: mean(values) for offset, values in directions.items() if values}
    plt.axvline(0, color="grey", linewidth=0.8)
    plt.axhline(0, color="grey", linewidth=0.8)
    plt.plot(list(means), list(means.values()), marker="o", markersize=3)
    plt.xlabel("days from the upgrade")
    plt.ylabel("share of stocks bought minus share sold")
    plt.title(f"ARK around {len(events)} upgrades, {first} to {last}, as known each day")
    plt.savefig("event_study.png", dpi=120)
    for offset in sorted(means)[::5]:
        print(f"{offset:+4d} days: {means[offset]:+.3f}")


asyncio.run(main(date.fromisoformat(sys.argv[1]), date.fromisoformat(sys.argv[2])))
