// One request and its answer, from sending to the last sound.

import { Answer } from "./answer.js";
import { GrowingSound } from "./growing-sound.js";
import { ANSWER_RATE_HZ, PlayingSound } from "./player.js";
import { shareSaid } from "./transcript.js";

export class Exchange {
  #abort = new AbortController();
  #view;
  #speed;
  #playing = null;
  #sound = new GrowingSound();
  isWhole = false;
  isStopped = false;

  /**
   * @param {import("./turn-view.js").TurnView} view of the answer
   * @param {number} speed of the speech, to guess how long it will be
   */
  constructor(view, speed) {
    this.#view = view;
    this.#speed = speed;
  }

  /**
   * Sends, and shows and plays what comes.
   * @param {import("./api.js").Api} api
   * @param {object} body of the request
   * @param {(answer: Answer) => void} onFirst at the first words, sound or call
   * @returns {Promise<Answer>} whole, or as far as it came when it was stopped
   */
  async run(api, body, onFirst) {
    const answer = new Answer(performance.now());
    let hasBegun = false;
    try {
      for await (const chunk of api.chat(body, this.#abort.signal)) {
        const brought = answer.take(chunk);
        this.#view.transcript.append(brought.text);
        if (brought.pcm) this.#hear(brought.pcm);
        if (brought.hasCall) this.#view.showCalls(answer.calls);
        this.#showFigures(answer);
        if (!hasBegun && (brought.text || brought.pcm || brought.hasCall)) {
          hasBegun = true;
          onFirst(answer);
        }
      }
      answer.finish();
      this.isWhole = true;
    } catch (error) {
      if (!this.isStopped) {
        this.#playing?.stop();
        throw error;
      }
    }
    this.#playing?.finish();
    this.#view.showSound(this.#sound.pcm, ANSWER_RATE_HZ, true);
    return answer;
  }

  /** Resolves when the last sound was heard, or was stopped. */
  async over() {
    await this.#playing?.whenOver;
  }

  /** Ends the stream, and the sound at once. */
  stop() {
    this.isStopped = true;
    this.#abort.abort();
    this.#playing?.stop();
  }

  /** Hears the answer's sound again, from its beginning. */
  replay() {
    const playing = new PlayingSound();
    playing.push(this.#sound.pcm.slice());
    playing.finish();
    this.#follow(playing);
    this.#playing = playing;
  }

  get hasSound() {
    return this.#sound.length > 0;
  }

  #hear(pcm) {
    this.#sound.push(pcm);
    if (this.#playing === null) {
      this.#playing = new PlayingSound();
      this.#follow(this.#playing);
    }
    this.#playing.push(pcm);
    this.#view.showSound(this.#sound.pcm, ANSWER_RATE_HZ, false);
  }

  /** Marks the word that is being said, at every picture of the screen, as long as it is played. */
  #follow(playing) {
    const { transcript } = this.#view;
    let isOver = false;
    const show = () => {
      const { heardS, receivedS } = playing;
      this.#view.setFigure("sound heard", `${heardS.toFixed(1)} of ${receivedS.toFixed(1)} s`);
      const numLetters = transcript.text.length;
      const share = shareSaid({ heardS, receivedS, numLetters, speed: this.#speed, isWhole: this.isWhole });
      transcript.mark(isOver ? null : share);
      if (!isOver) requestAnimationFrame(show);
    };
    playing.whenOver.then(() => {
      isOver = true;
      show();
      if (playing.numGaps) this.#view.setFigure("gaps in the sound", String(playing.numGaps));
    });
    show();
  }

  #showFigures(answer) {
    if (answer.firstAudioMs !== null) this.#view.setFigure("first audio", `${Math.round(answer.firstAudioMs)} ms`);
    else if (answer.firstTextMs !== null) this.#view.setFigure("first text", `${Math.round(answer.firstTextMs)} ms`);
    if (answer.finishReason !== null) this.#view.setFigure("finish reason", answer.finishReason);
    if (answer.usage !== null) this.#view.setFigure("usage", usageText(answer.usage));
  }
}

function usageText(usage) {
  const { prompt_tokens: prompt, completion_tokens: completion } = usage;
  const heard = usage.prompt_tokens_details.audio_tokens;
  const spoken = usage.completion_tokens_details.audio_tokens;
  return `${prompt} tokens in (${heard} of sound), ${completion} out (${spoken} of sound)`;
}
