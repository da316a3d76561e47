// A session of a published client, "client" being futu-api or moomoo-api: PORT SSL KEY SECONDS PROTO_FOLDER.
// It asks for the global state by the client's own method, is idle for SECONDS, then asks both questions
// over the same connection with messages from our .proto files, since this client is older than the questions.
// It prints each answer as a line of JSON.
import path from "node:path";
import protobuf from "protobufjs";
import Client from "client";

const [port, ssl, key, seconds, protoFolder] = process.argv.slice(2);

const messages = new protobuf.Root();
messages.resolvePath = (_, file) => path.join(protoFolder, path.basename(file));
messages.loadSync(["Qot_GetArkStockDynamic.proto", "Qot_GetRatingChange.proto"]);

const client = new Client();

async function ask(protoId, name, c2s) {
  const request = messages.lookupType(`${name}.Request`).encode({ c2s }).finish();
  const { buff } = await client.websock.sendBuff(protoId, request);
  return messages.lookupType(`${name}.Response`).decode(new Uint8Array(buff));
}

const tell = (what, answer) => console.log(what, JSON.stringify(answer));

client.onlogin = async (fine, message) => {
  if (!fine) {
    console.log("refused", message);
    process.exit(1);
  }
  console.log("connected", client.getConnID().toString());
  const { s2c } = await client.GetGlobalState({ c2s: { userID: 0 } });
  tell("state", s2c.programStatus);
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
  const security = { market: 11, code: "TSLA" };
  tell("dynamic", await ask(3424, "Qot_GetArkStockDynamic", { security }));
  tell("rating", await ask(3426, "Qot_GetRatingChange", { market: 11, count: 3 }));
  tell("refusal", await ask(3426, "Qot_GetRatingChange", { market: 1 }));
  process.exit(0);
};
client.start("127.0.0.1", Number(port), ssl === "true", key);
