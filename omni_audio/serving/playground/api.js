// The server's HTTP API, and its errors in words.

import { eventData } from "./sse.js";

export class ApiError extends Error {
  /**
   * @param {number} status of the response; an error inside a stream comes with 200
   * @param {{message?: string, code?: string | null, param?: string | null}} error the API's error object
   * @param {string | null} requestId of the response
   */
  constructor(status, error, requestId) {
    const facts = [`status ${status}`, error.code && `code ${error.code}`, error.param && `parameter ${error.param}`];
    const request = requestId ? ` Request ${requestId}.` : "";
    super(`${error.message ?? "The server gave no reason."} (${facts.filter(Boolean).join(", ")})${request}`);
    this.status = status;
    this.code = error.code ?? null;
  }
}

export class Api {
  /** @param {string} key "" where the server asks for none */
  constructor(key) {
    this.key = key;
  }

  /** @returns {Promise<string[]>} ids of the models */
  async models() {
    const response = await this.#fetch("v1/models", {});
    return (await response.json()).data.map((model) => model.id);
  }

  /**
   * @param {object} body of a chat completion without `stream`
   * @param {AbortSignal} signal
   * @yields {object} the chunks
   */
  async *chat(body, signal) {
    const response = await this.#fetch("v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
      signal,
    });
    const requestId = response.headers.get("x-request-id");
    for await (const data of eventData(response.body)) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ApiError(response.status, chunk.error, requestId);
      yield chunk;
    }
    const broken = { message: "The answer broke off before its end. Ask again." };
    throw new ApiError(response.status, broken, requestId);
  }

  async #fetch(path, options) {
    const authorization = this.key ? { authorization: `Bearer ${this.key}` } : {};
    let response;
    try {
      response = await fetch(new URL(path, document.baseURI), { ...options, headers: { ...options.headers, ...authorization } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server cannot be reached. See whether it runs, then send again.", { cause: error });
    }
    if (response.ok) return response;
    const refusal = await response.json().catch(() => ({}));
    throw new ApiError(response.status, refusal.error ?? {}, response.headers.get("x-request-id"));
  }
}

/** @returns {Promise<object>} what the page offers: see playground_page.py */
export async function readOptions() {
  const response = await fetch(new URL("playground/options.json", document.baseURI));
  if (!response.ok) throw new Error(`The page's options cannot be read (status ${response.status}). Load the page again.`);
  return response.json();
}
