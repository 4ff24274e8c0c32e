// Runs beside the audio thread: hands the microphone's samples over in pieces, the rest when asked to stop.

const PIECE_SAMPLES = 2048;

class Capture extends AudioWorkletProcessor {
  #piece = new Float32Array(PIECE_SAMPLES);
  #length = 0;
  #isOpen = true;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#isOpen = false;
      this.port.postMessage({ pcm: this.#piece.slice(0, this.#length), isLast: true });
    };
  }

  process([[channel]]) {
    if (!this.#isOpen || channel === undefined) return this.#isOpen;
    for (const sample of channel) {
      this.#piece[this.#length] = sample;
      this.#length += 1;
      if (this.#length === PIECE_SAMPLES) {
        this.port.postMessage({ pcm: this.#piece.slice(), isLast: false });
        this.#length = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
