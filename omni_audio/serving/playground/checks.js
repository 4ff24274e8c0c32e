// Errors of values that the page itself refuses, in the form of the server: name, value, allowed, remedy.

export class NotAllowedError extends Error {
  /**
   * @param {string} name what is wrong
   * @param {unknown} value what it was
   * @param {string} allowed what it may be
   * @param {string} remedy what to do
   * @param {HTMLElement | null} control where it is put right
   */
  constructor(name, value, allowed, remedy, control = null) {
    super(`${name} = ${JSON.stringify(value)} is not allowed: expected ${allowed}. ${remedy}`);
    this.control = control;
  }
}
