// Asks a server by the official npm client and prints what it understood, as one JSON object.
// Usage: node openai_client.cjs http://127.0.0.1:PORT SOUND.flac

const fs = require("node:fs");
const OpenAI = require("openai");

const [url, soundPath] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, timeout: 60_000 });
const model = "omni-audio";
const sound = { data: fs.readFileSync(soundPath).toString("base64"), format: "flac" };
const spoken = [{ role: "user", content: [{ type: "input_audio", input_audio: sound }] }];
const typed = [{ role: "user", content: "hi" }];
const parameters = {
  type: "object",
  properties: { on: { type: "boolean" } },
  required: ["on"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "switch", parameters, strict: true } }];

async function text() {
  const asked = { model, messages: spoken, seed: 5, max_completion_tokens: 30 };
  const plain = await client.chat.completions.create(asked);
  let streamed = "";
  let usage = null;
  const chunks = await client.chat.completions.create({
    ...asked,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of chunks) {
    streamed += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { plain: plain.choices[0].message.content, streamed, usage, plain_usage: plain.usage };
}

async function speech() {
  const asked = {
    model,
    messages: spoken,
    modalities: ["text", "audio"],
    audio: { voice: "default", format: "pcm16" },
    seed: 5,
    max_completion_tokens: 30,
  };
  const plain = (await client.chat.completions.create(asked)).choices[0].message.audio;
  const streamed = { id: "", transcript: "", data: "" };
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    const audio = chunk.choices[0]?.delta.audio ?? {};
    for (const name of Object.keys(streamed)) streamed[name] += audio[name] ?? "";
  }
  const messages = [...spoken, { role: "assistant", audio: { id: streamed.id } }, ...typed];
  const next = await client.chat.completions.create({ model, messages, max_completion_tokens: 5, seed: 5 });
  return { plain, streamed, next: next.choices[0].finish_reason };
}

async function calls() {
  const asked = { model, messages: typed, tools, tool_choice: "required", seed: 2 };
  const plain = (await client.chat.completions.create(asked)).choices[0];
  const streamed = (await client.chat.completions.stream(asked).finalChatCompletion()).choices[0];
  const result = { role: "tool", tool_call_id: plain.message.tool_calls[0].id, content: '{"ok": true}' };
  const messages = [...typed, plain.message, result];
  const next = await client.chat.completions.create({ model, messages, tools, tool_choice: "none", seed: 2 });
  return { plain, streamed, next: next.choices[0].message.content };
}

async function transcript() {
  const file = () => fs.createReadStream(soundPath);
  const verbose = await client.audio.transcriptions.create({
    model,
    file: file(),
    response_format: "verbose_json",
    timestamp_granularities: ["word", "segment"],
  });
  let done = null;
  const events = await client.audio.transcriptions.create({ model, file: file(), stream: true });
  for await (const event of events) {
    if (event.type === "transcript.text.done") done = event.text;
  }
  const srt = await client.audio.transcriptions.create({ model, file: file(), response_format: "srt" });
  return { verbose, done, srt };
}

async function refusal() {
  try {
    await client.chat.completions.create({ model: "gpt-9", messages: typed });
    return null;
  } catch (error) {
    return { is_not_found: error instanceof OpenAI.NotFoundError, code: error.code, param: error.param };
  }
}

async function main() {
  const found = {};
  for (const part of [text, speech, calls, transcript, refusal]) found[part.name] = await part();
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
