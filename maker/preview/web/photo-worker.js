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
    const canvas = await oneAtATime(async () => picture.reduced(await picture.decode(file), preparation));
    const thumbnail = thumbnailOf(canvas).convertToBlob({ type: "image/jpeg", quality: QUALITY });
    const { embedding } = await model.run("embed_image", picture.pixelsOfCanvas(canvas, preparation));
    return { vector: embedding, thumbnail: await thumbnail };
  },
};

let reading = Promise.resolve();

/** Large photos take 50 MB and more while they are decoded; so the next one waits until this one is small. */
function oneAtATime(read) {
  const done = reading.then(read);
  reading = done.catch(() => {});
  return done;
}

function thumbnailOf(picture) {
  const sides = [picture.width, picture.height];
  const scale = Math.min(1, THUMBNAIL / Math.min(...sides), LONGEST / Math.max(...sides));
  const [width, height] = sides.map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "medium";
  context.drawImage(picture, 0, 0, width, height);
  return canvas;
}

onmessage = async ({ data: { id, call, values } }) => {
  try {
    postMessage({ id, result: await calls[call](...values) });
  } catch (error) {
    postMessage({ id, error: error?.message ?? String(error) });
  }
};
