// Converts a picture file to the pixels of an image query, as `task` does in Python.

const LEAST_SURPLUS = 3; // times the size of a query that a picture has at least after it was halved

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
  return pixelsOfCanvas(reduced(await decode(blob), preparation), preparation);
}

/**
 * A picture on white, and closes the bitmap. One of many times the size of a query is halved, and again, by the means of 2 x 2 pixels: that
 * changes next to nothing, and a copy of a photo of 12 megapixels takes 49 MB.
 * @param {ImageBitmap} bitmap
 * @param {object} preparation As for `pixelsOf`.
 * @returns {OffscreenCanvas}
 */
export function reduced(bitmap, { height, width, crop, shortest_side: side }) {
  const target = crop === "none" ? [width, height] : [side, side];
  const surplus = Math.min(bitmap.width / target[0], bitmap.height / target[1]) / LEAST_SURPLUS;
  const halvings = Math.max(0, Math.floor(Math.log2(surplus)));
  const [w, h] = [bitmap.width, bitmap.height].map((length) => Math.round(length / 2 ** halvings));
  const canvas = new OffscreenCanvas(w, h);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.imageSmoothingQuality = "medium"; // halves
  context.fillStyle = "#fff";
  context.fillRect(0, 0, w, h);
  context.drawImage(bitmap, 0, 0, w, h);
  bitmap.close();
  return canvas;
}

/** The pixels of a query from what `reduced` returns. */
export function pixelsOfCanvas(canvas, preparation) {
  const { width, height, data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return prepare(data, height, width, preparation);
}

/**
 * Resizes and crops an image as the manifest says: `prepare` of `task/vision/resize.py` in JavaScript.
 * @param {Uint8ClampedArray} rgba `sourceHeight` rows of `sourceWidth` pixels of four bytes; the fourth byte is ignored.
 * @param {{height: number, width: number, resize: string, crop: string, shortest_side: ?number}} preparation
 * @returns {Uint8Array} RGB, `height` rows of `width` pixels.
 */
export function prepare(rgba, sourceHeight, sourceWidth, { height, width, resize: name, crop, shortest_side: side }) {
  let [wholeHeight, wholeWidth, top, left] = [height, width, 0, 0];
  if (crop !== "none") {
    const longest = Math.floor((side * Math.max(sourceHeight, sourceWidth)) / Math.min(sourceHeight, sourceWidth));
    [wholeHeight, wholeWidth] = sourceHeight <= sourceWidth ? [side, longest] : [longest, side];
    [top, left] = [wholeHeight - height, wholeWidth - width].map((surplus) => margin(surplus, crop === "center_half_to_even"));
  }
  if (name === "triangle") {
    const whole = resize(rgba, sourceHeight, sourceWidth, wholeHeight, wholeWidth);
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
    columns.forEach(({ first: start, shares }, x) => {
      for (let channel = 0; channel < 3; channel++) {
        let sum = HALF;
        for (let i = 0; i < shares.length; i++) sum += shares[i] * rgba[(y * sourceWidth + start + i) * 4 + channel];
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
 * @param {Uint8ClampedArray} rgba `sourceHeight` rows of `sourceWidth` pixels of four bytes; the fourth byte is ignored.
 * @returns {Uint8Array} RGB, `height` rows of `width` pixels, rounded half to even.
 */
export function resize(rgba, sourceHeight, sourceWidth, height, width) {
  const result = new Uint8Array(height * width * 3);
  const columns = weights(sourceWidth, width);
  const line = new Float32Array(sourceWidth * 3);
  weights(sourceHeight, height).forEach(({ first, shares }, y) => {
    line.fill(0);
    shares.forEach((share, i) => {
      let at = (first + i) * sourceWidth * 4;
      for (let x = 0; x < line.length; x += 3, at += 4) {
        line[x] += share * rgba[at];
        line[x + 1] += share * rgba[at + 1];
        line[x + 2] += share * rgba[at + 2];
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
