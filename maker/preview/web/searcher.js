// A searcher file in the browser. The file does the search: this module passes bytes or pixels to it and reads the results.
//
//   await loadRuntime(new URL("vendor/litert/", import.meta.url));
//   const searcher = await Searcher.open(await (await fetch("searcher.tflite")).arrayBuffer());
//   for (const { item, distance, metadata } of (await searcher.searchText("a red ball")).neighbors) { … }
//
// It works in a page and in a worker.

import { associatedFiles } from "./archive.js";
import { jsonOf } from "./arrays.js";
import { compose, parseQuery } from "./compose.js";
import { DAMAGED, SearcherError } from "./errors.js";
import { StoredRows } from "./rows.js";
import { loadAndCompile, loadLiteRt, Tensor } from "./vendor/litert/index.js";

const FORMAT = "pocket-searcher";
const VERSION = 1;
const RESIZES = ["triangle", "pillow_bilinear", "pillow_bicubic"]; // that picture.js knows
const CROPS = ["none", "center", "center_half_to_even"];
const MANIFEST = "searcher.json";
const OFFSETS = "items.offsets";
const BYTES = "items.bytes";
const LEXICAL = ["off", "auto", "only"];

export { associatedFiles, SearcherError };

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

/** An open searcher file. */
export class Searcher {
  #content;
  #files;
  #modelSize;
  #model;
  #offsets;
  #rows;
  #facts;
  #lexical;
  #filter = {}; // the latest as JSON, and the items that meet it

  /** The content of `searcher.json`. */
  manifest;

  /**
   * Opens a file; call `loadRuntime` first.
   * @param {ArrayBuffer} content The whole file.
   * @param {object} [rows] Location of the index's rows, for `searchItems` and filters; `maker preview` writes it to `site.json`.
   */
  static async open(content, rows = null) {
    const searcher = new Searcher();
    searcher.#content = content;
    searcher.#readParts();
    searcher.#rows = rows && new StoredRows(content, rows, searcher.manifest);
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
    this.manifest = jsonOf(this.#bytes(MANIFEST), MANIFEST);
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

  /** Whether `searchItems`, filters and `lexical` work. */
  get knowsItems() {
    return this.#rows !== null && "search_embedding" in this.#model.signatures;
  }

  /** Whether the file has facts, for `where` and `facets`. */
  get hasFacts() {
    return this.#files.has("facts.json");
  }

  /** Whether the file has a lexical index, for `lexical`. */
  get hasWords() {
    return this.#files.has("lexical.json");
  }

  /**
   * Finds the items nearest to a sentence. A sentence that is too long for the file is cut between characters.
   * @param {string} query
   * @param {object} [options] Those of all searches, below, and:
   * @param {string} [options.lexical] `auto` also finds items by the words in their texts, `only` by those alone; `off` by default.
   * @param {string | string[]} [options.where] A filter on the facts of the items, such as `year >= 2024 and 'beach' in tags`, or several.
   * @param {number[]} [options.allowed] The items that may be found; with `where`, both apply.
   * @param {number} [options.k] The most results; by default those of the file.
   */
  async searchText(query, options = {}) {
    const { lexical = "off" } = options;
    if (!LEXICAL.includes(lexical)) throw new SearcherError(`lexical has to be ${LEXICAL.join(", ")}; found “${lexical}”.`);
    await this.#prepare(options);
    const start = performance.now();
    const request = await this.#request(options);
    if (lexical !== "off") return this.#searchLexical(query, request, lexical, start);
    const bytes = this.#bytesOfText("search_text", query);
    if (this.#inGraph(request)) return this.#search("search_text", bytes, request, start);
    const vector = await this.embedText(query);
    if (!isSomething(vector)) return { neighbors: [], milliseconds: performance.now() - start };
    const looksAt = this.manifest.relevance?.search_text?.found;
    const evidence = looksAt && (await this.#run("search_text", bytes)).evidence;
    const nearest = this.#storedRows.nearest(vector, request.allowed, Math.max(request.k, looksAt?.results ?? 0));
    return this.#result("search_text", nearest, request.k, start, evidence);
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
   * @param {object} [options] `where`, `allowed` and `k` of `searchText`.
   */
  async searchImage(pixels, options = {}) {
    await this.#prepare(options);
    const start = performance.now();
    const request = await this.#request(options);
    if (this.#inGraph(request)) return this.#search("search_image", pixels, request, start);
    const { embedding } = await this.#run("embed_image", pixels);
    return this.#result("search_image", this.#storedRows.nearest(embedding, request.allowed, request.k), request.k, start);
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
   * @param {object} [options] `where`, `allowed` and `k` of `searchText`.
   */
  async searchEmbedding(vector, options = {}) {
    await this.#prepare(options);
    const start = performance.now();
    if (vector.length !== this.manifest.dimension) {
      throw new SearcherError(`The query has ${vector.length} dimensions, the index ${this.manifest.dimension}.`);
    }
    const request = await this.#request(options);
    return this.#result("search_embedding", await this.#nearest(vector, request), request.k, start);
  }

  /**
   * Finds the items nearest to what a text asks for: with a minus before a word or before "words in quotes", without what they show.
   * @param {string} query
   * @param {object} [options] Those of `searchText`; `lexical` only without a minus.
   */
  async searchWords(query, options = {}) {
    const { wanted, excluded } = parseQuery(query);
    if (!excluded.length) return this.searchText(query, options);
    if ((options.lexical ?? "off") !== "off") throw new SearcherError("lexical takes one sentence, without a minus; leave it off.");
    if (!wanted) throw new SearcherError("Say what to find, not only what to leave out.");
    return this.searchParts({ wanted: [wanted], excluded }, options);
  }

  /**
   * Finds the items nearest to several items together, with their rows in the index as the query.
   * @param {number | number[]} items One, or several.
   * @param {object} [options] `where`, `allowed` and `k` of `searchText`.
   */
  async searchItems(items, options = {}) {
    return this.searchParts({ wanted: [items].flat() }, options);
  }

  /**
   * Finds the items nearest to several parts together. A part is a sentence, the number of an item, pixels (a `Uint8Array` as for
   * `searchImage`) or an embedding (a `Float32Array`); embeddings count as pictures.
   * @param {object} query
   * @param {(string | number | Uint8Array | Float32Array)[]} query.wanted At least one.
   * @param {number[]} [query.weights] Those of the wanted parts, above 0; 1 each by default.
   * @param {(string | number | Uint8Array | Float32Array)[]} [query.excluded] Parts that the results should not show.
   * @param {object} [options] `where`, `allowed` and `k` of `searchText`.
   */
  async searchParts({ wanted, weights, excluded = [] }, options = {}) {
    await this.#prepare(options);
    const start = performance.now();
    if (!wanted.length) throw new SearcherError("Say what to find, not only what to leave out.");
    if (weights && !(weights.length === wanted.length && weights.every((weight) => weight > 0 && weight < Infinity))) {
      throw new SearcherError(`${wanted.length} parts need as many weights above 0; found ${weights.join(", ")}.`);
    }
    const parts = [];
    for (const part of [...wanted, ...excluded]) parts.push(await this.#embedded(part));
    const weighted = parts.slice(0, wanted.length).map((part, i) => ({ ...part, weight: weights?.[i] }));
    const vector = compose(weighted, parts.slice(wanted.length), this.manifest.means);
    if (!vector) throw new SearcherError("Nothing is left of the query: its parts cancel each other. Leave one of them out.");
    return { ...(await this.searchEmbedding(vector, options)), milliseconds: performance.now() - start };
  }

  /** The embedding of a part of a query, and whether it counts as a sentence or as a picture. */
  async #embedded(part) {
    const kind = typeof part === "string" ? "text" : "image";
    let vector = part;
    if (kind === "text") vector = await this.embedText(part);
    else if (typeof part === "number") vector = this.embeddingOf(part);
    else if (part instanceof Uint8Array) vector = (await this.#run("embed_image", part)).embedding;
    if (vector.length !== this.manifest.dimension) throw new SearcherError(`A part of the query has ${vector.length} dimensions, the index ${this.manifest.dimension}.`);
    if (!isSomething(vector)) throw new SearcherError(kind === "text" ? `“${part}” has no word. Leave it out.` : "A part of the query is a zero vector. Leave it out.");
    return { vector, kind };
  }

  /**
   * The columns of facts; none if the file has no facts.
   * @returns {Promise<{name: string, type: string, distinct?: number}[]>} `type` is `number`, `time`, `text` or `tags`; `distinct` is how
   *   many different texts or tags there are.
   */
  async columns() {
    return (await this.#openFacts()).described;
  }

  /**
   * The items that meet a filter, ascending.
   * @param {string | string[]} where One filter, or several that all apply.
   * @returns {Promise<Int32Array>}
   */
  async matching(where) {
    const key = JSON.stringify(where);
    if (key !== this.#filter.key) {
      const [facts, { parseWhere }] = await Promise.all([this.#openFacts(), import("./where_parser.js")]);
      this.#filter = { key, items: facts.matching(parseWhere(where)) };
    }
    return this.#filter.items;
  }

  /**
   * Counts how many items have each value of facts.
   * @param {object} [options] `where` and `allowed` of `searchText`: count only these items. And:
   * @param {string[]} [options.columns] Columns, and parts of times such as `year(taken)`; by default those of texts and tags, and the
   *   years of times.
   * @returns {Promise<Map<string, [string | number, number][]>>} By column, the values and their counts, the most frequent first.
   */
  async facets(options = {}) {
    const [facts, items] = await Promise.all([this.#openFacts(), this.#chosen(options)]);
    return new Map((options.columns ?? facts.usual).map((name) => [name, facts.counts(name, items)]));
  }

  /**
   * The embedding of an item as the index holds it.
   * @param {number} item
   * @returns {Float32Array}
   */
  embeddingOf(item) {
    return this.#storedRows.embedding(item);
  }

  get #storedRows() {
    if (!this.#rows) throw new SearcherError("It is not known where the rows are in the file. Write the page again with a newer maker preview; a page of your own passes the rows of site.json to Searcher.open.");
    return this.#rows;
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

  /** Loads what filters and words need, once; it does not count to the time of a query. */
  async #prepare({ where, lexical = "off" }) {
    if (where !== undefined) await Promise.all([this.#openFacts(), import("./where_parser.js")]);
    if (lexical !== "off") await this.#openLexical();
  }

  async #openFacts() {
    this.#facts ??= import("./facts.js").then(({ Facts, LIST, DATA }) => new Facts(this.#optional(LIST), this.#optional(DATA), this.manifest.items));
    return this.#facts;
  }

  async #openLexical() {
    if (!this.hasWords) throw new SearcherError("The file has no lexical index; build it with --lexical, or leave lexical off.");
    this.#lexical ??= import("./lexical.js").then((module) => {
      const bytes = this.#optional(module.DATA);
      if (!bytes) throw new SearcherError(`The file has no ${module.DATA}. ${DAMAGED}`);
      return { ...module, index: new module.LexicalIndex(this.#bytes(module.LIST), bytes, this.manifest.items) };
    });
    return this.#lexical;
  }

  #optional(name) {
    return this.#files.has(name) ? this.#bytes(name) : null;
  }

  /** The items that both filters leave, ascending; null if neither is given. */
  async #chosen({ where, allowed }) {
    const matching = where === undefined ? null : await this.matching(where);
    if (allowed === undefined) return matching;
    const items = [...new Set(allowed)];
    const unknown = items.find((item) => !(Number.isInteger(item) && item >= 0 && item < this.manifest.items));
    if (unknown !== undefined) throw new SearcherError(`There is no item ${unknown}; the file has ${this.manifest.items} items.`);
    const both = matching && new Set(matching);
    return Int32Array.from(both ? items.filter((item) => both.has(item)) : items).sort();
  }

  /** What a search asks for beside its query: the items that may be found, null for all, and the most results. */
  async #request(options) {
    const { k = this.manifest.k } = options;
    if (!(Number.isInteger(k) && k > 0)) throw new SearcherError(`k has to be a whole number above 0; found ${k}.`);
    return { allowed: await this.#chosen(options), k };
  }

  /** Whether a signature alone can answer. */
  #inGraph({ allowed, k }) {
    return allowed === null && (k <= this.manifest.k || this.manifest.items <= this.manifest.k);
  }

  /** The nearest items to an embedding: those of the graph, or exactly those among the allowed. */
  async #nearest(vector, request) {
    if (this.#inGraph(request)) return found(await this.#run("search_embedding", vector));
    return this.#storedRows.nearest(vector, request.allowed, request.k);
  }

  /** Runs a search signature. */
  async #search(signature, query, { k }, start) {
    const outputs = await this.#run(signature, query);
    return this.#result(signature, found(outputs), k, start, outputs.evidence);
  }

  /** Finds items by the words in their texts, alone (`only`) or together with their embeddings (`auto`). */
  async #searchLexical(query, request, lexical, start) {
    const { CANDIDATES, fused, index, isName } = await this.#openLexical();
    const scored = new Map(index.scores(query, request.allowed).map((entry) => [entry.item, entry]));
    const vector = await this.embedText(query);
    const k = Math.max(request.k, CANDIDATES);
    const lists = [this.#storedRows.nearest(vector, Int32Array.from(scored.keys()).sort(), k)];
    if (lexical === "auto" && isSomething(vector)) lists.push(await this.#nearest(vector, { ...request, k }));
    const near = new Map(lists.flatMap(({ items, distances }) => items.map((item, i) => [item, distances[i]])));
    const items = [...near.keys()].sort((a, b) => a - b);
    const scores = items.map((item) => scored.get(item)?.score ?? 0);
    const totals = lexical === "only" ? scores : fused(items.map((item) => near.get(item)), scores);
    const whole = (item) => scored.get(item)?.whole ?? false;
    const ranked = items.map((item, i) => ({ item, total: totals[i], named: whole(item) && isName(this.item(item), query) }));
    ranked.sort((a, b) => b.named - a.named || b.total - a.total || a.item - b.item);
    const first = ranked.slice(0, request.k).map(({ item }) => item);
    const result = this.#result("search_text", { items: first, distances: first.map((item) => near.get(item)) }, request.k, start);
    for (const neighbor of result.neighbors) neighbor.allWords = whole(neighbor.item);
    return result;
  }

  /** What a search returns: `{neighbors: [{item, distance, relevance, metadata}], found, milliseconds}`. */
  #result(signature, { items, distances }, k, start, evidence) {
    const milliseconds = performance.now() - start;
    const { found, relevance } = this.#judge(signature, distances, evidence);
    const neighbors = items.slice(0, k).map((item, i) => ({ item, distance: distances[i], relevance: relevance[i], metadata: this.item(item) }));
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

/** What a signature found: items and distances, nearest first; -1 among the ids ends it. */
function found({ ids, distances }) {
  const end = ids.findIndex((id) => id < 0);
  const items = Array.from(ids.subarray(0, end < 0 ? ids.length : end));
  return { items, distances: Array.from(distances.subarray(0, items.length)) };
}

const isSomething = (vector) => vector.some((value) => value !== 0);

function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

function describe(error) {
  return String(error?.message ?? error).split("\n")[0].slice(0, 200);
}
