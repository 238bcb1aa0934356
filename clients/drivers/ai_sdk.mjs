// The AI SDK.
import { createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport } from "@ai-sdk/mcp/mcp-stdio";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, isStepCount } from "ai";

const task = JSON.parse(process.argv[2]);
const { command, env } = task;
const provider = createOpenAICompatible({ name: "stand-in", baseURL: `${task.model_url}/v1` });
const client = await createMCPClient({
  transport: new Experimental_StdioMCPTransport({ command, env }),
});
try {
  await generateText({
    model: provider.chatModel("stand-in"),
    tools: await client.tools(),
    stopWhen: isStepCount(30),
    prompt: task.prompt,
  });
} finally {
  await client.close();
}
