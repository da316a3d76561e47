"""A bot on futu-api, tested without OpenD, without a login and without the network: pytest test_bot.py

``qotgate_gateway`` comes with qotgate; pytest finds it by itself. ``from moomoo import ...`` and
``from qotgate import ...`` work as well.
"""

from futu import RET_OK, Market, OpenQuoteContext, RatingChangeType


def stocks_to_watch(quote_ctx: OpenQuoteContext) -> list[str]:
    """The bot: stocks that analysts upgraded and that the ARK funds are buying."""
    ret, upgrades, _, _ = quote_ctx.get_rating_change(market=Market.US, change_type=RatingChangeType.UPGRADE)
    if ret != RET_OK:
        raise RuntimeError(upgrades)
    bought = []
    for code in dict.fromkeys(upgrades.security):
        ret, dynamic = quote_ctx.get_ark_stock_dynamic(security=code)
        if ret != RET_OK:
            raise RuntimeError(dynamic)
        if dynamic["net_shares"] > 0:
            bought.append(code)
    return bought


def test_the_bot_watches_what_is_upgraded_and_bought(qotgate_gateway):
    gateway = qotgate_gateway(
        notes=[
            {"ticker": "TSLA", "firm": "UBS", "rating": "Neutral", "price_target": 300, "date": "2026-06-01"},
            {"ticker": "TSLA", "firm": "UBS", "rating": "Buy", "price_target": 420, "date": "2026-06-16"},
            {"ticker": "ROKU", "firm": "UBS", "rating": "Sell", "price_target": 50, "date": "2026-06-01"},
            {"ticker": "ROKU", "firm": "UBS", "rating": "Buy", "price_target": 90, "date": "2026-06-17"},
        ],
        trades=[
            {"fund": "ARKK", "date": "2026-06-17", "direction": "Buy", "ticker": "TSLA", "shares": 9000},
            {"fund": "ARKK", "date": "2026-06-17", "direction": "Sell", "ticker": "ROKU", "shares": 500},
        ],
    )
    quote_ctx = OpenQuoteContext(host=gateway.host, port=gateway.port)
    try:
        assert stocks_to_watch(quote_ctx) == ["US.TSLA"]
    finally:
        quote_ctx.close()


def test_the_bot_says_what_went_wrong(qotgate_gateway):
    gateway = qotgate_gateway(rate_limit="1/30s")
    quote_ctx = OpenQuoteContext(host=gateway.host, port=gateway.port)
    try:
        quote_ctx.get_rating_change(market=Market.US)
        ret, sentence, _, _ = quote_ctx.get_rating_change(market=Market.US)
        assert ret != RET_OK
        assert "at most 1 requests in 30 seconds" in sentence
    finally:
        quote_ctx.close()
