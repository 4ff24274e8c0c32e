// What one turn looks like: words, spectrogram, tool calls, figures.

import { drawSpectrogram } from "./spectrogram.js";
import { Transcript } from "./transcript.js";

const COLUMNS = 480;
const ROWS = 96;
const REDRAW_MS = 250;

/** Makes an element with text and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export class TurnView {
  #whose;
  #figure = null;
  #figures = element("dl", { class: "figures" });
  #calls = element("div", { class: "calls" });
  #callViews = [];
  #drawnMs = -Infinity;

  /**
   * @param {HTMLElement} list of the turns
   * @param {"request" | "answer"} kind
   * @param {string} title
   */
  constructor(list, kind, title) {
    this.#whose = `the ${kind}`;
    const words = element("p", { class: "words" });
    this.transcript = new Transcript(words);
    this.#figures.hidden = true;
    this.body = element("li", { class: `turn ${kind}` }, element("h3", {}, title), words, this.#calls, this.#figures);
    list.append(this.body);
  }

  /**
   * Shows the sound so far; at most four times a second, unless it is whole.
   * @param {Float32Array} pcm
   * @param {number} rateHz
   * @param {boolean} isWhole
   */
  showSound(pcm, rateHz, isWhole) {
    if (pcm.length === 0 || (!isWhole && performance.now() - this.#drawnMs < REDRAW_MS)) return;
    this.#drawnMs = performance.now();
    if (this.#figure === null) {
      const canvas = element("canvas", { width: COLUMNS, height: ROWS });
      this.#figure = element("figure", {}, canvas, element("figcaption", {}, `0 to ${rateHz / 2000} kHz, upwards; time to the right`));
      this.#figures.before(this.#figure);
    }
    drawSpectrogram(this.#figure.querySelector("canvas"), pcm, rateHz, this.#whose);
  }

  /** @param {string} name @param {string} value replaces what stood under this name */
  setFigure(name, value) {
    this.#figures.hidden = false;
    const key = name.replaceAll(" ", "-");
    let row = this.#figures.querySelector(`[data-figure="${key}"]`);
    if (row === null) {
      row = element("div", { "data-figure": key }, element("dt", {}, name), element("dd"));
      this.#figures.append(row);
    }
    row.querySelector("dd").textContent = value;
  }

  /** @param {{name: string, arguments: string}[]} calls as far as they came */
  showCalls(calls) {
    calls.forEach((call, index) => {
      if (this.#callViews[index] === undefined) {
        const [name, args] = [element("strong"), element("pre")];
        const view = element("div", { class: "call" }, element("p", {}, "Calls ", name), args);
        this.#callViews[index] = { name, args, view };
        this.#calls.append(view);
      }
      this.#callViews[index].name.textContent = call.name;
      this.#callViews[index].args.textContent = call.arguments;
    });
  }

  /**
   * Fields for the results of the calls.
   * @param {{name: string}[]} calls
   * @param {(results: string[]) => void} answer
   */
  askResults(calls, answer) {
    const fields = calls.map((call, index) => {
      const field = element("textarea", { rows: "2" });
      this.#callViews[index].view.append(element("label", {}, `Result of ${call.name}`, field));
      return field;
    });
    const button = element("button", { type: "button" }, fields.length === 1 ? "Send the result" : "Send the results");
    button.addEventListener("click", () => answer(fields.map((field) => field.value)));
    this.#calls.append(button);
    this.#sendResults = button;
  }

  /** The calls can no longer be answered. */
  closeResults() {
    this.#sendResults?.remove();
    this.#calls.querySelectorAll("textarea").forEach((field) => { field.readOnly = true; });
  }

  #sendResults = null;

  /** @param {string} label @param {() => void} act */
  addButton(label, act) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", act);
    this.body.append(button);
  }

  /** @param {string} text why the turn is not part of the talk, or is not whole */
  note(text) {
    this.body.append(element("p", { class: "wrong" }, text));
  }
}
