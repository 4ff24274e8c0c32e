// Little-endian 16-bit samples of a stream, in chunks of any length, to floats in [-1, 1).

export class Pcm16Reader {
  #rest = new Uint8Array(0);

  /**
   * @param {Uint8Array} bytes
   * @returns {Float32Array} the samples that these bytes complete
   */
  feed(bytes) {
    const joined = new Uint8Array(this.#rest.length + bytes.length);
    joined.set(this.#rest);
    joined.set(bytes, this.#rest.length);
    const numSamples = joined.length >> 1;
    const view = new DataView(joined.buffer);
    const pcm = Float32Array.from({ length: numSamples }, (_, index) => view.getInt16(2 * index, true) / 32768);
    this.#rest = joined.slice(2 * numSamples);
    return pcm;
  }

  /** Throws where the stream ended inside a sample. */
  finish() {
    if (this.#rest.length) throw new Error("The sound ended in the middle of a sample: the answer is not whole. Ask again.");
  }
}
