// Items that were added to or removed from an open searcher: the same as `task/search/overlay.py`.

import { AddedFacts } from "./added_facts.js";
import { Cells, grownTo, MOST_SCANNED } from "./cells.js";
import { columnOf, valuesOf } from "./columns.js";
import { SearcherError } from "./errors.js";
import { indexOf, termsOf as termsIn } from "./lexical_file.js";
import { dotAt, smallest } from "./nearest.js";

const FIRST_CAPACITY = 64;
const MOST_IDS = 2 ** 31; // ids are int32
const MOST_ADDED = 2 ** 22;
const MAX_CODE = 127;
const SLICE = 8; // milliseconds that cells are made of at a time, so that queries do not wait
const { fround } = Math;

/** Added rows, and items that are hidden. */
export class Overlay {
  #dimension;
  #squared;
  #count = 0; // rows, those of removed items too
  #ids = new Int32Array(0);
  #alive = new Uint8Array(0);
  #values; // int8 codes or float32
  #scales = new Float32Array(0); // of int8 rows
  #norms = new Float32Array(0); // squared
  #cells = null; // of many rows, when they are ready
  #building = null; // the cells that are being made
  #metadata = []; // bytes of each row
  #facts = []; // values by column, of each row
  #types = new Map(); // by column of facts
  #terms = []; // numbers of words, of each row; null where they are not indexed
  #hidden = null; // of the items of the base, 1 or 0 each

  /** The id of the next added item. */
  nextId;

  /** Number of added items that were not removed. */
  added = 0;

  /** Number of removed items of the base. */
  removed = 0;

  /** The number of changes. */
  version = 0;

  /**
   * Starts without added or removed items.
   * @param {{items: number, dimension: number, distance: string}} manifest Of the base.
   * @param {string} [kind] How rows are kept, `int8` or `float32`.
   */
  constructor({ items, dimension, distance, index = {} }, kind = index.rows === "float32" || index.rescored_by === "float32" ? "float32" : "int8") {
    this.baseItems = items;
    this.nextId = items;
    this.kind = kind;
    this.#dimension = dimension;
    this.#squared = distance === "squared_l2";
    this.#values = kind === "int8" ? new Int8Array(0) : new Float32Array(0);
  }

  /** Whether an item was ever added or removed. */
  get changed() {
    return this.nextId > this.baseItems || this.removed > 0;
  }

  /**
   * Adds an item.
   * @param {Float32Array} vector
   * @param {Uint8Array} metadata
   * @param {{values: Map<string, *>, types: Map<string, string>}} [facts] As `checked` returns them.
   * @param {Uint32Array | null} [terms] The numbers of its words, ascending, where words are indexed.
   * @returns {number} Its id.
   */
  add(vector, metadata, facts = { values: new Map(), types: new Map() }, terms = null) {
    if (this.nextId >= Math.min(MOST_IDS, this.baseItems + MOST_ADDED)) {
      throw new SearcherError("There are no ids left. Fold the overlay in with maker index --update.");
    }
    const row = this.#makeRoom();
    this.#setRow(row, vector);
    this.#append(row, this.nextId, metadata, facts.values, terms);
    this.#types = new Map([...this.#types, ...facts.types]);
    this.nextId += 1;
    this.version += 1;
    return this.nextId - 1;
  }

  #append(row, id, metadata, facts, terms) {
    this.#ids[row] = id;
    this.#alive[row] = 1;
    this.#norms[row] = this.#normOf(row);
    this.#metadata[row] = metadata;
    this.#facts[row] = facts;
    this.#terms[row] = terms;
    this.#count = row + 1;
    this.added += 1;
    this.#cells?.add();
    const size = this.#count > MOST_SCANNED ? grownTo(this.#count) : 0;
    if (size > (this.#building ?? this.#cells ?? { size: 0 }).size) this.#buildCells(size);
  }

  /** Makes cells while other things go on; until they are ready, the earlier ones or all rows are scanned. */
  #buildCells(size) {
    const cells = (this.#building = new Cells(size, this.#dimension, this.#squared, (row) => this.#decode(row)));
    const building = cells.build(() => this.#count);
    const slice = () => {
      if (this.#building !== cells) return; // larger ones are being made
      for (const end = performance.now() + SLICE; performance.now() < end; ) {
        if (!building.next().done) continue;
        [this.#cells, this.#building] = [cells, null];
        return;
      }
      setTimeout(slice);
    };
    setTimeout(slice);
  }

  #makeRoom() {
    if (this.#count === this.#ids.length) this.#grow(Math.max(FIRST_CAPACITY, 2 * this.#count));
    return this.#count;
  }

  #grow(capacity) {
    const grown = (array, length) => {
      const larger = new array.constructor(length);
      larger.set(array.subarray(0, length));
      return larger;
    };
    this.#ids = grown(this.#ids, capacity);
    this.#alive = grown(this.#alive, capacity);
    this.#norms = grown(this.#norms, capacity);
    this.#scales = grown(this.#scales, capacity);
    this.#values = grown(this.#values, capacity * this.#dimension);
  }

  /** Keeps a row; int8 rows are rounded as they are added, so that a search finds the same before and after they are in a file. */
  #setRow(row, vector) {
    const start = row * this.#dimension;
    if (this.kind === "float32") {
      this.#values.set(vector, start);
      return;
    }
    let largest = 0;
    for (const value of vector) largest = Math.max(largest, Math.abs(value));
    const scale = fround(largest / MAX_CODE) || 1;
    this.#scales[row] = scale;
    for (let i = 0; i < vector.length; i++) this.#values[start + i] = Math.min(MAX_CODE, Math.max(-MAX_CODE, halfToEven(fround(vector[i] / scale))));
  }

  #normOf(row) {
    return this.#decode(row).reduce((sum, value) => sum + value * value, 0);
  }

  #decode(row) {
    const values = Float32Array.from(this.#values.subarray(row * this.#dimension, (row + 1) * this.#dimension));
    return this.kind === "int8" ? values.map((code) => code * this.#scales[row]) : values;
  }

  /** Hides an item for good. */
  remove(item) {
    if (!this.has(item)) throw new SearcherError(`There is no item ${item} to remove; ids go from 0 to ${this.nextId - 1}, removed ones left out.`);
    if (item < this.baseItems) {
      this.#hidden ??= new Uint8Array(this.baseItems);
      this.#hidden[item] = 1;
      this.removed += 1;
    } else {
      const row = this.#rowOf(item);
      this.#alive[row] = 0;
      this.#facts[row] = this.#terms[row] = null;
      this.added -= 1;
    }
    this.version += 1;
  }

  /** Forgets what was added and removed. */
  clear() {
    this.nextId = this.baseItems;
    this.#count = this.added = this.removed = 0;
    [this.#metadata, this.#facts, this.#terms] = [[], [], []];
    this.#types = new Map();
    this.#hidden = this.#cells = this.#building = null;
    this.version += 1;
  }

  /** Whether an item, of the base or added, exists and was not removed. */
  has(item) {
    if (!(Number.isInteger(item) && item >= 0 && item < this.nextId)) return false;
    if (item < this.baseItems) return !this.#hidden?.[item];
    const row = this.#rowOf(item);
    return row >= 0 && this.#alive[row] === 1;
  }

  /** Whether an item of the base was not removed. */
  shows(item) {
    return !this.#hidden?.[item];
  }

  /** Which items of the base were removed, 1 or 0 each; null if none was. */
  get hidden() {
    return this.#hidden;
  }

  /** The metadata of an added item, bytes; also of one that was removed since it was found. */
  metadata(item) {
    const metadata = this.#metadata[this.#rowOf(item)];
    if (!metadata) throw this.#unknown(item);
    return metadata;
  }

  /** The embedding of an added item. */
  embedding(item) {
    return this.#decode(this.#existing(item));
  }

  #existing(item) {
    const row = this.#rowOf(item);
    if (row < 0 || !this.#alive[row]) throw this.#unknown(item);
    return row;
  }

  #unknown(item) {
    return new SearcherError(`There is no item ${item}; ids go from 0 to ${this.nextId - 1}, removed ones left out.`);
  }

  /** The row of an added item; -1 if it has none. */
  #rowOf(item) {
    let [low, high] = [0, this.#count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ids[middle] < item) low = middle + 1;
      else high = middle;
    }
    return low < this.#count && this.#ids[low] === item ? low : -1;
  }

  /** The ids of all added items that were not removed, ascending. */
  get ids() {
    return this.#ids.slice(0, this.#count).filter((_, row) => this.#alive[row]);
  }

  /** All items that were not removed, ascending. */
  present() {
    const base = [];
    for (let item = 0; item < this.baseItems; item++) if (this.shows(item)) base.push(item);
    return Int32Array.from([...base, ...this.ids]);
  }

  /** The facts of the added items. */
  get facts() {
    return new AddedFacts(this.#byId(this.#facts), this.#types);
  }

  /** The words of the added items, and which of these were removed, as `LexicalSearch` takes them. */
  get words() {
    const alive = this.#byId(this.#ids);
    return { index: indexOf(this.#byId(this.#terms)), hidden: Uint8Array.from(alive, (id) => Number(id === undefined)) };
  }

  /** What rows have, from the first added id to the last; undefined for removed items. */
  #byId(values) {
    const found = Array(this.nextId - this.baseItems).fill(undefined);
    for (let row = 0; row < this.#count; row++) if (this.#alive[row]) found[this.#ids[row] - this.baseItems] = values[row];
    return found;
  }

  /**
   * The content for a file.
   * @param {string} base The fingerprint of the base.
   * @returns {import("./overlay_file.js").OverlayContent}
   */
  content(base) {
    const rows = this.#rowsToScan(null);
    const width = this.#dimension;
    const values = new this.#values.constructor(rows.length * width);
    rows.forEach((row, i) => values.set(this.#values.subarray(row * width, (row + 1) * width), i * width));
    const removed = [];
    for (let item = 0; item < this.baseItems; item++) if (!this.shows(item)) removed.push(item);
    return {
      base, items: this.baseItems, dimension: width, nextId: this.nextId, kind: this.kind, values,
      scales: this.kind === "int8" ? Float32Array.from(rows, (row) => this.#scales[row]) : null,
      ids: Int32Array.from(rows, (row) => this.#ids[row]),
      metadata: rows.map((row) => this.#metadata[row]),
      removed: Int32Array.from(removed),
      facts: new Map([...this.#types].map(([name, type]) => [name, columnOf(type, rows.map((row) => this.#facts[row].get(name)))])),
      words: rows.some((row) => this.#terms[row]) ? indexOf(rows.map((row) => this.#terms[row])) : null,
    };
  }

  /**
   * Takes the content of a file over, in the place of what was added and removed before.
   * @param {import("./overlay_file.js").OverlayContent} content
   * @param {?(metadata: Uint8Array, facts: Map<string, *>) => Uint32Array} termsOf The words of an item, for files that do not have them;
   *   null if the base does not index words.
   */
  load(content, termsOf) {
    this.clear();
    this.#types = new Map([...content.facts].map(([name, column]) => [name, column.type]));
    const columns = [...content.facts].map(([name, column]) => [name, valuesOf(column)]);
    const words = content.words && termsOf && termsIn(content.words);
    const width = this.#dimension;
    content.ids.forEach((id, i) => {
      const row = this.#makeRoom();
      const values = content.values.subarray(i * width, (i + 1) * width);
      if (content.kind === this.kind) {
        this.#values.set(values, row * width);
        if (content.scales) this.#scales[row] = content.scales[i];
      } else this.#setRow(row, content.scales ? Float32Array.from(values, (code) => code * content.scales[i]) : values);
      const facts = new Map(columns.filter(([, known]) => known[i] !== undefined).map(([name, known]) => [name, known[i]]));
      this.#append(row, id, content.metadata[i], facts, words ? words[i] : (termsOf?.(content.metadata[i], facts) ?? null));
    });
    this.nextId = content.nextId;
    this.#hidden = content.removed.length ? new Uint8Array(this.baseItems) : null;
    content.removed.forEach((item) => (this.#hidden[item] = 1));
    this.removed = content.removed.length;
    this.version += 1;
  }

  /**
   * The nearest among the added items.
   * @param {Float32Array} query
   * @param {number} count The most results.
   * @param {Int32Array | null} [items] The items to search, ascending; null for all, of which far ones are left out if they are many.
   * @returns {{items: number[], distances: number[]}} The nearest first; ties by id.
   */
  nearest(query, count, items = null) {
    const rows = items === null && this.#cells ? this.#cells.candidates(query, this.#alive) : this.#rowsToScan(items);
    const distances = new Float32Array(rows.length);
    const norm = this.#squared ? query.reduce((sum, value) => sum + value * value, 0) : 0;
    for (let i = 0; i < rows.length; i++) {
      const dot = this.#dot(rows[i], query);
      distances[i] = this.#squared ? Math.max(norm - 2 * dot + this.#norms[rows[i]], 0) : -dot;
    }
    const best = smallest(distances, count);
    return { items: best.map((i) => this.#ids[rows[i]]), distances: best.map((i) => distances[i]) };
  }

  #rowsToScan(items) {
    const rows = items ? Array.from(items, (item) => this.#rowOf(item)) : Array.from({ length: this.#count }, (_, row) => row);
    return rows.filter((row) => row >= 0 && this.#alive[row]);
  }

  #dot(row, query) {
    const dot = dotAt(this.#values, row * this.#dimension, query);
    return this.kind === "int8" ? dot * this.#scales[row] : dot;
  }
}

function halfToEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 ? below + 1 : below;
}
