// The TypeScript SDK over HTTP, which initializes once: it makes a clip, going on when told to.
import { createInterface } from "node:readline/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { url, clip } = JSON.parse(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const client = new Client({ name: "clips", version: "1.0.0" });
// Each request has a connection of its own, so that it may reach another server.
const requestInit = { headers: { Connection: "close" } };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit });
await client.connect(transport);

const say = (facts) => console.log(JSON.stringify(facts));
const call = async (name, given, options) =>
  (await client.callTool({ name, arguments: given }, undefined, options)).structuredContent;

const { request_id } = await call("generate_video", { ...clip, wait_seconds: 0 });
say({ request_id, session: transport.sessionId.length });
for (let line = await lines.next(); line.value === "list"; line = await lines.next()) {
  const { jobs } = await call("list_jobs", {});
  say({ listed: jobs.map((job) => job.request_id) });
}
let notified = 0;
const ended = await call("check_status", { request_id }, { onprogress: () => (notified += 1) });
say({ status: ended.status, notified });
await transport.terminateSession();
await client.close();
process.exit(0);
