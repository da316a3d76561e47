// What a published client, "client" being futu-api or moomoo-api, does on a link that is lost: PORT KEY.
// The first session sends text, for which the gateway closes it; the client comes back by itself.
import Client from "client";

const [port, key] = process.argv.slice(2);
const client = new Client();
let sessions = 0;

client.onlogin = async (fine) => {
  console.log("session", ++sessions, fine);
  if (sessions === 1) {
    client.websock.websock.send("text");
    return;
  }
  const { retType } = await client.GetGlobalState({ c2s: { userID: 0 } });
  console.log("answered", retType);
  process.exit(0);
};
client.start("127.0.0.1", Number(port), false, key);
