// Draws the spectrogram of a whole sound into a canvas: time to the right, frequency upwards, loud is bright.

import { RealSpectrum } from "./fft.js";

const WINDOW_SAMPLES = 512; // 32 ms at 16 kHz, 21 ms at 24 kHz
const RANGE_DB = 80; // below the loudest point nothing is shown
const STOPS = [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];

const NUM_COLOURS = 256;
const PALETTE = Array.from({ length: NUM_COLOURS }, (_, index) => {
  const place = (index / (NUM_COLOURS - 1)) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return [...STOPS[low].map((value, part) => value + (STOPS[low + 1][part] - value) * (place - low)), 255];
});

const spectrum = new RealSpectrum(WINDOW_SAMPLES);
const hann = Float64Array.from({ length: WINDOW_SAMPLES }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / WINDOW_SAMPLES));

/**
 * @param {HTMLCanvasElement} canvas its width is the number of columns
 * @param {Float32Array} pcm
 * @param {number} rateHz
 * @param {string} whose for the text that stands for the picture
 */
export function drawSpectrogram(canvas, pcm, rateHz, whose) {
  const columns = Array.from({ length: canvas.width }, (_, column) => {
    const middle = Math.round(((column + 0.5) / canvas.width) * pcm.length);
    const start = middle - WINDOW_SAMPLES / 2;
    return spectrum.magnitudes(hann.map((weight, n) => weight * (pcm[start + n] ?? 0)));
  });
  const loudest = columns.reduce((most, column) => Math.max(most, ...column), 1e-6);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  columns.forEach((column, x) => {
    for (let y = 0; y < canvas.height; y += 1) {
      const bin = Math.round((1 - (y + 0.5) / canvas.height) * (column.length - 1));
      const db = 20 * Math.log10(column[bin] / loudest + 1e-12);
      const level = Math.max(0, Math.min(1, 1 + db / RANGE_DB));
      image.data.set(PALETTE[Math.round(level * (NUM_COLOURS - 1))], 4 * (y * canvas.width + x));
    }
  });
  context.putImageData(image, 0, 0);
  const seconds = (pcm.length / rateHz).toFixed(1);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Spectrogram of ${whose}: ${seconds} seconds, 0 to ${rateHz / 2000} kHz`);
}
