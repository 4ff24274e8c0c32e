// Sound that is played while it still arrives.

export const ANSWER_RATE_HZ = 24000;
const FIRST_LEAD_S = 0.06; // a chunk is planned so far ahead when nothing is playing
const MOST_LEAD_S = 0.5;

let context = null;
let current = null; // one sound at a time

/** The page's way to the loudspeaker; browsers want a key or a click before, so call it in one. */
export function openLoudspeaker() {
  // At the answer's own rate: chunks that are resampled one by one would not join without clicks.
  context ??= new AudioContext({ sampleRate: ANSWER_RATE_HZ, latencyHint: "interactive" });
  void context.resume();
  return context;
}

/** Silence at once. */
export function hush() {
  current?.stop();
}

/** One sound: pieces come by push(), in order, and are heard one behind the other; it ends the sound before it. */
export class PlayingSound {
  #rateHz;
  #spans = []; // {start, end}: seconds of the context's clock, of the pieces that were not heard to their end
  #sources = new Set();
  #heardBeforeS = 0; // of pieces that are no longer in #spans
  #leadS = FIRST_LEAD_S; // doubled at each gap: where sound comes in bursts, few long pauses are better than many
  #hasEnd = false;
  #onEnd = () => {};
  receivedS = 0;
  numGaps = 0; // how often sound was due and had not come
  isStopped = false;

  /** @param {number} rateHz of the samples */
  constructor(rateHz = ANSWER_RATE_HZ) {
    this.#rateHz = rateHz;
    this.context = openLoudspeaker();
    hush();
    current = this;
    this.whenOver = new Promise((resolve) => { this.#onEnd = resolve; });
  }

  /** @param {Float32Array} pcm */
  push(pcm) {
    if (this.isStopped || pcm.length === 0) return;
    const buffer = this.context.createBuffer(1, pcm.length, this.#rateHz);
    buffer.copyToChannel(pcm, 0);
    const source = new AudioBufferSourceNode(this.context, { buffer });
    const now = this.context.currentTime;
    const due = this.#spans.at(-1)?.end ?? -Infinity;
    const isLate = due < now;
    if (isLate && this.receivedS > 0) {
      this.numGaps += 1;
      this.#leadS = Math.min(MOST_LEAD_S, 2 * this.#leadS);
    }
    const start = isLate ? now + this.#leadS : due;
    this.#spans.push({ start, end: start + buffer.duration });
    this.receivedS += buffer.duration;
    this.#sources.add(source);
    source.onended = () => {
      this.#sources.delete(source);
      this.#endIfHeard();
    };
    source.connect(this.context.destination);
    source.start(start);
  }

  /** No more pieces come. */
  finish() {
    this.#hasEnd = true;
    this.#endIfHeard();
  }

  /** Ends it; pieces that still come are not heard. */
  stop() {
    this.isStopped = true;
    for (const source of this.#sources) source.stop();
    this.#sources.clear();
    this.#onEnd();
  }

  /** Seconds of the sound that were heard so far; pauses do not count. */
  get heardS() {
    const now = this.context.currentTime;
    while (this.#spans.length > 1 && this.#spans[0].end <= now) {
      const { start, end } = this.#spans.shift();
      this.#heardBeforeS += end - start;
    }
    const sounding = this.#spans.map(({ start, end }) => Math.max(0, Math.min(now, end) - start));
    return sounding.reduce((sum, seconds) => sum + seconds, this.#heardBeforeS);
  }

  #endIfHeard() {
    if (this.#hasEnd && this.#sources.size === 0) this.#onEnd();
  }
}
