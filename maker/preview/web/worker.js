// Runs the searcher outside the page's thread, so that opening it and decoding pictures never delays typing.
//
// A classic worker, because LiteRT.js loads its wasm with importScripts, which module workers do not support.

// Hides the GPU: LiteRT.js would start it, and the search does not use it.
Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => null } });

let searcher;
let picture;

// All files are requested at once, before the page asks for them: sequential requests would add up their waiting times.
const opening = open(fetchJson("site.json"), fetchFile("searcher.tflite"), import("./searcher.js"), import("./vendor/litert/index.js"));
opening.catch(() => {});

/** Opens the searcher; returns what the page needs to know about it. */
async function open(sitePromise, filePromise, modulePromise) {
  const { Searcher, SearcherError, loadRuntime } = await modulePromise;
  const runtime = loadRuntime(new URL("vendor/litert/", location.href));
  runtime.catch(() => {});
  filePromise.catch(() => {});
  const site = await sitePromise;
  const content = await read(await filePromise, site.searcher.bytes);
  if (content.byteLength !== site.searcher.bytes) {
    throw new SearcherError(
      `The searcher has ${content.byteLength.toLocaleString("en")} bytes, but this page was written for one of ` +
        `${site.searcher.bytes.toLocaleString("en")}: ` +
        "it was truncated or changed. Copy it here again, or write the page again with maker preview.",
    );
  }
  await runtime;
  searcher = await Searcher.open(content, site.rows);
  const { manifest, signatures, knowsItems, takesText, takesImages, takesSounds, soundFormat, hasFacts, hasWords } = searcher;
  return { site, signatures, knowsItems, takesText, takesImages, takesSounds, soundFormat, hasFacts, hasWords, manifest, loaded: performance.getEntriesByType("resource").map((entry) => entry.name) };
}

const calls = {
  open: () => opening,
  searchWords: (query, options) => searcher.searchWords(query, options),
  /** Finds what a picture, items and words ask for together. */
  async searchTogether({ words, like, picture: blob }, options) {
    const { parseQuery } = await import("./compose.js");
    const { wanted, excluded } = parseQuery(words);
    const pictures = blob ? [await calls.pixels(blob)] : [];
    if (pictures.length && !words && !like.length) return searcher.searchImage(pictures[0], options);
    return searcher.searchParts({ wanted: [...pictures, ...like, ...(wanted ? [wanted] : [])], excluded }, options);
  },
  searchItems: (items, options) => searcher.searchItems(items, options),
  searchText: (query, options) => searcher.searchText(query, options),
  searchEmbedding: (vector, options) => searcher.searchEmbedding(Float32Array.from(vector), options),
  searchSound: (samples, options) => searcher.searchSound(samples, options),
  searchPixels: (pixels, options) => searcher.searchImage(pixels, options),
  async pixels(blob) {
    picture ??= await import("./picture.js");
    return picture.pixelsOf(blob, searcher.preparation);
  },
  items: (items) => items.map((item) => searcher.item(item)),
  matching: (where) => searcher.matching(where),
  columns: () => searcher.columns(),
  facets: (options) => searcher.facets(options),
  async columnsOfFew(columns, most) {
    const counts = await searcher.facets({ columns });
    return columns.filter((column) => counts.get(column).length <= most);
  },
  /** What another worker takes to embed pictures. */
  embedder: () => ({ model: searcher.model.slice(), preparation: searcher.preparation }),
  /** What was added and removed, as an overlay file, and the id that the next item gets. */
  saveOverlay: async () => ({ bytes: await searcher.saveOverlay(), nextId: searcher.items }),
  loadOverlay: (bytes) => searcher.loadOverlay(bytes),
  forgetChanges: () => searcher.forgetChanges(),
  addItem: (vector, metadata) => searcher.add(vector, metadata),
  removeItem: (item) => searcher.remove(item),
  addedItems: () => Array.from(searcher.addedItems),
  embedText: (text) => searcher.embedText(text),
  embeddingOf: (item) => searcher.embeddingOf(item),
  present: () => searcher.present(),
  damagedParts: () => searcher.damagedParts(),
};

onmessage = async ({ data: { id, call, values } }) => {
  try {
    const result = await calls[call](...values);
    postMessage({ id, result }, result?.model ? [result.model.buffer] : []);
  } catch (error) {
    postMessage({ id, error: error?.message ?? String(error) });
  }
};

async function fetchJson(name) {
  return (await fetchFile(name)).json();
}

/** Reads a file and reports progress to the page. */
async function read(response, size) {
  const content = new Uint8Array(size);
  let at = 0;
  for (let reader = response.body.getReader(), piece; !(piece = await reader.read()).done; ) {
    // A file of another size is detected by its length; bytes beyond the expected size are not kept.
    content.set(piece.value.subarray(0, Math.max(0, size - at)), Math.min(at, size));
    at += piece.value.length;
    postMessage({ progress: Math.min(1, at / size) });
  }
  return at === size ? content.buffer : { byteLength: at };
}

async function fetchFile(name) {
  let response;
  try {
    response = await fetch(name);
  } catch {
    throw new Error(`${name} cannot be fetched: there is no connection, and this page is not available offline yet.`);
  }
  if (!response.ok) throw new Error(`${name} cannot be fetched: the server responds with ${response.status}. Copy the whole site folder to the server.`);
  return response;
}
