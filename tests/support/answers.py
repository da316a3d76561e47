"""The sample's answers to the reference documents' questions, with ``--lang en``, as any client gets them in
JSON: protobuf's JSON, whose 64-bit integers are strings."""

from typing import Any

DYNAMIC = {
    "dynamicType": 1,
    "transactionCount": 2,
    "netShares": "76041",
    "lastTransactionTime": "2026-06-22",
}
"""The fields of the published messages."""
WHOLE_DYNAMIC = {
    **DYNAMIC,
    "untold": [
        {"fund": fund, "firstDay": "2026-04-21", "lastDay": "2026-06-12", "why": "hole"}
        for fund in ("ARKK", "ARKW")
    ],
}
"""The additional fields of our messages."""
ROWS = [
    ("MU", "Micron Technology", 1500, 950, "BofA Securities", "2026-06-23", "2026-05-13"),
    ("INTC", "Intel", 160, 135, "BofA Securities", "2026-06-23", "2026-06-11"),
    ("MU", "Micron Technology", 1550, 1200, "Needham", "2026-06-22", "2026-05-14"),
]
"""The first page of three; see :func:`rows`."""
ALL_COUNT = 5


def rows(s2c: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a GetRatingChange answer, without the fields that are equal in all of them."""
    for row in s2c["dataList"]:
        assert (row["security"]["market"], row["rating"], row["lastRating"], row["changeType"]) == (
            11,
            3,
            3,
            1,
        )
    return [
        (
            row["security"]["code"],
            row["name"],
            row["targetPrice"],
            row["lastTargetPrice"],
            row["institutionName"],
            row["recommendationDate"],
            row["lastRecommendationDate"],
        )
        for row in s2c["dataList"]
    ]
