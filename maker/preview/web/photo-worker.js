// Decodes and embeds photos beside the worker that searches, so that a query never waits for a photo.
//
// A classic worker, because LiteRT.js loads its wasm with importScripts, which module workers do not support.

// Hides the GPU: LiteRT.js would start it, and this does not use it.
Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => null } });

const THUMBNAIL = 320; // pixels of the shorter side, as those of maker preview
const LONGEST = 3 * THUMBNAIL; // the grid crops panoramas
const QUALITY = 0.74;

let model;
let preparation;
let picture;

const calls = {
  /**
   * Compiles the model of the searcher.
   * @param {Uint8Array} bytes
   * @param {object} prepared How pictures are prepared.
   */
  async start(bytes, prepared) {
    preparation = prepared;
    picture = await import("./picture.js");
    const { loadRuntime, Model } = await import("./model.js");
    await loadRuntime(new URL("vendor/litert/", location.href));
    model = await Model.compile(bytes);
  },
  /** The embedding and the thumbnail of a photo. */
  async embed(file) {
    const bitmap = await picture.decode(file);
    try {
      const [thumbnail, { embedding }] = await Promise.all([thumbnailOf(bitmap), model.run("embed_image", picture.pixelsOfBitmap(bitmap, preparation))]);
      return { vector: embedding, thumbnail };
    } finally {
      bitmap.close();
    }
  },
};

async function thumbnailOf(bitmap) {
  const sides = [bitmap.width, bitmap.height];
  const scale = Math.min(1, THUMBNAIL / Math.min(...sides), LONGEST / Math.max(...sides));
  const [width, height] = sides.map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "medium";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}

onmessage = async ({ data: { id, call, values } }) => {
  try {
    postMessage({ id, result: await calls[call](...values) });
  } catch (error) {
    postMessage({ id, error: error?.message ?? String(error) });
  }
};
