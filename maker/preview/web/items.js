// The items of an open searcher, those of the file and added ones: their metadata, facts and words, and which of them a filter leaves.

import { checked } from "./added_facts.js";
import { DAMAGED, SearcherError } from "./errors.js";
import { termsOf } from "./words.js";

const NORM_TOLERANCE = 1e-3;
const [FACTS, WORDS] = ["facts.json", "lexical.json"];

/** What is known about the items. */
export class Items {
  #file;
  #manifest;
  #overlay;
  #facts;
  #lexical;
  #filter = {}; // the latest as JSON, and the items that meet it
  #joined = {}; // what was made of the facts and words of the file and of added items, for a version of the overlay

  /**
   * @param {import("./searcher_file.js").SearcherFile} file
   * @param {import("./overlay.js").Overlay} overlay
   */
  constructor(file, overlay) {
    this.#file = file;
    this.#manifest = file.manifest;
    this.#overlay = overlay;
  }

  /** Whether the file has facts. */
  get hasFacts() {
    return this.#file.has(FACTS);
  }

  /** Whether the file has a lexical index. */
  get hasWords() {
    return this.#file.has(WORDS);
  }

  /**
   * The metadata of an item as text.
   * @param {number} item
   */
  item(item) {
    return item < this.#manifest.items ? this.#file.item(item) : new TextDecoder().decode(this.#overlay.metadata(item));
  }

  /**
   * The columns of facts; none if the file has no facts.
   * @returns {Promise<{name: string, type: string, distinct?: number}[]>} `type` is `number`, `time`, `text` or `tags`; `distinct` is how
   *   many different texts or tags there are.
   */
  async columns() {
    return (await this.openFacts()).described;
  }

  /**
   * The items that meet a filter, ascending.
   * @param {string | string[]} where One filter, or several that all apply.
   * @returns {Promise<Int32Array>}
   */
  async matching(where) {
    const key = JSON.stringify([where, this.#overlay.version]);
    if (key !== this.#filter.key) {
      const [facts, { parseWhere }] = await Promise.all([this.openFacts(), import("./where_parser.js")]);
      const items = facts.matching(parseWhere(where));
      this.#filter = { key, items: this.#overlay.changed ? items.filter((item) => this.#overlay.has(item)) : items };
    }
    return this.#filter.items;
  }

  /**
   * Counts how many items have each value of facts.
   * @param {object} [options] `where` and `allowed` of `searchText`: count only these items. And:
   * @param {string[]} [options.columns] Columns, and parts of times such as `year(taken)`; by default those of texts and tags but
   *   `name`, and the years of times.
   * @returns {Promise<Map<string, [string | number, number][]>>} By column, the values and their counts, the most frequent first.
   */
  async facets(options = {}) {
    const [facts, chosen] = await Promise.all([this.openFacts(), this.chosen(options)]);
    const items = chosen ?? (this.#overlay.changed ? this.#overlay.present() : null);
    return new Map((options.columns ?? facts.usual).map((name) => [name, facts.counts(name, items)]));
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
  async add(vector, metadata, { facts = {}, captions = [] } = {}) {
    const { dimension, normalized } = this.#manifest;
    if (vector.length !== dimension) throw new SearcherError(`The item has ${vector.length} dimensions, the index ${dimension}.`);
    if (!vector.every(Number.isFinite)) throw new SearcherError("The item's embedding has a value that is not finite.");
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    if (normalized && Math.abs(norm - 1) > NORM_TOLERANCE) throw new SearcherError(`The item's embedding has norm ${norm.toPrecision(4)}, those of the file have 1. Divide it by its norm.`);
    const known = Object.keys(facts).length ? checked(facts, (await this.openFacts()).types) : undefined;
    return this.#overlay.add(vector, new TextEncoder().encode(metadata), known, this.hasWords ? termsOf(metadata, known?.values.values() ?? [], captions) : null);
  }

  /**
   * What was added and removed, as an overlay file, which `task` opens, too, together with this searcher.
   * @returns {Promise<Uint8Array>}
   */
  async saveOverlay() {
    const { encode } = await import("./overlay_file.js");
    return encode(this.#overlay.content(this.#fingerprint()));
  }

  /**
   * Takes over what an overlay file has, in the place of what was added and removed before.
   * @param {Uint8Array} bytes
   * @param {() => void} requireRows Fails if results in the place of removed items cannot be found.
   */
  async loadOverlay(bytes, requireRows) {
    const { decode } = await import("./overlay_file.js");
    const content = decode(bytes);
    const { items, dimension } = this.#manifest;
    if (content.base !== this.#fingerprint() || content.items !== items || content.dimension !== dimension) {
      throw new SearcherError(
        `The overlay belongs to another searcher (sha256.model ${content.base.slice(0, 12)}…, ${content.items} items), not to this one ` +
          `(${this.#fingerprint().slice(0, 12)}…, ${items} items).`,
      );
    }
    if (content.removed.length) requireRows();
    const textOf = (metadata) => new TextDecoder().decode(metadata);
    this.#overlay.load(content, this.hasWords ? (metadata, facts) => termsOf(textOf(metadata), facts.values()) : null);
  }

  /** By what an overlay knows its base. */
  #fingerprint() {
    const found = this.#manifest.sha256?.model;
    if (!found) throw new SearcherError("The file has no sha256.model in its manifest, by which an overlay knows its base. Build it again.");
    return found;
  }

  /** Loads what filters and words need, once; it does not count to the time of a query. */
  async prepare({ where, lexical = "off" }) {
    if (where !== undefined) await Promise.all([this.openFacts(), import("./where_parser.js")]);
    if (lexical !== "off") await this.openLexical();
  }

  /** The facts of all items. */
  async openFacts() {
    this.#facts ??= import("./facts.js").then((module) => ({ ...module, stored: new module.StoredFacts(this.#file.bytes(module.LIST), this.#file.bytes(module.DATA), this.#manifest.items) }));
    const { Facts, stored } = await this.#facts;
    return this.#renewed("facts", () => new Facts([stored, ...this.#ofAdded("facts")]));
  }

  /** The functions of `lexical.js`, and the `index` of the words of all items. */
  async openLexical() {
    if (!this.hasWords) throw new SearcherError("The file has no lexical index; build it with --lexical, or leave lexical off.");
    this.#lexical ??= Promise.all([import("./lexical.js"), import("./lexical_file.js")]).then(([module, { LIST, DATA, decode }]) => {
      const bytes = this.#file.bytes(DATA);
      if (!bytes) throw new SearcherError(`The file has no ${DATA}. ${DAMAGED}`);
      return { ...module, stored: decode(this.#file.bytes(LIST), bytes, this.#manifest.items) };
    });
    const { stored, ...module } = await this.#lexical;
    const index = this.#renewed("words", () => new module.LexicalSearch([{ index: stored, hidden: this.#overlay.hidden }, ...this.#ofAdded("words")]));
    return { ...module, index };
  }

  /** The facts or words of added items, if there ever were any. */
  #ofAdded(what) {
    return this.#overlay.nextId > this.#manifest.items ? [this.#overlay[what]] : [];
  }

  /** What was made for this version of the overlay, or else what is made now. */
  #renewed(name, make) {
    const { version } = this.#overlay;
    if (this.#joined[name]?.version !== version) this.#joined[name] = { version, made: make() };
    return this.#joined[name].made;
  }

  /** The items that both filters leave, ascending; null if neither is given. */
  async chosen({ where, allowed }) {
    const matching = where === undefined ? null : await this.matching(where);
    if (allowed === undefined) return matching;
    const items = [...new Set(allowed)];
    const unknown = items.find((item) => !(Number.isInteger(item) && item >= 0 && item < this.#overlay.nextId));
    if (unknown !== undefined) throw new SearcherError(`There is no item ${unknown}; there are ${this.#overlay.nextId}.`);
    const both = matching && new Set(matching);
    return Int32Array.from(both ? items.filter((item) => both.has(item)) : items).sort();
  }
}
