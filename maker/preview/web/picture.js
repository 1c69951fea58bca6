// Converts a picture file to the pixels of an image query, exactly as `task` does in Python.

const STRIP = 128; // rows that are read from a picture at a time

/**
 * Decodes a picture and applies its EXIF orientation.
 * @param {Blob} blob
 * @returns {Promise<ImageBitmap>} Close it.
 */
export async function decode(blob) {
  try {
    // Ignores colour profiles, as Pillow does.
    return await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${blob.name ? `“${blob.name}”` : "This"} cannot be read as a picture.`);
  }
}

/**
 * Decodes a picture, applies its EXIF orientation, puts white behind transparency, and brings it to the size of a query.
 * @param {Blob} blob
 * @param {object} preparation `query.image` of the manifest.
 * @returns {Promise<Uint8Array>} RGB, `height` rows of `width` pixels.
 */
export async function pixelsOf(blob, preparation) {
  const bitmap = await decode(blob);
  const pixels = pixelsOfBitmap(bitmap, preparation);
  bitmap.close();
  return pixels;
}

/** The same from a decoded picture. */
export function pixelsOfBitmap(bitmap, preparation) {
  return prepare(rowsOf(bitmap), bitmap.height, bitmap.width, preparation);
}

/** Reads the rows of a picture in strips, because a copy of a large one would take a lot of memory. Asks have to go roughly downwards. */
function rowsOf(bitmap) {
  const { width, height } = bitmap;
  const count = Math.min(height, Math.max(STRIP, Math.ceil(height / 16)));
  const context = new OffscreenCanvas(width, count).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  let strips = []; // the latest two, because neighbouring target rows share source rows
  return (y) => {
    let strip = strips.find(({ top }) => y >= top && y < top + count);
    if (!strip) {
      context.fillRect(0, 0, width, count);
      context.drawImage(bitmap, 0, -y);
      strip = { top: y, data: context.getImageData(0, 0, width, count).data };
      strips = [strip, ...strips].slice(0, 2);
    }
    return strip.data.subarray((y - strip.top) * width * 4, (y - strip.top + 1) * width * 4);
  };
}

/**
 * Resizes and crops an image as the manifest says: `prepare` of `task/vision/resize.py` in JavaScript.
 * @param {(y: number) => Uint8ClampedArray} rowAt A row of `sourceWidth` pixels of four bytes; the fourth byte is ignored.
 * @param {{height: number, width: number, resize: string, crop: string, shortest_side: ?number}} preparation
 * @returns {Uint8Array} RGB, `height` rows of `width` pixels.
 */
export function prepare(rowAt, sourceHeight, sourceWidth, { height, width, resize: name, crop, shortest_side: side }) {
  let [wholeHeight, wholeWidth, top, left] = [height, width, 0, 0];
  if (crop !== "none") {
    const longest = Math.floor((side * Math.max(sourceHeight, sourceWidth)) / Math.min(sourceHeight, sourceWidth));
    [wholeHeight, wholeWidth] = sourceHeight <= sourceWidth ? [side, longest] : [longest, side];
    [top, left] = [wholeHeight - height, wholeWidth - width].map((surplus) => margin(surplus, crop === "center_half_to_even"));
  }
  if (name === "triangle") {
    const whole = resize(rowAt, sourceHeight, sourceWidth, wholeHeight, wholeWidth);
    if (crop === "none") return whole;
    const cut = new Uint8Array(height * width * 3);
    for (let y = 0; y < height; y++) {
      const start = ((top + y) * wholeWidth + left) * 3;
      cut.set(whole.subarray(start, start + width * 3), y * width * 3);
    }
    return cut;
  }
  const columns = pillowWeights(sourceWidth, wholeWidth, left, width, name);
  const rows = pillowWeights(sourceHeight, wholeHeight, top, height, name);
  const first = rows[0].first;
  const last = Math.max(...rows.map((row) => row.first + row.shares.length));
  // Pillow rounds between the two axes, too.
  const narrow = new Uint8Array((last - first) * width * 3);
  for (let y = first; y < last; y++) {
    const source = rowAt(y);
    columns.forEach(({ first: start, shares }, x) => {
      for (let channel = 0; channel < 3; channel++) {
        let sum = HALF;
        for (let i = 0; i < shares.length; i++) sum += shares[i] * source[(start + i) * 4 + channel];
        narrow[((y - first) * width + x) * 3 + channel] = clipped(sum);
      }
    });
  }
  const result = new Uint8Array(height * width * 3);
  rows.forEach(({ first: start, shares }, y) => {
    for (let x = 0; x < width * 3; x++) {
      let sum = HALF;
      for (let i = 0; i < shares.length; i++) sum += shares[i] * narrow[(start - first + i) * width * 3 + x];
      result[y * width * 3 + x] = clipped(sum);
    }
  });
  return result;
}

function margin(surplus, toEven) {
  const half = Math.floor(surplus / 2);
  return toEven && surplus % 2 && half % 2 ? half + 1 : half;
}

// Pillow's weights are whole numbers of 2^-22; the sums stay below 2^53, so that numbers hold them exactly.
const ONE = 2 ** 22;
const HALF = ONE / 2;

function clipped(sum) {
  return Math.min(255, Math.max(0, Math.floor(sum / ONE)));
}

/** For `count` target pixels from `from` on: the first source pixel, and the weights of Pillow's filters. */
function pillowWeights(source, target, from, count, name) {
  if (source === target) return Array.from({ length: count }, (_, i) => ({ first: from + i, shares: [ONE] }));
  const cubic = name === "pillow_bicubic";
  const scale = source / target;
  const stretch = Math.max(scale, 1);
  const support = (cubic ? 2 : 1) * stretch;
  return Array.from({ length: count }, (_, i) => {
    const centre = (from + i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(source, Math.trunc(centre + support + 0.5));
    const raw = [];
    for (let at = first; at < last; at++) {
      const x = Math.abs((at - centre + 0.5) * (1 / stretch));
      raw.push(cubic ? keys(x) : Math.max(0, 1 - x));
    }
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, shares: raw.map((value) => Math.trunc((value / sum) * ONE + (value / sum < 0 ? -0.5 : 0.5))) };
  });
}

/** The cubic of Keys (1981) with a = -0.5. */
function keys(x) {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/**
 * Resizes an image with a triangle filter, which is wider when shrinking: `task/vision/resize.py` in JavaScript.
 * @param {(y: number) => Uint8ClampedArray} rowAt A row of `sourceWidth` pixels of four bytes; the fourth byte is ignored.
 * @returns {Uint8Array} RGB, `height` rows of `width` pixels, rounded half to even.
 */
export function resize(rowAt, sourceHeight, sourceWidth, height, width) {
  const result = new Uint8Array(height * width * 3);
  const columns = weights(sourceWidth, width);
  const line = new Float32Array(sourceWidth * 3);
  weights(sourceHeight, height).forEach(({ first, shares }, y) => {
    line.fill(0);
    shares.forEach((share, i) => {
      const source = rowAt(first + i);
      for (let x = 0, at = 0; x < line.length; x += 3, at += 4) {
        line[x] += share * source[at];
        line[x + 1] += share * source[at + 1];
        line[x + 2] += share * source[at + 2];
      }
    });
    columns.forEach(({ first, shares }, x) => {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let i = 0; i < shares.length; i++) sum += shares[i] * line[(first + i) * 3 + channel];
        result[(y * width + x) * 3 + channel] = halfToEven(sum);
      }
    });
  });
  return result;
}

/** For each target pixel: its first source pixel, and the weights of the source pixels, which sum to 1. */
function weights(source, target) {
  if (source === target) return Array.from({ length: target }, (_, first) => ({ first, shares: Float32Array.of(1) }));
  const scale = source / target;
  const support = Math.max(scale, 1);
  return Array.from({ length: target }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - support));
    const all = [];
    for (let at = first; at < Math.min(source, Math.ceil(centre + support)); at++) {
      all.push(Math.max(0, 1 - Math.abs(at + 0.5 - centre) / support));
    }
    const sum = all.reduce((a, b) => a + b);
    return { first, shares: Float32Array.from(all, (share) => share / sum) };
  });
}

function halfToEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return Math.min(255, Math.max(0, rest === 0.5 ? below + (below & 1) : Math.round(value)));
}
