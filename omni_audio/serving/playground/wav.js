// Mono 16-bit WAV files.

const HEADER_BYTES = 44;

/**
 * @param {Float32Array} pcm samples in [-1, 1]; what lies outside is clipped
 * @param {number} rateHz
 * @returns {Uint8Array} the file
 */
export function encodeWav(pcm, rateHz) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + 2 * pcm.length));
  const word = (at, letters) => [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + 2 * pcm.length, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // mono
  view.setUint32(24, rateHz, true);
  view.setUint32(28, 2 * rateHz, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * pcm.length, true);
  pcm.forEach((sample, index) => {
    view.setInt16(HEADER_BYTES + 2 * index, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
  });
  return new Uint8Array(view.buffer);
}
