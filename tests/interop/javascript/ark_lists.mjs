// Walks all pages of questions about ARK's funds with the published client's own methods, "client" being
// futu-api: PORT KEY QUESTIONS ANSWERS, two JSON files, the first one of [method, c2s].
import fs from "node:fs";
import Client from "client";

const [port, key, questions, target] = process.argv.slice(2);
const client = new Client();

async function walk(method, c2s) {
  const rows = [];
  let page;
  for (;;) {
    const answer = await client[method]({ c2s: page ? { ...c2s, page } : c2s });
    if (answer.retType !== 0) throw new Error(answer.retMsg);
    rows.push(...answer.s2c.dataList);
    page = answer.s2c.nextPage;
    if (!page) return { rows, allCount: answer.s2c.allCount };
  }
}

client.onlogin = async (fine, message) => {
  if (!fine) {
    console.log("refused", message);
    process.exit(1);
  }
  const answers = [];
  for (const [method, c2s] of JSON.parse(fs.readFileSync(questions, "utf8"))) {
    answers.push(await walk(method, c2s));
  }
  fs.writeFileSync(target, JSON.stringify(answers));
  process.exit(0);
};
client.start("127.0.0.1", Number(port), false, key);
