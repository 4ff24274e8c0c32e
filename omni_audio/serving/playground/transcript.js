// The words of an answer as they come, with the one that is being said marked.

const SECONDS_PER_LETTER = 0.07; // of English speech at speed 1, blanks included: about 14 letters a second

/**
 * Estimates how far into the words the voice is. The API's times of words tell the order in which words and sound were made,
 * not when each is said, so it is the share of the played time: exact at both ends and off by a word or two between them. While the answer still arrives its length is not known either,
 * and is guessed from the letters that are there.
 *
 * @param {{heardS: number, receivedS: number, numLetters: number, speed: number, isWhole: boolean}} state
 * @returns {number} 0 to 1
 */
export function shareSaid({ heardS, receivedS, numLetters, speed, isWhole }) {
  const guessS = (numLetters * SECONDS_PER_LETTER) / speed;
  const totalS = isWhole ? receivedS : Math.max(receivedS, guessS);
  return totalS > 0 ? Math.min(1, heardS / totalS) : 0;
}

export class Transcript {
  #element;
  #words = []; // {span, start, end}: places in the text
  #now; // the marked word's element
  #place = 0; // letters that were said; never back, though the estimate may go
  text = "";

  /** @param {HTMLElement} element that holds the words and nothing else */
  constructor(element) {
    this.#element = element;
  }

  /** @param {string} text the next letters; they may go on in the middle of a word */
  append(text) {
    for (const [part] of text.matchAll(/\s+|\S+/g)) {
      const isBlank = /^\s/.test(part);
      const last = this.#words.at(-1);
      if (isBlank) {
        this.#element.append(part);
      } else if (last && last.end === this.text.length) {
        last.span.textContent += part;
        last.end += part.length;
      } else {
        const span = document.createElement("span");
        span.className = "word";
        span.textContent = part;
        this.#element.append(span);
        this.#words.push({ span, start: this.text.length, end: this.text.length + part.length });
      }
      this.text += part;
    }
  }

  /** @param {number | null} share 0 to 1 of the text that was said; null marks no word, and the next begins anew */
  mark(share) {
    this.#place = share === null ? 0 : Math.max(this.#place, share * this.text.length);
    const span = share === null ? undefined : (this.#words.find(({ end }) => this.#place < end) ?? this.#words.at(-1))?.span;
    if (span === this.#now) return;
    this.#now?.classList.remove("now");
    span?.classList.add("now");
    this.#now = span;
  }
}
