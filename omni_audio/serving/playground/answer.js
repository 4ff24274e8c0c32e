// One answer, put together from the chunks of its stream.

import { fromBase64 } from "./base64.js";
import { Pcm16Reader } from "./pcm16.js";

export class Answer {
  #reader = new Pcm16Reader();
  #sentMs;
  text = "";
  audioId = null;
  expiresAtS = null;
  calls = []; // {id, name, arguments: JSON text}, the last one as far as it came
  usage = null;
  finishReason = null;
  firstTextMs = null;
  firstAudioMs = null;

  /** @param {number} sentMs when the request left, by performance.now() */
  constructor(sentMs) {
    this.#sentMs = sentMs;
  }

  /**
   * @param {object} chunk of the stream
   * @returns {{text: string, pcm: Float32Array | null, hasCall: boolean}} what it brought
   */
  take(chunk) {
    this.usage = chunk.usage ?? this.usage;
    const choice = chunk.choices[0];
    const delta = choice?.delta ?? {};
    this.finishReason = choice?.finish_reason ?? this.finishReason;
    this.audioId = delta.audio?.id ?? this.audioId;
    this.expiresAtS = delta.audio?.expires_at ?? this.expiresAtS;
    for (const call of delta.tool_calls ?? []) this.#takeCall(call);

    const text = delta.content || delta.audio?.transcript || "";
    if (text) this.firstTextMs ??= performance.now() - this.#sentMs;
    this.text += text;
    const pcm = delta.audio?.data ? this.#reader.feed(fromBase64(delta.audio.data)) : null;
    if (pcm) this.firstAudioMs ??= performance.now() - this.#sentMs;
    return { text, pcm, hasCall: Boolean(delta.tool_calls) };
  }

  /** The calls, once all of them are whole: a limit may cut the last one off. */
  get wholeCalls() {
    return this.finishReason === "tool_calls" ? this.calls : [];
  }

  /** The stream came to its end; throws where its sound did not. */
  finish() {
    this.#reader.finish();
  }

  #takeCall({ index, id, function: called }) {
    this.calls[index] ??= { id: "", name: "", arguments: "" };
    const call = this.calls[index];
    call.id = id ?? call.id;
    call.name += called?.name ?? "";
    call.arguments += called?.arguments ?? "";
  }
}
