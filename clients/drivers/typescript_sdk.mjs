// The TypeScript SDK in the smallest loop of an agent, which hands over the whole of a result.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const task = JSON.parse(process.argv[2]);
const client = new Client({ name: "clips", version: "1.0.0" });
await client.connect(new StdioClientTransport({ command: task.command, env: task.env }));
const tools = (await client.listTools()).tools.map(({ name, inputSchema }) => ({
  type: "function",
  function: { name, parameters: inputSchema },
}));
const messages = [{ role: "user", content: task.prompt }];

async function ask() {
  const body = JSON.stringify({ model: "stand-in", messages, tools });
  const answer = await fetch(`${task.model_url}/v1/chat/completions`, { method: "POST", body });
  return (await answer.json()).choices[0].message;
}

for (let said = await ask(); ; said = await ask()) {
  messages.push(said);
  if (!said.tool_calls) break;
  for (const { id, function: call } of said.tool_calls) {
    const arguments_ = JSON.parse(call.arguments);
    const result = await client.callTool({ name: call.name, arguments: arguments_ });
    messages.push({ role: "tool", tool_call_id: id, content: JSON.stringify(result) });
  }
}
await client.close();
