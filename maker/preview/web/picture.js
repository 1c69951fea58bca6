// Converts a picture file to the pixels of an image query, exactly as `task` does in Python.

const LARGEST = 16e6; // pixels; the limit of a canvas on phones

/**
 * Decodes a picture, applies its EXIF orientation, puts white behind transparency, and resizes it without keeping its proportions.
 * @param {Blob} blob
 * @param {number} height
 * @param {number} width
 * @returns {Promise<Uint8Array>} RGB, `height` rows of `width` pixels.
 */
export async function pixelsOf(blob, height, width) {
  let bitmap;
  try {
    // Ignores colour profiles, as Pillow does.
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${blob.name ? `“${blob.name}”` : "This"} cannot be read as a picture.`);
  }
  const shrink = Math.min(1, Math.sqrt(LARGEST / (bitmap.width * bitmap.height)));
  const [w, h] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * shrink)));
  const context = new OffscreenCanvas(w, h).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, w, h);
  context.drawImage(bitmap, 0, 0, w, h);
  bitmap.close();
  return resize(context.getImageData(0, 0, w, h).data, h, w, height, width);
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
