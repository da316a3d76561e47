// A lost link of a published client, "client" being futu-api or moomoo-api: PORT KEY. The first session sends
// text, so the gateway closes it; the client reconnects by itself.
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
