// Asks a gateway how the ARK funds trade a stock, with npm's futu-api, over the WebSocket port.
//
//   qotgate serve --websocket-port 33333 --websocket-key KEY
//   npm install futu-api@10.11.7108 js-beautify esbuild
//   npx esbuild ark.mjs --bundle --platform=node --outfile=ark.cjs
//   node ark.cjs 33333 KEY TSLA            # Node below 22: node --experimental-websocket
import Client from "futu-api";

const [port, key, code] = process.argv.slice(2);
const US = 11;

const client = new Client();
client.onlogin = async (fine, reason) => {
  if (!fine) {
    console.error(`refused: ${reason}`);
    process.exit(1);
  }
  try {
    const dynamic = await client.GetArkStockDynamic({ c2s: { security: { market: US, code } } });
    console.log(`netShares: ${dynamic.s2c.netShares}`);
    const changes = await client.GetRatingChange({ c2s: { market: US, count: 3 } });
    for (const item of changes.s2c.dataList) console.log(`rating of ${item.security.code}`);
    process.exit(0);
  } catch (refused) {
    console.error(refused.retMsg ?? refused);
    process.exit(1);
  }
};
client.start("127.0.0.1", Number(port), false, key);
