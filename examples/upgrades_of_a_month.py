"""All upgrades of a month as a DataFrame: python upgrades_of_a_month.py 2026-06"""

import sys
from datetime import date

from qotgate import Market, QuoteClient, RatingChange, Rows

month = date.fromisoformat(f"{sys.argv[1]}-01")
found = []
with QuoteClient() as client:
    # Newest first, a page at a time: stop where the month begins.
    for change in client.rating_changes(Market.US):
        if change.day < month:
            break
        if change.day.replace(day=1) == month:
            found.append(change)

table = Rows(RatingChange, found).to_pandas()
table["raise"] = table.target_price / table.last_target_price - 1
print(table.drop(columns=["name", "change_type", "last_day"]).to_string(index=False))
