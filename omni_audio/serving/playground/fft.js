// Fast Fourier transform, radix 2.

/** Magnitudes of real signals of one length, which is a power of two. */
export class RealSpectrum {
  #reversed;
  #cos;
  #sin;
  #re;
  #im;

  /** @param {number} size samples of the signal */
  constructor(size) {
    const numBits = Math.log2(size);
    if (size < 2 || !Number.isInteger(numBits)) {
      throw new RangeError(`size = ${size} is not allowed: expected a power of two from 2 on. Choose such a window.`);
    }
    this.size = size;
    this.#reversed = Uint32Array.from({ length: size }, (_, index) => {
      let reversed = 0;
      for (let bit = 0; bit < numBits; bit += 1) reversed |= ((index >> bit) & 1) << (numBits - 1 - bit);
      return reversed;
    });
    this.#cos = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.#sin = Float64Array.from({ length: size / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / size));
    this.#re = new Float64Array(size);
    this.#im = new Float64Array(size);
  }

  /**
   * @param {ArrayLike<number>} signal of `size` values
   * @returns {Float64Array} size / 2 + 1 magnitudes, from 0 to half the sample rate
   */
  magnitudes(signal) {
    const { size } = this;
    const re = this.#re;
    const im = this.#im.fill(0);
    for (let index = 0; index < size; index += 1) re[this.#reversed[index]] = signal[index];
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k += 1) {
          const [low, high] = [start + k, start + k + half];
          const [cos, sin] = [this.#cos[k * stride], this.#sin[k * stride]];
          const turnedRe = re[high] * cos + im[high] * sin;
          const turnedIm = im[high] * cos - re[high] * sin;
          re[high] = re[low] - turnedRe;
          im[high] = im[low] - turnedIm;
          re[low] += turnedRe;
          im[low] += turnedIm;
        }
      }
    }
    return Float64Array.from({ length: size / 2 + 1 }, (_, index) => Math.hypot(re[index], im[index]));
  }
}
