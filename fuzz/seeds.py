"""Writes the seeds: small inputs of each kind from which the fuzzers start. ``python -m fuzz.seeds``"""

import csv
import io
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl
import xlsxwriter
from itsdangerous import URLSafeSerializer

from fuzz import CORPUS
from fuzz.bodies import KINDS
from fuzz.pieces import joined
from fuzz.workbooks import workbook_parts
from qotgate.protocol.body import encode
from qotgate.protocol.cipher import BLOCK, RsaKey
from qotgate.protocol.envelope import INIT, encode_answer, encode_request
from qotgate.protocol.frame import JSON, PROTOBUF, Frame
from qotgate.protocol.messages import REQUESTS, RESPONSES, InitWebSocketRequest, ProtoId

NOTES = """ticker,name,firm,rating,price_target,date
AAPL,Apple,UBS,Buy,$210.00,2026-06-01
SHOP.TO,Shopify,RBC Capital,Hold,,6/23/2026
TSX:REI-UN,"RioCan, REIT",TD,sell,(5),2026/06/03 4:05 PM
"""
ARROWS = """Date,Status,Outer,Rating,Price
13/6/2026,Upgrade,Jefferies,Hold → Buy,"$1,450 → $1,465"
1/2/2026,Reiterated,UBS,Buy,$5 ➝
Aug-26-20,Downgrade,Wedbush,Buy -> Hold,
26 August 2020,Initiated,TD,Hold,"""
HOLDINGS = """date,fund,company,ticker,cusip,shares,"market value ($)",weight (%)
06/23/2026,ARKK,TESLA INC,TSLA,88160R101,"1,000","$400,000.00",60.00%
06/23/2026,ARKK,ROKU INC,ROKU,77543R102,2000,$266666,40%
"Investors should consider the risks."
"""
NOTICES = """FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF
ARKK,06/23/2026,Sell,TSLA,88160R101,TESLA INC,5000,0.1
ARKW,2026-06-23,Buy,MOG/A,615394202,"MOOG, ""A"" INC",1,0.0153
"""
CELLS = (
    *("$1,234.50", "(5.5)", "1e400", "-.5", "12.5%", "2026-06-01 09:30:00+02:00", "6/1/2026", "1767225600"),
    *("1767225600000.0", "4:05 PM", "24:00", "NASDAQ Global Select", "TSX:BRK.B", "BRK/B", "US.AAPL_up.json"),
    *(
        "Aug-26-20",
        "26 August 2020 4:05 PM",
        "31.12.2026",
        "88160R101",
        "4.5E+20",
        "\u200bTSLA\u00a0",
        "9" * 40,
    ),
)
PATHS = (
    "GET /",
    "GET /securities/US.TSLA",
    "GET /ark?type=new&cycle=five_day",
    "GET /ratings?market=US&change_type=UPGRADE",
    "GET /search?query=tesla",
    "GET /data/files?before=2&kind=notes",
    "GET /files/1?line=2",
    "GET /api/v1/ark/dynamics/US.TSLA?as_of=2026-06-17&lang=zh",
    "GET /api/v1/ark/positions/US.TSLA.csv",
    "GET /api/v1/ark/transactions/US.TSLA.parquet",
    "GET /api/v1/ark/holdings.csv?holding_type=NEW&cycle=THIRTY_DAY&count=3&fund=ARKK",
    "GET /api/v1/ark/active-transactions?sort=CHANGE_AMOUNT",
    "GET /api/v1/ratings/changes.csv?count=all&institution=UBS&security=US.AAPL&day=2026-06-01",
    "GET /api/v1/securities?query=t&count=100\nAccept: text/csv;q=0.5, application/json;q=1",
    "GET /metrics\nIf-None-Match: *",
    "HEAD /readyz\nAuthorization: Bearer x\nCookie: a=b",
    "POST /preferences\nContent-Type: application/x-www-form-urlencoded\n\nlang=zh&theme=dark&next=/data",
    "POST /sign-in\nContent-Type: application/x-www-form-urlencoded\n\ntoken=x",
)
TOML = (
    b'port = 1\nfunds = "ARKK,ARKW"\nrate_limit = "60/30s"\nwindow_days = 30\n',
    b"off\nUS.MOG.A\n2026-06-01\n",
    b"websocket_key_md5 = '5f4dcc3b5aa765d61d8327deb882cf99'\nhttp_port=0\nlang=en\n",
)


def requests() -> dict[ProtoId, list[Any]]:
    """Requests in the form that clients send."""
    security = {"market": 11, "code": "TSLA"}
    fields: dict[ProtoId, list[dict[str, Any]]] = {
        ProtoId.InitConnect: [{"clientVer": 1, "clientID": "x", "packetEncAlgo": -1}],
        ProtoId.GetGlobalState: [{"userID": 0}],
        ProtoId.KeepAlive: [{"time": 1}],
        ProtoId.Qot_GetArkStockDynamic: [
            {"security": security},
            {"security": security, "asOf": "2026-06-17"},
        ],
        ProtoId.Qot_GetRatingChange: [{"market": 11, "changeType": 1, "count": 2, "page": "x"}],
        ProtoId.Qot_GetArkFundHolding: [{"holdingType": 3, "cycleType": 2, "sortField": 1, "count": 5}],
        ProtoId.Qot_GetArkActiveTransaction: [{"holdingType": 1, "cycleType": 4, "sortDir": 1}],
    }
    return {proto_id: [REQUESTS[proto_id](c2s=c2s) for c2s in each] for proto_id, each in fields.items()}


def responses() -> dict[ProtoId, Any]:
    """Answers in the form that the gateway sends."""
    security = {"market": 11, "code": "TSLA"}
    change = {
        "security": security,
        "name": "特斯拉",
        "rating": 3,
        "lastRating": 1,
        "targetPrice": 1.5,
        "changeType": 1,
        "institutionName": "UBS",
        "recommendationDate": "2026-06-01",
    }
    holding = {"security": security, "name": "x", "shares": 2**60, "sharesChange": -1, "weight": 0.1}
    trade = {"security": security, "name": "x", "changeAmount": -1e300, "changeShares": 5}
    dynamic = {"dynamicType": 1, "transactionCount": 2, "netShares": -3, "lastTransactionTime": "2026-06-22"}
    start = {
        "serverVer": 1,
        "loginUserID": 1,
        "connID": 2**63,
        "connAESKey": "k" * 16,
        "keepAliveInterval": 10,
    }
    s2c: dict[ProtoId, dict[str, Any]] = {
        ProtoId.InitConnect: {**start, "aesCBCiv": "i" * 16},
        ProtoId.KeepAlive: {"time": 1},
        ProtoId.Qot_GetArkStockDynamic: dynamic,
        ProtoId.Qot_GetRatingChange: {"dataList": [change], "nextPage": "x", "allCount": 2},
        ProtoId.Qot_GetArkFundHolding: {"dataList": [holding], "allCount": 1},
        ProtoId.Qot_GetArkActiveTransaction: {"dataList": [trade], "allCount": 1},
    }
    return {proto_id: RESPONSES[proto_id](retType=0, retMsg="", s2c=each) for proto_id, each in s2c.items()}


def seeds() -> Iterator[tuple[str, str, bytes]]:
    """Target, name, bytes."""
    yield from _wire()
    yield from _asked()
    yield from _files()


def _wire() -> Iterator[tuple[str, str, bytes]]:
    asked, told = requests(), responses()
    kinds = [kind for _, kind in KINDS]
    packets, messages = [], []
    init = InitWebSocketRequest(c2s={"websocketKey": "5f4dcc3b5aa765d61d8327deb882cf99", "clientID": "x"})
    messages.append(encode_request(Frame(INIT, PROTOBUF, 1, init.SerializeToString())))
    from fuzz.sessions import _IDS

    for proto_id, each in asked.items():
        for number, request in enumerate(each):
            for body_format in (PROTOBUF, JSON):
                body = encode(request, body_format)
                yield (
                    "body",
                    f"{proto_id.name}-{number}-{body_format}",
                    bytes([kinds.index(REQUESTS[proto_id]), body_format]) + body,
                )
                packets.append((_IDS.index(proto_id) | body_format << 3, body))
            messages.append(encode_request(Frame(proto_id, PROTOBUF, 2, encode(request, PROTOBUF))))
    for proto_id, response in told.items():
        for body_format in (PROTOBUF, JSON):
            yield (
                "body",
                f"{proto_id.name}-answer-{body_format}",
                bytes([kinds.index(RESPONSES[proto_id]), body_format]) + encode(response, body_format),
            )
    stream = b"".join(Frame(9, 0, n, bytes(n)).encode() for n in range(3))
    yield "frame", "pieces", b"\x07" + stream
    yield "frame", "broken", b"\x2c" + stream + b"GET / HTTP/1.1"
    yield "envelope", "request", messages[0]
    yield "envelope", "answer", encode_answer(Frame(3424, 0, 1, b"x"), 1, "no")
    bodies = joined((0, b"x" * 5), (1, b"y" * 32), (2, b"z" * 48), (0, b""))
    for number in range(3):
        yield "cipher", f"mode-{number}", bytes([number]) + b"k" * BLOCK + b"i" * BLOCK + bodies
    for number in range(3):
        yield "rsa", f"body-{number}", bytes([number]) + b"x" * 256
    yield "rsa", "key", b"\x03" + RsaKey.generate(1024).pem()
    for flags in (0, 2, 8, 16):
        yield "session", f"tcp-{flags}", bytes([flags]) + joined(*packets)
    yield "session", "raw", bytes([4]) + Frame(1001, 0, 1, packets[0][1]).encode()
    yield "session", "websocket", bytes([1]) + joined(*((0, message) for message in messages))
    first = told[ProtoId.InitConnect]
    order = (
        ProtoId.Qot_GetArkStockDynamic,
        ProtoId.Qot_GetRatingChange,
        ProtoId.Qot_GetArkFundHolding,
        ProtoId.Qot_GetArkActiveTransaction,
    )
    for body_format in (PROTOBUF, JSON):
        start = (body_format << 4, encode(first, body_format))
        rest = ((order.index(i) | body_format << 4, encode(told[i], body_format)) for i in order)
        yield "answers", f"format-{body_format}", bytes([4]) + joined(start, *rest)
    yield "answers", "encrypted", bytes([2]) + joined((0, encode(first, PROTOBUF)), (0, b"x" * 32))
    refusal = RESPONSES[ProtoId.InitConnect](retType=-1, retMsg="no")
    yield "answers", "refused", bytes([0]) + joined((0, encode(refusal, PROTOBUF)))


def _asked() -> Iterator[tuple[str, str, bytes]]:
    from fuzz.asked import QUESTION, SECRET

    signer = URLSafeSerializer(SECRET, salt="\x1f".join(("qotgate.cursor", *QUESTION)))
    values = [1, "2026-06-17", 3, "2026-06-16", 4]
    yield "cursor", "signed", b"\x00" + str(signer.dumps(values)).encode()
    yield "cursor", "values", b"\x02" + json.dumps(values).encode()
    yield "cursor", "list", b"\x03" + json.dumps(["2026-06-17", 20, "abc"]).encode()
    for number, text in enumerate(TOML):
        yield "options", f"file-{number}", text
    for number, path in enumerate(PATHS):
        yield "http", f"path-{number}", path.encode()


def _files() -> Iterator[tuple[str, str, bytes]]:
    for number, cell in enumerate(CELLS):
        yield "words", f"cell-{number}", cell.encode()
    for name, table in (("notes", NOTES), ("holdings", HOLDINGS), ("notices", NOTICES)):
        rows = list(csv.reader(table.splitlines()))
        records = [dict(zip(rows[0], row, strict=False)) for row in rows[1:]]
        yield "text", name, table.encode()
        yield "same_table", name, "\n".join("\t".join(row) for row in rows).encode()
        yield "json", f"{name}-list", json.dumps(records[:2]).encode()
        yield "json", f"{name}-lines", "\n".join(map(json.dumps, records)).encode()
        columns = {key: {str(n): one.get(key) for n, one in enumerate(records)} for key in rows[0]}
        yield "json", f"{name}-columns", json.dumps(columns).encode()
        split = {"columns": rows[0], "index": list(range(len(rows) - 1)), "data": rows[1:]}
        yield "json", f"{name}-split", json.dumps(split).encode()
        plain = [dict.fromkeys(rows[0], "") | {k: v for k, v in one.items() if k} for one in records]
        for compression in ("uncompressed", "snappy", "zstd"):
            file = io.BytesIO()
            pl.DataFrame(plain).write_parquet(file, compression=compression)
            yield "parquet", f"{name}-{compression}", file.getvalue()[4:]
        yield "xls", name, _book(rows)
        yield (
            "xlsx",
            name,
            b"\n%%\n".join(b"\n".join((part.encode(), text)) for part, text in workbook_parts(rows).items()),
        )
    yield "text", "arrows", ARROWS.encode()
    yield "text", "utf-16", NOTES.encode("utf-16")
    typed = {"ticker": ["A"], "firm": ["UBS"], "rating": ["Buy"], "date": [datetime(2026, 6, 1, tzinfo=UTC)]}
    file = io.BytesIO()
    pl.DataFrame(typed | {"price_target": [1.5]}).write_parquet(file)
    yield "parquet", "typed", file.getvalue()[4:]
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.set_properties({"created": datetime(2026, 1, 1, tzinfo=UTC)})
        book.add_worksheet().write_row(0, 0, ["ticker", "firm", "rating", "date"])
    yield "xlsx", "whole", file.getvalue()
    yield "archive", "whole", b""
    yield "archive", "two-ends", joined((3, b"\xff\xff"))
    yield "archive", "cases", joined((5, b"XL/WORKSHEETS/SHEET1.XML\n<worksheet/>"))
    yield "archive", "cut", joined((4, b"\0\x20"), (1, b"\0\x10PK"), (2, b"PK"))
    yield "identity", "typo", bytes((0, 2, 1, 1))
    yield "identity", "tied", bytes((2, 3, 3, 1, 5, 0, 3, 1, 5, 3, 3, 2))
    yield "unload", "notices", bytes((0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 2))
    yield "unload", "books", bytes((1, 1, 0, 1, 0, 9, 1, 2, 1, 9, 4, 0, 1, 0, 7, 1, 2, 1, 9))
    yield "unload", "notes", bytes((0, 2, 0, 1, 0, 9, 2, 0, 2, 1, 3))
    from fuzz.files import contained

    yield "xls", "whole", contained(_book([["ticker", "firm", "rating", "date"]]))


def _book(rows: list[list[str]]) -> bytes:
    """A workbook stream (BIFF8) of one sheet of texts and numbers."""

    def record(kind: int, content: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    sheet = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 0))
    sheet += record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, len(rows[0]), 0))
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if cell.isdigit():
                sheet += record(0x0203, struct.pack("<HHHd", y, x, 0, float(cell)))
            else:
                sheet += record(0x0204, struct.pack("<HHHHB", y, x, 0, len(cell), 0) + cell.encode("latin-1"))
    sheet += record(0x000A)
    start = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x05, 0, 0, 0, 0))
    size = len(start) + 4 + 9 + 4
    bound = record(0x0085, struct.pack("<IBBBBB", size, 0, 0, 1, 0, ord("a")))
    assert len(start + bound) + 4 == size
    return start + bound + record(0x000A) + sheet


def main() -> None:
    for name, seed, content in seeds():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"seed-{seed}").write_bytes(content)


if __name__ == "__main__":
    main()
