// Runs the searcher beside the page, so that opening it and decoding pictures never holds up typing.
//
// A classic worker, because LiteRT.js starts its wasm with importScripts, which module workers refuse.

// LiteRT.js would wake the GPU of a laptop, which the search has no use for.
Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => null } });

let searcher;
let picture;

// All at once, and before the page asks: what is fetched one after the other is waited for one after the other.
const opening = open(fetchJson("site.json"), reach("searcher.tflite"), import("./searcher.js"), import("./vendor/litert/index.js"));
opening.catch(() => {});

/** Opens the searcher; says what the page has to know of it. */
async function open(siteComing, fileComing, moduleComing) {
  const { Searcher, SearcherError, loadRuntime } = await moduleComing;
  const runtime = loadRuntime(new URL("vendor/litert/", location.href));
  runtime.catch(() => {});
  fileComing.catch(() => {});
  const site = await siteComing;
  const content = await read(await fileComing, site.searcher.bytes);
  if (content.byteLength !== site.searcher.bytes) {
    throw new SearcherError(
      `The searcher has ${content.byteLength.toLocaleString("en")} bytes, but this page was written for one of ` +
        `${site.searcher.bytes.toLocaleString("en")}: ` +
        "it was cut short or changed. Copy it here again, or write the page again.",
    );
  }
  await runtime;
  searcher = await Searcher.open(content, site.rows);
  const { manifest, signatures, knowsItems } = searcher;
  return { site, signatures, knowsItems, manifest, loaded: performance.getEntriesByType("resource").map((entry) => entry.name) };
}

const calls = {
  open: () => opening,
  searchText: (query) => searcher.searchText(query),
  searchItem: (item) => searcher.searchItem(item),
  searchEmbedding: (vector) => searcher.searchEmbedding(Float32Array.from(vector)),
  searchPixels: (pixels) => searcher.searchImage(pixels),
  async searchPicture(blob) {
    return searcher.searchImage(await calls.pixels(blob));
  },
  async pixels(blob) {
    picture ??= await import("./picture.js");
    const { height, width } = searcher.imageSize;
    return picture.pixelsOf(blob, height, width);
  },
  items: (items) => items.map((item) => searcher.item(item)),
  damagedParts: () => searcher.damagedParts(),
};

onmessage = async ({ data: { id, call, value } }) => {
  try {
    postMessage({ id, result: await calls[call](value) });
  } catch (error) {
    postMessage({ id, error: error?.message ?? String(error) });
  }
};

async function fetchJson(name) {
  return (await reach(name)).json();
}

/** Reads a file and tells the page how far it is. */
async function read(response, size) {
  const content = new Uint8Array(size);
  let at = 0;
  for (let reader = response.body.getReader(), piece; !(piece = await reader.read()).done; ) {
    // A file of another size is told by its length; what is too much of it is not kept.
    content.set(piece.value.subarray(0, Math.max(0, size - at)), Math.min(at, size));
    at += piece.value.length;
    postMessage({ progress: Math.min(1, at / size) });
  }
  return at === size ? content.buffer : { byteLength: at };
}

async function reach(name) {
  let response;
  try {
    response = await fetch(name);
  } catch {
    throw new Error(`${name} cannot be fetched: there is no connection, and this page has not been kept for offline use yet.`);
  }
  if (!response.ok) throw new Error(`${name} cannot be fetched: the server says ${response.status}. Copy the whole site folder to it.`);
  return response;
}
