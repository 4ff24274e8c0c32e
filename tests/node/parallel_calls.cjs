// Asks a server whose model makes several calls by the official npm client, and prints what it understood as JSON.
// Usage: node parallel_calls.cjs http://127.0.0.1:PORT TOOLS_AS_JSON

const OpenAI = require("openai");

const [url, tools] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, timeout: 60_000 });
const asked = {
  model: "omni-audio",
  messages: [{ role: "user", content: "hi" }],
  tools: JSON.parse(tools),
};

async function main() {
  const plain = (await client.chat.completions.create(asked)).choices[0];
  const stream = client.chat.completions.stream(asked);
  let numFragments = 0;
  stream.on("tool_calls.function.arguments.delta", () => { numFragments += 1; });
  const streamed = (await stream.finalChatCompletion()).choices[0];
  const results = plain.message.tool_calls.map(({ id }, index) => ({ role: "tool", tool_call_id: id, content: `${index}` }));
  const messages = [...asked.messages, plain.message, ...results.reverse()];
  const next = (await client.chat.completions.create({ ...asked, messages })).choices[0];
  console.log(JSON.stringify({ plain, streamed, numFragments, next: next.finish_reason }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
