"""The test of trading_bot.py: pytest test_trading_bot.py

The recording trading_bot.jsonl answers in place of OpenD, and the rows below are ARK's data; nothing is sent
anywhere. These options make the recording again, with an OpenD that has a simulated account:

    --qotgate-record=all --qotgate-upstream=127.0.0.1:11111 --qotgate-upstream-trade
"""

from trading_bot import SHARES, trade

BOUGHT = {"fund": "ARKK", "date": "2025-12-30", "direction": "Buy", "ticker": "TSLA", "shares": 9000}


def test_the_bot_buys_what_ark_buys(qotgate_gateway):
    gateway = qotgate_gateway(trades=[BOUGHT], replay="trading_bot.jsonl", replay_speed=0)
    order = trade("US.TSLA", gateway.host, gateway.port)
    assert order is not None
    assert (order["code"], order["trd_side"], order["qty"]) == ("US.TSLA", "BUY", SHARES)
    assert order["pushed"] == [[order["order_id"], "SUBMITTED"]]


def test_the_bot_leaves_alone_what_ark_sells(qotgate_gateway):
    sold = {**BOUGHT, "direction": "Sell"}
    gateway = qotgate_gateway(trades=[sold], replay="trading_bot.jsonl", replay_speed=0)
    assert trade("US.TSLA", gateway.host, gateway.port) is None
