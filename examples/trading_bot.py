"""A bot that reads K-lines, asks how the ARK funds trade a stock, and places a simulated order.

    python trading_bot.py [PORT]

It talks to one endpoint for all of it: qotgate in front of OpenD, started by
``qotgate serve --port 11112 --upstream 127.0.0.1:11111 --upstream-trade``. Its test, test_trading_bot.py,
runs it against a recording of that, without OpenD.
"""

import sys
import threading

from futu import (
    RET_OK,
    CurKlineHandlerBase,
    KLType,
    OpenQuoteContext,
    OpenSecTradeContext,
    OrderType,
    SubType,
    TradeOrderHandlerBase,
    TrdEnv,
    TrdMarket,
    TrdSide,
)

FIRST_DAY, LAST_DAY = "2025-11-03", "2025-12-31"
AVERAGE_DAYS = 20
SHARES = 10


def checked(ret, data):
    if ret != RET_OK:
        raise RuntimeError(data)
    return data


class Candles(CurKlineHandlerBase):
    """Stores the last pushed price."""

    def __init__(self):
        super().__init__()
        self.prices = []

    def on_recv_rsp(self, rsp_pb):
        ret, table = super().on_recv_rsp(rsp_pb)
        if ret == RET_OK:
            self.prices += table.close.tolist()
        return ret, table


class Orders(TradeOrderHandlerBase):
    """Stores the states of orders."""

    def __init__(self):
        super().__init__()
        self.pushed = threading.Event()
        self.states = []

    def on_recv_rsp(self, rsp_pb):
        ret, table = super().on_recv_rsp(rsp_pb)
        if ret == RET_OK:
            self.states += table[["order_id", "order_status"]].values.tolist()
            self.pushed.set()
        return ret, table


def trade(code, host="127.0.0.1", port=11112):
    """Buy a little of the stock if its price is above its average and the ARK funds are buying it. Returns
    the order as a dict, or None."""
    quote_ctx = OpenQuoteContext(host=host, port=port)
    trade_ctx = OpenSecTradeContext(host=host, port=port, filter_trdmarket=TrdMarket.US)
    candles, orders = Candles(), Orders()
    try:
        quote_ctx.set_handler(candles)
        trade_ctx.set_handler(orders)
        checked(*quote_ctx.subscribe([code], [SubType.K_DAY]))
        ret, history, _ = quote_ctx.request_history_kline(code, FIRST_DAY, LAST_DAY, KLType.K_DAY)
        checked(ret, history)
        last = checked(*quote_ctx.get_cur_kline(code, 1, KLType.K_DAY)).close.iloc[-1]
        average = history.close.tail(AVERAGE_DAYS).mean()
        dynamic = checked(*quote_ctx.get_ark_stock_dynamic(code))
        print(f"{code}: {last} against an average of {average:.2f}; ARK's net shares {dynamic['net_shares']}")
        if last <= average or dynamic["net_shares"] <= 0:
            return None
        placed = checked(
            *trade_ctx.place_order(
                price=last,
                qty=SHARES,
                code=code,
                trd_side=TrdSide.BUY,
                order_type=OrderType.NORMAL,
                trd_env=TrdEnv.SIMULATE,
                remark="average",
            )
        )
        order_id = placed.order_id[0]
        orders.pushed.wait(10)
        order = checked(*trade_ctx.order_list_query(order_id=order_id, trd_env=TrdEnv.SIMULATE))
        return {**order.iloc[0].to_dict(), "pushed": orders.states, "candles": candles.prices}
    finally:
        quote_ctx.close()
        trade_ctx.close()


if __name__ == "__main__":
    print(trade("US.TSLA", port=int(sys.argv[1]) if len(sys.argv) > 1 else 11112))
