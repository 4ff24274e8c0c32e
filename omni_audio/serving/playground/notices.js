// What the page says to everybody, screen readers included: a polite line for the state, an alert for errors.

export class Notices {
  #status;
  #error;

  /** @param {HTMLElement} status a live region @param {HTMLElement} error an alert */
  constructor(status, error) {
    this.#status = status;
    this.#error = error;
  }

  /** @param {string} text the state; an error that stood there is past */
  say(text) {
    this.#error.textContent = "";
    this.#status.textContent = text;
  }

  /** @param {Error & {control?: HTMLElement | null}} error shown in words; its control, if it has one, gets the focus */
  tell(error) {
    this.#status.textContent = "";
    this.#error.textContent = error.message;
    error.control?.focus();
  }
}
