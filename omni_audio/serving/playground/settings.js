// The settings' controls, read as fields of a chat completion.

import { NotAllowedError } from "./checks.js";
import { ToolsEditor } from "./tools-editor.js";

export class Settings {
  #controls;
  #editor;

  /** @param {(id: string) => HTMLElement} find */
  constructor(find) {
    const ids = ["api-key", "model", "modality", "voice", "speed", "temperature", "max-tokens", "tools", "tool-choice"];
    this.#controls = Object.fromEntries(ids.map((id) => [id, find(id)]));
    this.#editor = new ToolsEditor(find("tools"), find("tools-message"), find("example-tools"));
    this.#controls.modality.addEventListener("change", () => this.#showSpoken());
  }

  /** @param {object} options of the server: voices and ranges */
  offer(options) {
    fill(this.#controls.voice, options.voices);
    for (const name of ["speed", "temperature"]) [this.#controls[name].min, this.#controls[name].max] = options[name];
  }

  /** @param {string[]} models ids; the one that was chosen stays so */
  offerModels(models) {
    const chosen = this.#controls.model.value;
    fill(this.#controls.model, models);
    if (models.includes(chosen)) this.#controls.model.value = chosen;
  }

  get apiKey() {
    return this.#controls["api-key"].value.trim();
  }

  get speed() {
    return this.#number("speed");
  }

  /** Fields of the request but for its messages; throws NotAllowedError with the control at fault. */
  get fields() {
    const { model, modality, voice } = this.#controls;
    if (!model.value) throw new NotAllowedError("model", "", "one of the server's models", "Read the models first.", model);
    const isSpoken = modality.value === "audio";
    const maxTokens = this.#number("max-tokens");
    const { tools } = this.#editor;
    const choice = this.#controls["tool-choice"];
    if (!tools.length && choice.value === "required") {
      throw new NotAllowedError("tool choice", "required", "none or auto without tools", "Write a tool, or choose another.", choice);
    }
    return {
      model: model.value,
      modalities: isSpoken ? ["text", "audio"] : ["text"],
      ...(isSpoken && { audio: { voice: voice.value, format: "pcm16", speed: this.speed } }),
      temperature: this.#number("temperature"),
      ...(maxTokens !== null && { max_completion_tokens: maxTokens }),
      ...(tools.length && { tools, tool_choice: choice.value }),
    };
  }

  #number(id) {
    const control = this.#controls[id];
    const isEmpty = control.value === "" && !control.validity.badInput;
    if (isEmpty && id === "max-tokens") return null;
    const value = Number(control.value);
    const { badInput, rangeUnderflow, rangeOverflow } = control.validity;
    const isWhole = id !== "max-tokens" || Number.isInteger(value);
    const ok = !isEmpty && !badInput && !rangeUnderflow && !rangeOverflow && isWhole;
    control.setAttribute("aria-invalid", String(!ok));
    if (ok) return value;
    const allowed = id === "max-tokens" ? "a whole number from 1 on, or nothing" : `${control.min} to ${control.max}`;
    throw new NotAllowedError(control.labels[0].textContent, control.value, allowed, "Set it inside that range.", control);
  }

  #showSpoken() {
    const isText = this.#controls.modality.value === "text";
    this.#controls.voice.disabled = isText;
    this.#controls.speed.disabled = isText;
  }
}

function fill(select, values) {
  select.replaceChildren(...values.map((value) => new Option(value, value)));
}
