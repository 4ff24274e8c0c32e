// The messages of one talk, as the API wants them.

export class Talk {
  #messages = [];

  /**
   * @param {object[]} asked new messages
   * @returns {object[]} all that is sent with them
   */
  request(asked) {
    const nowS = Date.now() / 1000;
    const known = this.#before(asked).map(({ expiresAtS, text, ...message }) => {
      // The server forgets spoken answers after a while: then their words are sent, which is all that it keeps of them.
      const isForgotten = message.audio && expiresAtS <= nowS;
      return isForgotten ? { role: "assistant", content: text } : message;
    });
    return [...known, ...asked];
  }

  /**
   * Keeps what was asked and answered. What got no answer is not kept, so that it cannot spoil what follows.
   * @param {object[]} asked
   * @param {import("./answer.js").Answer} answer whole, or as far as it came
   * @param {boolean} isWhole
   */
  keep(asked, answer, isWhole) {
    const before = this.#before(asked);
    if (answer.wholeCalls.length) {
      const calls = answer.wholeCalls.map((call) => ({ id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }));
      this.#messages = [...before, ...asked, { role: "assistant", content: answer.text || null, tool_calls: calls }];
    } else if (answer.expiresAtS !== null && answer.text) {
      const { audioId: id, expiresAtS, text } = answer;
      this.#messages = [...before, ...asked, { role: "assistant", audio: { id }, expiresAtS, text }];
    } else if (answer.text || (isWhole && !answer.calls.length)) {
      this.#messages = [...before, ...asked, { role: "assistant", content: answer.text }];
    }
  }

  /** What was said before; calls that got no results are left out, since the server wants one for each. */
  #before(asked) {
    const isUnanswered = this.#messages.at(-1)?.tool_calls && asked[0].role !== "tool";
    return isUnanswered ? this.#messages.slice(0, -1) : this.#messages;
  }
}

/**
 * @param {string} text "" for none
 * @param {string | null} wav base64 of a file
 * @returns {object} a user's message
 */
export function userMessage(text, wav) {
  const parts = [];
  if (text) parts.push({ type: "text", text });
  if (wav !== null) parts.push({ type: "input_audio", input_audio: { data: wav, format: "wav" } });
  return { role: "user", content: parts };
}
