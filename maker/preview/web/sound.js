// Turns a sound file, or what the microphone hears, into the samples of a sound query. It runs in the page: workers cannot decode sounds.

const STEPS = 8; // of a query's length: how finely its loudest part is looked for

/**
 * Decodes a sound, or the sound of a video, and brings it to the rate and length of a query, as `TensorAudio.samples_for` does in Python. The
 * browser resamples with its own filter.
 * @param {Blob} blob
 * @param {{sample_rate: number, samples: number}} format `query.audio` of the manifest.
 * @returns {Promise<Float32Array>} One channel; a shorter sound is filled up with silence, of a longer one the loudest part is taken.
 */
export async function samplesOf(blob, { sample_rate: rate, samples: length }) {
  const context = new OfflineAudioContext(1, 1, rate);
  let sound;
  try {
    sound = await context.decodeAudioData(await blob.arrayBuffer()); // resamples, too
  } catch {
    throw new Error(`${blob.name ? `“${blob.name}”` : "This"} cannot be read as a sound.`);
  }
  const heard = meanOfChannels(sound);
  const start = loudest(heard, length);
  const query = new Float32Array(length);
  query.set(heard.subarray(start, start + length));
  return query;
}

/**
 * Records from the microphone, which the browser asks for first.
 * @param {number} seconds
 * @returns {Promise<Blob>}
 */
export async function record(seconds) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch {
    throw new Error("The microphone cannot be used. Allow it, or choose a file.");
  }
  try {
    const recorder = new MediaRecorder(stream);
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    await new Promise((done) => setTimeout(done, 1000 * seconds));
    recorder.stop();
    await stopped;
    return new Blob(parts, { type: recorder.mimeType });
  } finally {
    stream.getTracks().forEach((track) => track.stop());
  }
}

function meanOfChannels(sound) {
  const [first, ...others] = Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel));
  return others.length ? first.map((value, i) => others.reduce((sum, channel) => sum + channel[i], value) / sound.numberOfChannels) : first;
}

/** Where the part of that length with the most energy begins; the first of equal ones. */
function loudest(samples, length) {
  const last = samples.length - length;
  if (last <= 0) return 0;
  const energy = new Float64Array(samples.length + 1);
  samples.forEach((value, i) => (energy[i + 1] = energy[i] + value * value));
  let best = 0;
  for (let start = 0; ; start = Math.min(start + Math.max(1, Math.floor(length / STEPS)), last)) {
    if (energy[start + length] - energy[start] > energy[best + length] - energy[best]) best = start;
    if (start === last) return best;
  }
}
