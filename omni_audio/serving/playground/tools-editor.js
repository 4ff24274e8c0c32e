// The field for tools: JSON that is checked while it is typed.

import { NotAllowedError } from "./checks.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

const EXAMPLE = [
  {
    type: "function",
    function: {
      name: "set_timer",
      parameters: {
        type: "object",
        properties: { value: { type: "integer", minimum: 1 }, unit: { type: "string", enum: ["seconds", "minutes", "hours"] } },
        required: ["value", "unit"],
        additionalProperties: false,
      },
    },
  },
];

/**
 * @param {string} text JSON of an array of tools, "" for none
 * @param {HTMLElement | null} control for the error
 * @returns {object[]}
 */
export function parseTools(text, control = null) {
  const refuse = (name, value, allowed, remedy) => { throw new NotAllowedError(name, value, allowed, remedy, control); };
  if (!text.trim()) return [];
  let tools;
  try {
    tools = JSON.parse(text);
  } catch (error) {
    refuse("tools", shortened(text), "JSON", `Mend it: ${error.message}.`);
  }
  if (!Array.isArray(tools)) refuse("tools", shortened(text), "a JSON array", "Put the tools between [ and ].");
  tools.forEach((tool, index) => {
    const place = `tools[${index}]`;
    if (tool?.type !== "function") refuse(`${place}.type`, tool?.type ?? null, '"function"', "Set it.");
    const { name, parameters } = tool.function ?? {};
    if (!NAME.test(name ?? "")) refuse(`${place}.function.name`, name ?? null, "1 to 64 letters, digits, _ or -", "Set it.");
    if (tools.findIndex((other) => other.function?.name === name) < index) refuse(`${place}.function.name`, name, "another name", "It is there twice.");
    const isSchema = parameters === undefined || (parameters !== null && typeof parameters === "object" && !Array.isArray(parameters));
    if (!isSchema) refuse(`${place}.function.parameters`, parameters, "a JSON schema of an object", "Mend it, or leave it out.");
  });
  return tools;
}

export class ToolsEditor {
  #field;
  #message;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {HTMLElement} message says what is wrong, or how many tools there are
   * @param {HTMLButtonElement} example puts one in
   */
  constructor(field, message, example) {
    this.#field = field;
    this.#message = message;
    field.addEventListener("input", () => this.#check());
    example.addEventListener("click", () => {
      field.value = JSON.stringify(EXAMPLE, null, 2);
      this.#check();
    });
    this.#check();
  }

  /** The tools; throws NotAllowedError with the field. */
  get tools() {
    return parseTools(this.#field.value, this.#field);
  }

  #check() {
    let wrong = null;
    try {
      const { length } = this.tools;
      this.#message.textContent = length === 0 ? "No tools." : length === 1 ? "1 tool." : `${length} tools.`;
    } catch (error) {
      wrong = error;
      this.#message.textContent = error.message;
    }
    this.#message.classList.toggle("wrong", wrong !== null);
    this.#field.setAttribute("aria-invalid", String(wrong !== null));
  }
}

function shortened(text) {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
