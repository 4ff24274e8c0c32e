// Sound of a request: recorded samples or the bytes of a file to 16 kHz mono.

export const REQUEST_RATE_HZ = 16000;

/**
 * @param {Float32Array} pcm mono
 * @param {number} rateHz
 * @returns {Promise<Float32Array>} 16 kHz
 */
export async function resampled(pcm, rateHz) {
  if (rateHz === REQUEST_RATE_HZ || pcm.length === 0) return pcm;
  const numSamples = Math.round((pcm.length * REQUEST_RATE_HZ) / rateHz);
  const context = new OfflineAudioContext(1, Math.max(1, numSamples), REQUEST_RATE_HZ);
  const buffer = context.createBuffer(1, pcm.length, rateHz);
  buffer.copyToChannel(pcm, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

/**
 * @param {File} file
 * @returns {Promise<Float32Array>} 16 kHz, the mean of its channels
 */
export async function samplesOfFile(file) {
  const context = new OfflineAudioContext(1, 1, REQUEST_RATE_HZ); // decoding resamples to the context's rate
  let buffer;
  try {
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch (error) {
    throw new Error(`The browser cannot read ${file.name} as sound. Choose another file, or convert it to wav.`, { cause: error });
  }
  const mono = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
    buffer.getChannelData(channel).forEach((sample, index) => { mono[index] += sample / buffer.numberOfChannels; });
  }
  return mono;
}
