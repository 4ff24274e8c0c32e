// The microphone: from open() to stop() it listens; what was heard comes as 16 kHz mono samples.

import { resampled } from "./request-sound.js";

const REFUSALS = {
  NotAllowedError: "The browser was not allowed to use the microphone. Allow it for this page, or choose a file.",
  NotFoundError: "There is no microphone here. Connect one, or choose a file.",
  NotReadableError: "The microphone is in use elsewhere or does not answer. Close what uses it, or choose a file.",
};

export class Recorder {
  #stream;
  #context;
  #node;
  #pieces = [];
  #whenLast;

  constructor(stream, context, node) {
    this.#stream = stream;
    this.#context = context;
    this.#node = node;
    this.#whenLast = new Promise((resolve) => {
      node.port.onmessage = ({ data }) => {
        this.#pieces.push(data.pcm);
        if (data.isLast) resolve();
      };
    });
  }

  /** Asks for the microphone and listens at once. */
  static async open() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give the microphone to https and to localhost only. Open the page there, or choose a file.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    } catch (error) {
      throw new Error(REFUSALS[error.name] ?? `The microphone cannot be used: ${error.message}. Choose a file.`, { cause: error });
    }
    try {
      return await Recorder.#listening(stream);
    } catch (error) {
      letGo(stream);
      throw new Error("The page's recorder cannot be started. Load the page again, or choose a file.", { cause: error });
    }
  }

  static async #listening(stream) {
    // The context keeps the device's own rate: not every browser feeds a microphone into another one.
    const context = new AudioContext();
    try {
      await context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
      const node = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
      const recorder = new Recorder(stream, context, node);
      // To the destination, or no browser need run it; it writes silence there.
      context.createMediaStreamSource(stream).connect(node).connect(context.destination);
      await context.resume();
      return recorder;
    } catch (error) {
      await context.close();
      throw error;
    }
  }

  /**
   * Lets go of the microphone.
   * @returns {Promise<Float32Array>} 16 kHz mono
   */
  async stop() {
    this.#node.port.postMessage("stop");
    await this.#whenLast;
    letGo(this.#stream);
    const rateHz = this.#context.sampleRate;
    await this.#context.close();
    const pcm = new Float32Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      pcm.set(piece, at);
      at += piece.length;
    }
    return resampled(pcm, rateHz);
  }
}

function letGo(stream) {
  stream.getTracks().forEach((track) => track.stop());
}
