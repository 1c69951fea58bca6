// A searcher file in the browser. The file does the search: this module passes bytes or pixels to it and reads the results.
//
//   await loadRuntime(new URL("vendor/litert/", import.meta.url));
//   const searcher = await Searcher.open(await (await fetch("searcher.tflite")).arrayBuffer());
//   for (const { item, distance, metadata } of (await searcher.searchText("a red ball")).neighbors) { … }
//
// It works in a page and in a worker.

import { associatedFiles } from "./archive.js";
import { compose, parseQuery } from "./compose.js";
import { SearcherError } from "./errors.js";
import { Finder } from "./finder.js";
import { Items } from "./items.js";
import { loadRuntime, Model } from "./model.js";
import { Overlay } from "./overlay.js";
import { judge } from "./relevance.js";
import { SearcherFile } from "./searcher_file.js";

const RESIZES = ["triangle", "pillow_bilinear", "pillow_bicubic"]; // that picture.js knows
const CROPS = ["none", "center", "center_half_to_even"];
const LEXICAL = ["off", "auto", "only"];

export { associatedFiles, loadRuntime, SearcherError };

/** An open searcher file. */
export class Searcher {
  #file;
  #model;
  #finder;
  #overlay;
  #items;

  /** The content of `searcher.json`. */
  manifest;

  /**
   * Opens a file; call `loadRuntime` first.
   * @param {ArrayBuffer} content The whole file.
   * @param {object} [rows] Location of the index's rows, for `searchItems` and filters; `maker preview` writes it to `site.json`.
   */
  static async open(content, rows = null) {
    const searcher = new Searcher();
    searcher.#file = new SearcherFile(content);
    searcher.manifest = searcher.#file.manifest;
    searcher.#overlay = new Overlay(searcher.manifest);
    searcher.#items = new Items(searcher.#file, searcher.#overlay);
    const searchGraph = async (vector) => found(await searcher.#model.run("search_embedding", vector));
    searcher.#finder = new Finder(content, rows, searcher.manifest, searcher.#overlay, searchGraph);
    searcher.#model = await Model.compile(searcher.#file.model);
    return searcher;
  }

  /** Names of the signatures: `search_text`, `embed_image`, …. */
  get signatures() {
    return this.#model.signatures;
  }

  /** Whether `searchItems`, filters and `lexical` work. */
  get knowsItems() {
    return this.#finder.knowsRows && (this.isEmpty || this.signatures.includes("search_embedding"));
  }

  /** Whether the file has no items of its own, only encoders: it finds what is added. */
  get isEmpty() {
    return this.manifest.items === 0;
  }

  /** Whether `searchText` works. */
  get takesText() {
    return this.signatures.includes(this.#query("text"));
  }

  /** Whether `searchImage` works. */
  get takesImages() {
    return this.signatures.includes(this.#query("image"));
  }

  /** Whether `searchSound` works. */
  get takesSounds() {
    return this.signatures.includes(this.#query("audio"));
  }

  /** The signature that takes a query; files without items only embed. */
  #query(kind) {
    return this.isEmpty ? `embed_${kind}` : `search_${kind}`;
  }

  /** Whether the file has facts, for `where` and `facets`. */
  get hasFacts() {
    return this.#items.hasFacts;
  }

  /** Whether the file has a lexical index, for `lexical`. */
  get hasWords() {
    return this.#items.hasWords;
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
    await this.#items.prepare(options);
    const start = performance.now();
    const request = await this.#request(options);
    if (lexical !== "off") return this.#searchLexical(query, request, lexical, start);
    const bytes = this.#bytesOfText(this.#query("text"), query);
    if (this.#finder.inGraph(request)) return this.#search("search_text", bytes, request, start);
    const vector = await this.embedText(query);
    if (!isSomething(vector)) return { neighbors: [], milliseconds: performance.now() - start };
    const looksAt = this.manifest.relevance?.search_text?.found;
    const evidence = looksAt && (await this.#model.run("search_text", bytes)).evidence;
    const nearest = await this.#finder.find(vector, { ...request, k: Math.max(request.k, looksAt?.results ?? 0) });
    return this.#result("search_text", nearest, request.k, start, evidence);
  }

  /**
   * The embedding of a sentence; zeros if it has no word.
   * @param {string} text
   * @returns {Promise<Float32Array>}
   */
  async embedText(text) {
    const query = this.#bytesOfText("embed_text", text);
    return (await this.#model.run("embed_text", query)).embedding;
  }

  /** A sentence as a signature takes it: UTF-8, cut between characters, padded. */
  #bytesOfText(signature, query) {
    const [, length] = this.#model.shape(signature);
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
    await this.#items.prepare(options);
    const start = performance.now();
    const request = await this.#request(options);
    if (this.#finder.inGraph(request)) return this.#search("search_image", pixels, request, start);
    const embedding = await this.embedImage(pixels);
    return this.#result("search_image", await this.#finder.find(embedding, request), request.k, start);
  }

  /**
   * Finds the items nearest to a sound.
   * @param {Float32Array} samples As `sound.js` makes them for `soundFormat`.
   * @param {object} [options] `where`, `allowed` and `k` of `searchText`.
   */
  async searchSound(samples, options = {}) {
    await this.#items.prepare(options);
    const start = performance.now();
    const request = await this.#request(options);
    if (this.#finder.inGraph(request)) return this.#search("search_audio", samples, request, start);
    const { embedding } = await this.#model.run("embed_audio", samples);
    return this.#result("search_audio", await this.#finder.find(embedding, request), request.k, start);
  }

  /** Rate and number of samples of sound queries: `query.audio` of the manifest. */
  get soundFormat() {
    return this.manifest.query.audio;
  }

  /** How `picture.js` prepares pictures for image queries: `query.image` of the manifest. */
  get preparation() {
    const [, height, width] = this.#model.shape(this.#query("image"));
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
    await this.#items.prepare(options);
    const start = performance.now();
    if (vector.length !== this.manifest.dimension) {
      throw new SearcherError(`The query has ${vector.length} dimensions, the index ${this.manifest.dimension}.`);
    }
    const request = await this.#request(options);
    return this.#result("search_embedding", await this.#finder.find(vector, request), request.k, start);
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
    await this.#items.prepare(options);
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
    else if (part instanceof Uint8Array) vector = await this.embedImage(part);
    if (vector.length !== this.manifest.dimension) throw new SearcherError(`A part of the query has ${vector.length} dimensions, the index ${this.manifest.dimension}.`);
    if (!isSomething(vector)) throw new SearcherError(kind === "text" ? `“${part}” has no word. Leave it out.` : "A part of the query is a zero vector. Leave it out.");
    return { vector, kind };
  }

  /**
   * The columns of facts; none if the file has no facts.
   * @returns {Promise<{name: string, type: string, distinct?: number}[]>} `type` is `number`, `time`, `text` or `tags`; `distinct` is how
   *   many different texts or tags there are.
   */
  columns() {
    return this.#items.columns();
  }

  /**
   * The items that meet a filter, ascending.
   * @param {string | string[]} where One filter, or several that all apply.
   * @returns {Promise<Int32Array>}
   */
  matching(where) {
    return this.#items.matching(where);
  }

  /**
   * Counts how many items have each value of facts.
   * @param {object} [options] `where` and `allowed` of `searchText`: count only these items. And:
   * @param {string[]} [options.columns] Columns, and parts of times such as `year(taken)`; by default those of texts and tags, and the
   *   years of times.
   * @returns {Promise<Map<string, [string | number, number][]>>} By column, the values and their counts, the most frequent first.
   */
  facets(options = {}) {
    return this.#items.facets(options);
  }

  /**
   * The embedding of an item as the index holds it.
   * @param {number} item
   * @returns {Float32Array}
   */
  embeddingOf(item) {
    return this.#finder.embedding(item);
  }

  /**
   * The metadata of an item as text.
   * @param {number} item
   */
  item(item) {
    return this.#items.item(item);
  }

  /**
   * Adds an item, which every search finds from now on.
   * @param {Float32Array} vector Its embedding.
   * @param {string} metadata
   * @param {object} [about]
   * @param {object} [about.facts] Values by column: a number, a text, a Date, or a list of tags.
   * @param {string[]} [about.captions] Texts whose words find it, too, if the file has a lexical index.
   * @returns {Promise<number>} Its id, which is never used again.
   */
  add(vector, metadata, about = {}) {
    return this.#items.add(vector, metadata, about);
  }

  /** Hides an item of the file, or one that was added, for good. */
  remove(item) {
    this.#finder.remove(item);
  }

  /**
   * What was added and removed, as an overlay file, which `task` opens, too, together with this searcher.
   * @returns {Promise<Uint8Array>}
   */
  saveOverlay() {
    return this.#items.saveOverlay();
  }

  /**
   * Takes over what an overlay file has, in the place of what was added and removed before.
   * @param {Uint8Array} bytes
   */
  loadOverlay(bytes) {
    return this.#items.loadOverlay(bytes, () => this.#finder.requireRows());
  }

  /** Forgets what was added and removed. Ids are given from the first on again. */
  forgetChanges() {
    this.#overlay.clear();
  }

  /** Whether an item exists and was not removed. */
  has(item) {
    return this.#overlay.has(item);
  }

  /** The ids of the added items that were not removed, ascending. */
  get addedItems() {
    return this.#overlay.ids;
  }

  /** The ids of all items that were not removed, ascending. */
  present() {
    return this.#overlay.present();
  }

  /**
   * The embedding of a picture.
   * @param {Uint8Array} pixels RGB, as `picture.js` prepares them by `preparation`.
   * @returns {Promise<Float32Array>}
   */
  async embedImage(pixels) {
    return (await this.#model.run("embed_image", pixels)).embedding;
  }

  /** The model, which is all that embedding takes: a view. */
  get model() {
    return this.#file.model;
  }

  /** The number of ids: added items count, and removed ones still do. */
  get items() {
    return this.#overlay.nextId;
  }

  /** Compares the SHA-256 of the file's parts with the manifest; resolves to the names of the parts that differ. */
  damagedParts() {
    return this.#file.damagedParts();
  }

  /** What a search asks for beside its query: the items that may be found, null for all, and the most results. */
  async #request(options) {
    const { k = this.manifest.k } = options;
    if (!(Number.isInteger(k) && k > 0)) throw new SearcherError(`k has to be a whole number above 0; found ${k}.`);
    return { allowed: await this.#items.chosen(options), k };
  }

  /** Runs a search signature. */
  async #search(signature, query, { k }, start) {
    const outputs = await this.#model.run(signature, query);
    return this.#result(signature, found(outputs), k, start, outputs.evidence);
  }

  /** Finds items by the words in their texts, alone (`only`) or together with their embeddings (`auto`). */
  async #searchLexical(query, request, lexical, start) {
    const { CANDIDATES, fused, index, isName } = await this.#items.openLexical();
    const scored = new Map(index.scores(query, request.allowed).map((entry) => [entry.item, entry]));
    const vector = await this.embedText(query);
    const k = Math.max(request.k, CANDIDATES);
    const lists = [this.#finder.exactly(vector, Int32Array.from(scored.keys()).sort(), k)];
    if (lexical === "auto" && isSomething(vector)) lists.push(await this.#finder.find(vector, { ...request, k }));
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
    const { found, relevance } = judge(this.manifest.relevance?.[signature], distances, evidence);
    const neighbors = items.slice(0, k).map((item, i) => ({ item, distance: distances[i], relevance: relevance[i], metadata: this.item(item) }));
    return { neighbors, found, milliseconds };
  }
}

/** What a signature found: items and distances, nearest first; -1 among the ids ends it. */
function found({ ids, distances }) {
  const end = ids.findIndex((id) => id < 0);
  const items = Array.from(ids.subarray(0, end < 0 ? ids.length : end));
  return { items, distances: Array.from(distances.subarray(0, items.length)) };
}

const isSomething = (vector) => vector.some((value) => value !== 0);
