// A searcher file in the browser. The file does the search: this module passes bytes or pixels to it and reads the results.
//
//   await loadRuntime(new URL("vendor/litert/", import.meta.url));
//   const searcher = await Searcher.open(await (await fetch("searcher.tflite")).arrayBuffer());
//   for (const { item, distance, metadata } of (await searcher.searchText("a red ball")).neighbors) { … }
//
// It works in a page and in a worker.

import { compose, parseQuery } from "./compose.js";
import { loadAndCompile, loadLiteRt, Tensor } from "./vendor/litert/index.js";

const FORMAT = "pocket-searcher";
const VERSION = 1;
const RESIZES = ["triangle", "pillow_bilinear", "pillow_bicubic"]; // that picture.js knows
const CROPS = ["none", "center", "center_half_to_even"];
const MANIFEST = "searcher.json";
const OFFSETS = "items.offsets";
const BYTES = "items.bytes";
const DAMAGED = "The file is damaged or truncated; copy it here again, or build it again.";

/** The file cannot be searched, or it does not support the query; the message is for users. */
export class SearcherError extends Error {}

/**
 * Loads LiteRT.js once.
 * @param {URL} folder The folder of its files.
 */
export async function loadRuntime(folder) {
  self.Module = {
    // By default, a worker looks for the wasm in the folder of its script.
    locateFile: (name) => new URL(name, folder).href,
    // LiteRT logs all messages to stderr.
    printErr: (line) => line.startsWith("ERROR") && console.error(line),
  };
  try {
    await loadLiteRt(folder.href);
  } catch (error) {
    throw new SearcherError(`LiteRT.js cannot start here (${describe(error)}). Use a current browser.`);
  }
}

/**
 * Finds the associated files, which TFLite Metadata stores after the model as an uncompressed ZIP archive.
 * @param {ArrayBuffer} content The whole file.
 * @returns {Map<string, {offset: number, size: number, header: number}>} In no particular order; empty if there are none.
 */
export function associatedFiles(content) {
  const view = new DataView(content);
  const files = new Map();
  let end = -1;
  for (let at = content.byteLength - 22; at >= Math.max(0, content.byteLength - 22 - 0xffff); at--) {
    if (view.getUint32(at, true) === 0x06054b50) {
      end = at;
      break;
    }
  }
  if (end < 0) return files;
  try {
    let at = view.getUint32(end + 16, true);
    for (let left = view.getUint16(end + 10, true); left > 0; left--) {
      if (view.getUint32(at, true) !== 0x02014b50) throw new RangeError("directory entry");
      const [method, size, header] = [view.getUint16(at + 10, true), view.getUint32(at + 24, true), view.getUint32(at + 42, true)];
      const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
      const key = new TextDecoder().decode(new Uint8Array(content, at + 46, name));
      if (method !== 0) throw new SearcherError(`The associated file ${key} is compressed, expected an uncompressed archive. Build the searcher again.`);
      const offset = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
      if (offset + size > content.byteLength) throw new RangeError(key);
      files.set(key, { offset, size, header });
      at += 46 + name + extra + comment;
    }
  } catch (error) {
    if (error instanceof SearcherError) throw error;
    throw new SearcherError(`The list of associated files cannot be read. ${DAMAGED}`);
  }
  return files;
}

/** An open searcher file. */
export class Searcher {
  #content;
  #files;
  #modelSize;
  #model;
  #offsets;
  #rows;
  #rowOf;

  /** The content of `searcher.json`. */
  manifest;

  /**
   * Opens a file; call `loadRuntime` first.
   * @param {ArrayBuffer} content The whole file.
   * @param {object} [rows] Location of the index's rows, for `searchItem`; `maker preview` writes it to `site.json`.
   */
  static async open(content, rows = null) {
    const searcher = new Searcher();
    searcher.#content = content;
    searcher.#rows = rows;
    searcher.#readParts();
    await searcher.#compile();
    return searcher;
  }

  #readParts() {
    const start = new Uint8Array(this.#content, 0, Math.min(8, this.#content.byteLength));
    if (new TextDecoder().decode(start.subarray(4)) !== "TFL3") {
      throw new SearcherError("The file is not a TFLite model: bytes 4 to 8 are not TFL3. Copy the searcher here again.");
    }
    this.#files = associatedFiles(this.#content);
    this.#modelSize = Math.min(this.#content.byteLength, ...[...this.#files.values()].map((file) => file.header));
    const missing = [MANIFEST, OFFSETS, BYTES].find((name) => !this.#files.has(name));
    if (missing) throw new SearcherError(`The file has no ${missing}: it is not a searcher, or it is truncated. Copy it here again.`);
    try {
      this.manifest = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(this.#bytes(MANIFEST)));
    } catch {
      throw new SearcherError(`${MANIFEST} cannot be read. ${DAMAGED}`);
    }
    const { format, format_version: version, items } = this.manifest;
    if (format !== FORMAT || !Number.isInteger(version)) throw new SearcherError(`${MANIFEST} does not contain "format": "${FORMAT}". ${DAMAGED}`);
    if (version > VERSION) {
      throw new SearcherError(`The file has format version ${version}; this page supports ${VERSION}. Write the page again with a newer maker preview.`);
    }
    const offsets = this.#files.get(OFFSETS);
    this.#offsets = new DataView(this.#content, offsets.offset, offsets.size);
    if (offsets.size !== 4 * (items + 1) || this.#offsets.getUint32(4 * items, true) !== this.#files.get(BYTES).size) {
      throw new SearcherError(`The item table does not match the ${items} items of the manifest. ${DAMAGED}`);
    }
  }

  async #compile() {
    try {
      // Without `accelerator`, LiteRT.js uses WebGPU if available, which lacks some of the operators.
      this.#model = await loadAndCompile(new Uint8Array(this.#content, 0, this.#modelSize), { accelerator: "wasm" });
    } catch (error) {
      throw new SearcherError(`LiteRT.js cannot compile the model (${describe(error)}). ${DAMAGED}`);
    }
  }

  /** Names of the signatures: `search_text`, `embed_image`, …. */
  get signatures() {
    return Object.keys(this.#model.signatures);
  }

  /** Whether `searchItem` works. */
  get knowsItems() {
    return this.#rows !== null && "search_embedding" in this.#model.signatures;
  }

  /**
   * Finds the items nearest to a sentence. A sentence that is too long for the file is cut between characters.
   * @param {string} query
   */
  async searchText(query) {
    return this.#search("search_text", this.#bytesOfText("search_text", query));
  }

  /**
   * The embedding of a sentence; zeros if it has no word.
   * @param {string} text
   * @returns {Promise<Float32Array>}
   */
  async embedText(text) {
    const query = this.#bytesOfText("embed_text", text);
    return (await this.#run("embed_text", query)).embedding;
  }

  /** A sentence as a signature takes it: UTF-8, cut between characters, padded. */
  #bytesOfText(signature, query) {
    const [, length] = this.#shape(signature);
    const data = new TextEncoder().encode(query.replace(/\p{Surrogate}/gu, "?"));
    let end = Math.min(length, data.length);
    while (end < data.length && (data[end] & 0xc0) === 0x80) end--;
    const padded = new Uint8Array(length);
    padded.set(data.subarray(0, end));
    return padded;
  }

  /**
   * Finds the items nearest to an image.
   * @param {Uint8Array} pixels RGB, as `picture.js` prepares them by `preparation`.
   */
  async searchImage(pixels) {
    return this.#search("search_image", pixels);
  }

  /** How `picture.js` prepares pictures for image queries: `query.image` of the manifest. */
  get preparation() {
    const [, height, width] = this.#shape("search_image");
    const { resize, crop, shortest_side } = this.manifest.query.image;
    const unknown = RESIZES.includes(resize) ? (CROPS.includes(crop) ? null : `cropped by “${crop}”`) : `resized by “${resize}”`;
    if (unknown) throw new SearcherError(`The file requires pictures ${unknown}, which this page does not support. Write the page again with a newer maker preview.`);
    return { height, width, resize, crop, shortest_side };
  }

  /**
   * Finds the items nearest to an embedding, which is not normalised.
   * @param {Float32Array} vector
   */
  async searchEmbedding(vector) {
    if (vector.length !== this.manifest.dimension) {
      throw new SearcherError(`The query has ${vector.length} dimensions, the index ${this.manifest.dimension}.`);
    }
    return this.#search("search_embedding", vector);
  }

  /**
   * Finds the items nearest to what a text asks for: with a minus before a word or before "words in quotes", without what they show.
   * @param {string} query
   */
  async searchWords(query) {
    const { wanted, excluded } = parseQuery(query);
    if (!excluded.length) return this.searchText(query);
    if (!wanted) throw new SearcherError("Say what to find, not only what to leave out.");
    const parts = [];
    for (const text of [wanted, ...excluded]) {
      const vector = await this.embedText(text);
      if (!vector.some((value) => value !== 0)) throw new SearcherError(`“${text}” has no word. Leave it out.`);
      parts.push(vector);
    }
    const vector = compose(parts.slice(0, 1), parts.slice(1));
    if (!vector) throw new SearcherError("Nothing is left of the query: it leaves out what it asks for.");
    return this.searchEmbedding(vector);
  }

  /**
   * Finds the items nearest to several items together, with their rows in the index as the query.
   * @param {number[]} items At least one.
   */
  async searchItems(items) {
    const vector = compose(items.map((item) => this.embeddingOf(item)), []);
    if (!vector) throw new SearcherError("Nothing is left of the query: its pictures cancel each other.");
    return this.searchEmbedding(vector);
  }

  /**
   * Finds the items nearest to an item, with the item's row in the index as the query.
   * @param {number} item
   */
  async searchItem(item) {
    return this.searchEmbedding(this.embeddingOf(item));
  }

  /**
   * Decodes the embedding of an item from the index: int8, 4-bit, float32 or product-quantised.
   * @param {number} item
   * @returns {Float32Array}
   */
  embeddingOf(item) {
    if (!this.#rows) throw new SearcherError("This page does not know where the rows are in the file. Write the page again with a newer maker preview.");
    const { kind, rows, entries } = this.#rows;
    const [row, width] = [this.#row(item), rows.shape.at(-1)];
    const vector = new Float32Array(this.manifest.dimension);
    if (kind === "int8") {
      const scale = this.#scale(row);
      new Int8Array(this.#content, rows.offset + row * width, width).forEach((value, i) => (vector[i] = value * scale));
      this.#addCentroid(vector, Math.floor(row / rows.shape[1]));
    } else if (kind === "int4") {
      const scale = this.#scale(row);
      new Uint8Array(this.#content, rows.offset + row * width, width).forEach((value, i) => {
        vector[i] = ((value & 15) - 7.5) * scale;
        if (i + width < vector.length) vector[i + width] = ((value >> 4) - 7.5) * scale;
      });
      this.#addCentroid(vector, Math.floor(row / rows.shape[1]));
    } else if (kind === "float32") {
      const view = new DataView(this.#content, rows.offset + 4 * row * width, 4 * width);
      for (let i = 0; i < width; i++) vector[i] = view.getFloat32(4 * i, true);
    } else {
      const [, count, dimensions] = entries.shape;
      const view = new DataView(this.#content, entries.offset);
      new Uint8Array(this.#content, rows.offset + row * width, width).forEach((code, block) => {
        for (let i = 0; i < dimensions && block * dimensions + i < vector.length; i++) {
          vector[block * dimensions + i] = view.getFloat32(4 * ((block * count + code) * dimensions + i), true);
        }
      });
    }
    return vector;
  }

  #scale(row) {
    const { steps, unit } = this.#rows;
    const width = steps.type === "uint8" ? 1 : 4;
    const view = new DataView(this.#content, steps.offset + width * row, width);
    return unit * (width === 1 ? view.getUint8(0) : view.getFloat32(0, true));
  }

  #addCentroid(vector, leaf) {
    const { bases, base_steps: steps } = this.#rows;
    if (!bases) return;
    const scale = new DataView(this.#content, steps.offset + 4 * leaf, 4).getFloat32(0, true);
    new Int8Array(this.#content, bases.offset + leaf * vector.length, vector.length).forEach((value, i) => (vector[i] += value * scale));
  }

  #row(item) {
    if (!(item >= 0 && item < this.manifest.items)) throw new SearcherError(`There is no item ${item}; the file has ${this.manifest.items} items.`);
    const { ids } = this.#rows;
    if (!ids) return item;
    if (!this.#rowOf) {
      this.#rowOf = new Int32Array(this.manifest.items);
      const view = new DataView(this.#content, ids.offset);
      const count = ids.shape.reduce((a, b) => a * b);
      for (let row = 0; row < count; row++) {
        const id = view.getInt32(4 * row, true);
        if (id >= 0) this.#rowOf[id] = row;
      }
    }
    return this.#rowOf[item];
  }

  /**
   * The metadata of an item as text.
   * @param {number} item
   */
  item(item) {
    const { items } = this.manifest;
    if (!(item >= 0 && item < items)) throw new SearcherError(`There is no item ${item}; the file has ${items} items.`);
    const [start, end, limit] = [item, item + 1, items].map((i) => this.#offsets.getUint32(4 * i, true));
    if (start > end || end > limit) throw new SearcherError(`The entry of item ${item} cannot be read. ${DAMAGED}`);
    return new TextDecoder().decode(new Uint8Array(this.#content, this.#files.get(BYTES).offset + start, end - start));
  }

  /**
   * Compares the SHA-256 of the file's parts with the manifest.
   * @returns {Promise<string[]>} Names of the parts that differ.
   */
  async damagedParts() {
    const damaged = [];
    for (const [name, expected] of Object.entries(this.manifest.sha256 ?? {})) {
      const part = name === "model" ? new Uint8Array(this.#content, 0, this.#modelSize) : this.#files.has(name) ? this.#bytes(name) : null;
      const digest = part && new Uint8Array(await crypto.subtle.digest("SHA-256", part));
      if (!digest || Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") !== expected) damaged.push(name);
    }
    return damaged;
  }

  #bytes(name) {
    const { offset, size } = this.#files.get(name);
    return new Uint8Array(this.#content, offset, size);
  }

  #shape(signature) {
    const runner = this.#model.signatures[signature];
    if (!runner) throw new SearcherError(`This file does not support ${signature}; it has ${this.signatures.join(", ")}.`);
    return Array.from(runner.getInputDetails()[0].shape);
  }

  /**
   * How likely results are right, all in [0, 1].
   * @param {string} signature
   * @param {number[]} distances Those of the results, ascending.
   * @param {number[]} [evidence] What the graph says of the query.
   * @returns {{found?: number, relevance: (number|undefined)[]}} `found` is how surely the items show what was asked for. What the file
   *   has no curve for is undefined.
   */
  #judge(signature, distances, evidence) {
    const curve = this.manifest.relevance?.[signature];
    if (!curve?.found || !evidence || distances.length === 0) {
      return { relevance: distances.map((distance) => curve && sigmoid(-curve.slope * distance - curve.intercept)) };
    }
    const { results, shows, right, slope } = curve.found;
    const lookedAt = distances.slice(0, results);
    const summary = [lookedAt[0], lookedAt.reduce((a, b) => a + b) / lookedAt.length, lookedAt.at(-1)];
    const [found, usual] = [shows, right].map((weights, i) => weights.reduce((sum, weight, j) => sum + weight * summary[j], evidence[i]));
    return { found: sigmoid(found), relevance: distances.map((distance) => sigmoid(usual - slope * distance)) };
  }

  /** Runs a search signature: `{neighbors: [{item, distance, relevance, metadata}], found, milliseconds}`, nearest first. */
  async #search(signature, query) {
    const start = performance.now();
    const { ids, distances, evidence } = await this.#run(signature, query);
    const milliseconds = performance.now() - start;
    const end = ids.findIndex((id) => id < 0);
    const items = Array.from(ids.subarray(0, end < 0 ? ids.length : end));
    const { found, relevance } = this.#judge(signature, Array.from(distances.subarray(0, items.length)), evidence);
    const neighbors = items.map((item, i) => ({ item, distance: distances[i], relevance: relevance[i], metadata: this.item(item) }));
    return { neighbors, found, milliseconds };
  }

  /** Runs a signature; its outputs by name. */
  async #run(signature, query) {
    const shape = this.#shape(signature);
    const expected = shape.reduce((a, b) => a * b);
    if (query.length !== expected) throw new SearcherError(`${signature} takes ${expected} values, but the query has ${query.length}.`);
    const input = new Tensor(query, shape);
    let outputs = {};
    try {
      outputs = await this.#model.run(signature, { query: input });
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.toTypedArray().slice()]));
    } finally {
      // Tensors are in the wasm's memory, which is not garbage-collected.
      for (const tensor of [input, ...Object.values(outputs)]) tensor.delete();
    }
  }
}

function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

function describe(error) {
  return String(error?.message ?? error).split("\n")[0].slice(0, 200);
}
