// Samples that come in pieces, as one array at any time.

export class GrowingSound {
  #samples = new Float32Array(1 << 16);
  length = 0;

  /** @param {Float32Array} pcm */
  push(pcm) {
    if (this.length + pcm.length > this.#samples.length) {
      const larger = new Float32Array(2 * (this.length + pcm.length));
      larger.set(this.pcm);
      this.#samples = larger;
    }
    this.#samples.set(pcm, this.length);
    this.length += pcm.length;
  }

  /** What came so far; a view, which later pieces leave as it is. */
  get pcm() {
    return this.#samples.subarray(0, this.length);
  }
}
