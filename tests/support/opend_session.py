"""A script on a published package that makes typical requests to OpenD, and reports the answers."""

import json
from pathlib import Path
from typing import Any

from tests.support.opend import PASSWORD, PASSWORD_MD5
from tests.support.published import run_script
from tests.support.toolchains import bundle, node, run, written

PUSHES = 400
SCRIPT = """
import json, sys, threading, time
from {package} import *

port, key = int(sys.argv[1]), sys.argv[2]
if key != "none":
    SysConfig.set_init_rsa_file(key)
    SysConfig.enable_proto_encrypt(True)

def tell(name, ret, *found):
    shown = [one.to_dict("split") if hasattr(one, "to_dict") else one for one in found]
    print("TOLD", json.dumps([name, ret, *shown], default=str, ensure_ascii=False))

def handler(base, name):
    class Handler(base):
        seen = []
        def on_recv_rsp(self, response):
            ret, data = super().on_recv_rsp(response)
            self.seen.append([ret, data.to_dict("split")])
            return ret, data
    return Handler

quote, tick, candle = (
    handler(base, base.__name__) for base in (StockQuoteHandlerBase, TickerHandlerBase, CurKlineHandlerBase)
)
order = handler(TradeOrderHandlerBase, "order")

def wait(kind, number):
    deadline = time.monotonic() + 20
    while len(kind.seen) < number and time.monotonic() < deadline:
        time.sleep(0.02)
    tell(kind.__mro__[1].__name__, 0, kind.seen)

context = OpenQuoteContext("127.0.0.1", port)
for kind in (quote, tick, candle):
    context.set_handler(kind())
tell("state", *context.get_global_state())
tell("snapshot", *context.get_market_snapshot(["US.TSLA", "HK.00700"]))
tell("static", *context.get_stock_basicinfo(Market.US, SecurityType.STOCK, ["US.TSLA", "US.AAPL"]))
tell("days", *context.request_trading_days(TradeDateMarket.US, "2025-01-01", "2025-03-01"))
key_of_page, pages = None, 0
while key_of_page is not None or pages == 0:
    ret, data, key_of_page = context.request_history_kline(
        "US.TSLA", "2025-01-01", "2025-03-01", max_count=10, page_req_key=key_of_page
    )
    tell("page", ret, data)
    pages += 1
tell("not subscribed", *context.get_cur_kline("US.TSLA", 5, KLType.K_DAY))
tell("subscribe", *context.subscribe(["US.TSLA"], [SubType.QUOTE, SubType.K_DAY, SubType.TICKER]))
wait(quote, 1)
wait(candle, 1)
wait(tick, {pushes} + 1)
tell("current", *context.get_cur_kline("US.TSLA", 5, KLType.K_DAY))
tell("unknown", *context.get_market_state(["US.TSLA"]))
context.close()

trade = OpenSecTradeContext(TrdMarket.US, "127.0.0.1", port)
trade.set_handler(order())
tell("accounts", *trade.get_acc_list())
tell("locked", *trade.place_order(10, 1, "US.TSLA", TrdSide.BUY, trd_env=TrdEnv.REAL))
tell("wrong", *trade.unlock_trade("000000"))
tell("unlock", *trade.unlock_trade("{password}"))
tell("order", *trade.place_order(10, 1, "US.TSLA", TrdSide.BUY, trd_env=TrdEnv.REAL))
number = trade.order_list_query(trd_env=TrdEnv.REAL)[1]["order_id"].iloc[-1]
tell("modify", *trade.modify_order(ModifyOrderOp.NORMAL, number, 2, 11, trd_env=TrdEnv.REAL))
tell("cancel", *trade.modify_order(ModifyOrderOp.CANCEL, number, 0, 0, trd_env=TrdEnv.REAL))
wait(order, 3)
trade.close()
"""


def told(package: str, port: int, key: Path | None, home: Path) -> list[Any]:
    """The script's report of each call."""
    script = SCRIPT.replace("{package}", package).replace("{pushes}", str(PUSHES))
    lines = run_script(script.replace("{password}", PASSWORD), home, port, key or "none")
    return [json.loads(line.removeprefix("TOLD ")) for line in lines if line.startswith("TOLD ")]


def check(found: list[Any]) -> None:
    """Assert that there is something to compare."""
    outcomes = {name: ret for name, ret, *_ in found}
    failed = {name for name, ret in outcomes.items() if ret != 0}
    assert failed == {"not subscribed", "unknown", "locked", "wrong"}
    assert [name for name, *_ in found].count("page") == 5
    ticks = next(rest[0] for name, _, *rest in found if name == "TickerHandlerBase")
    position = ticks[0][1]["columns"].index("sequence")
    assert [frame["data"][0][position] for _, frame in ticks] == [0, *range(PUSHES)]


JAVASCRIPT = """
import Client from "futu-api";
const [port, key, scheme, trading] = process.argv.slice(2);
const client = new Client();
const pushed = [];
const orders = [];
client.onPush = (command, push) => {
  if (command === 3011) pushed.push(push.s2c.tickerList[0].sequence.toString());
  if (command === 2208) orders.push(push.s2c);
};
const security = { market: 11, code: "TSLA" };
const tell = (name, answer) => console.log("TOLD", JSON.stringify([name, answer]));
const ask = async (name, method, c2s) => {
  const answer = await client[method]({ c2s }).catch((error) => error);
  tell(name, answer);
  return answer;
};
const until = async (list, number) => {
  const deadline = Date.now() + 10000;
  while (list.length < number && Date.now() < deadline) await new Promise((go) => setTimeout(go, 20));
};

async function trade() {
  const accounts = await ask("accounts", "GetAccList", { userID: 0 });
  const account = accounts.s2c.accList.find((one) => one.trdEnv === 1);
  const header = { trdEnv: 1, accID: account.accID, trdMarket: 2 };
  await ask("account pushes", "SubAccPush", { accIDList: [account.accID] });
  const packetID = { connID: 0, serialNo: 0 };
  const order = { packetID, header, trdSide: 1, orderType: 1, code: "TSLA", qty: 1, price: 10 };
  await ask("locked", "PlaceOrder", order);
  await ask("wrong password", "UnlockTrade", { unlock: true, pwdMD5: "0".repeat(32) });
  await ask("unlock", "UnlockTrade", { unlock: true, pwdMD5: "PASSWORD_MD5" });
  const { s2c } = await ask("order", "PlaceOrder", order);
  const change = { packetID, header, orderID: s2c.orderID, orderIDEx: s2c.orderIDEx };
  await ask("modify", "ModifyOrder", { ...change, modifyOrderOp: 1, qty: 2, price: 11 });
  await ask("cancel", "ModifyOrder", { ...change, modifyOrderOp: 4 });
  await ask("orders", "GetOrderList", { header });
  await until(orders, 3);
  tell("order pushes", orders);
}

client.onlogin = async (fine) => {
  tell("login", fine);
  tell("state", await client.GetGlobalState({ c2s: { userID: 0 } }).then(({ s2c }) => s2c.serverBuildNo));
  await ask("snapshot", "GetSecuritySnapshot", { securityList: [security] });
  await ask("static", "GetStaticInfo", { securityList: [security] });
  await ask("unknown", "GetMarketState", { securityList: [security] });
  await ask("sub", "Sub", {
    securityList: [security], subTypeList: [4], isSubOrUnSub: true, isRegOrUnRegPush: true,
  });
  await until(pushed, PUSHES);
  tell("pushed", pushed);
  if (trading) await trade();
  process.exit(0);
};
client.start("127.0.0.1", Number(port), scheme === "wss", key);
"""


def told_by_javascript(
    port: int, folder: Path, *, certificate: Path | None = None, trading: bool = False
) -> dict[str, Any]:
    """The answers that the script on npm's futu-api gets on the WebSocket ``port`` with the key ``k``, by
    call. It uses TLS if the port has a ``certificate``."""
    text = JAVASCRIPT.replace("PUSHES", str(PUSHES)).replace("PASSWORD_MD5", PASSWORD_MD5)
    script = bundle(written(folder / "session.mjs", text))
    command = [*node(), script, str(port), "k", "wss" if certificate else "ws", *["trading"] * trading]
    done = run(command, folder, **({"NODE_EXTRA_CA_CERTS": certificate} if certificate else {}))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.removeprefix("TOLD ") for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    return dict(json.loads(line) for line in lines)
