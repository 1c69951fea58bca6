// The rows of an index: the embeddings of items, and exact distances to some of them: the same as `task/format/stored_rows.py` and
// `task/search/exact.py`.

import { SearcherError } from "./errors.js";
import { smallest } from "./nearest.js";

const MIDDLE = 7.5; // of 4-bit codes
const MAX_CODE = 127;

/** Reads and scores the rows of an index in place. */
export class StoredRows {
  #content;
  #places;
  #dimension;
  #squared;
  #items;
  #codes;
  #width;
  #itemOf;
  #rowOf;
  #scaleOf;
  #directions; // of split rows: a row is a vector along these, and `#rest` the same along further ones
  #rest;

  /**
   * @param {ArrayBuffer} content The whole file.
   * @param {object} places Where the rows are: `rows` of `site.json`.
   * @param {{dimension: number, items: number, distance: string}} manifest
   */
  constructor(content, places, { dimension, items, distance }) {
    this.#content = content;
    this.#places = places;
    this.#directions = places.directions && { size: dimension, values: this.#values(places.directions) };
    this.#rest = places.rest && new StoredRows(content, places.rest, { dimension, items, distance });
    this.#dimension = places.directions?.shape[0] ?? dimension;
    this.#items = items;
    this.#squared = distance === "squared_l2";
    this.#width = places.rows.shape.at(-1);
  }

  /**
   * The embedding of an item.
   * @param {number} item
   * @returns {Float32Array}
   */
  embedding(item) {
    if (!(item >= 0 && item < this.#items)) throw new SearcherError(`There is no item ${item}; the file has ${this.#items} items.`);
    this.#findRows();
    return this.#decode(this.#rowOf ? this.#rowOf[item] : item);
  }

  /**
   * The nearest among some items, exactly.
   * @param {Float32Array} query
   * @param {Int32Array | null} items Different item numbers; null for all.
   * @param {number} count The most results.
   * @returns {{items: number[], distances: number[]}} The nearest first; ties by row.
   */
  nearest(query, items, count) {
    this.#findRows();
    const rows = this.#rowsOf(items);
    const distances = this.#distances(query, rows);
    const best = smallest(distances, count);
    return { items: best.map((i) => (this.#itemOf ? this.#itemOf[rows[i]] : rows[i])), distances: best.map((i) => distances[i]) };
  }

  /** Finds the values and scales of all rows, and which item is in which row. */
  #findRows() {
    if (this.#codes) return;
    const { ids, rows, steps, unit } = this.#places;
    this.#codes = this.#values(rows);
    this.#rest?.#findRows();
    const values = steps && this.#values(steps);
    this.#scaleOf = values && ((row) => Math.fround(values[row] * unit));
    if (!ids) return;
    this.#itemOf = this.#values(ids);
    this.#rowOf = new Int32Array(this.#items);
    for (let row = 0; row < this.#itemOf.length; row++) if (this.#itemOf[row] >= 0) this.#rowOf[this.#itemOf[row]] = row;
  }

  /** An array of the file; in place where its type allows any offset. */
  #values({ offset, shape, type }) {
    const count = shape.reduce((a, b) => a * b);
    if (type === "uint8") return new Uint8Array(this.#content, offset, count);
    if (type === "int8") return new Int8Array(this.#content, offset, count);
    const Values = { float32: Float32Array, int32: Int32Array }[type];
    return offset % 4 ? new Values(this.#content.slice(offset, offset + 4 * count)) : new Values(this.#content, offset, count);
  }

  /** The row numbers of items, ascending. */
  #rowsOf(items) {
    const all = items ?? Int32Array.from({ length: this.#items }, (_, i) => i);
    return this.#rowOf ? all.map((item) => this.#rowOf[item]).sort() : all;
  }

  #decode(row) {
    const part = this.#decodePart(row);
    if (!this.#directions) return part;
    const { size, values } = this.#directions;
    const vector = this.#rest ? this.#rest.#decode(row) : new Float32Array(size);
    for (let i = 0; i < part.length; i++) for (let j = 0; j < size; j++) vector[j] += part[i] * values[i * size + j];
    return vector;
  }

  /** A row as it is stored: an embedding, or a vector along the directions. */
  #decodePart(row) {
    const { kind, rows, entries } = this.#places;
    const codes = this.#codes.subarray(row * this.#width, (row + 1) * this.#width);
    if (kind === "float32") return Float32Array.from(codes);
    const vector = new Float32Array(this.#dimension);
    if (kind === "product") {
      const [, count, part] = entries.shape;
      const values = this.#values(entries);
      for (let i = 0; i < vector.length; i++) {
        const block = Math.floor(i / part);
        vector[i] = values[(block * count + codes[block]) * part + (i % part)];
      }
      return vector;
    }
    const scale = this.#scaleOf(row);
    const base = this.#base(Math.floor(row / rows.shape[1]));
    const value = kind === "int8" ? (i) => codes[i] : (i) => nibble(codes, i) - MIDDLE;
    return vector.map((_, i) => value(i) * scale + (base ? base[i] : 0));
  }

  /** The centroid of a leaf, which is added to its int8 and 4-bit rows; null without leaves. */
  #base(leaf) {
    const { bases, base_steps: steps } = this.#places;
    if (!bases) return null;
    const scale = this.#values(steps)[leaf];
    return Float32Array.from(this.#values(bases).subarray(leaf * this.#dimension, (leaf + 1) * this.#dimension), (value) => value * scale);
  }

  #distances(query, rows) {
    const dotOf = this.#scorer(query);
    const distances = new Float32Array(rows.length);
    const norm = query.reduce((sum, value) => sum + value * value, 0);
    for (let i = 0; i < rows.length; i++) {
      const dot = dotOf(rows[i]);
      distances[i] = this.#squared ? Math.max(norm - 2 * dot + this.#squaredNorm(rows[i]), 0) : -dot;
    }
    return distances;
  }

  #squaredNorm(row) {
    return this.#decode(row).reduce((sum, value) => sum + value * value, 0);
  }

  /** A function for the dot product of a row with the query. */
  #scorer(query) {
    if (!this.#directions) return this.#partScorer(query);
    const { size, values } = this.#directions;
    const along = Float32Array.from({ length: this.#dimension }, (_, i) => query.reduce((sum, value, j) => sum + value * values[i * size + j], 0));
    const [dotOf, dotOfRest] = [this.#partScorer(along), this.#rest ? this.#rest.#scorer(query) : () => 0];
    return (row) => dotOf(row) + dotOfRest(row);
  }

  #partScorer(query) {
    const [codes, width, dimension, scale] = [this.#codes, this.#width, this.#dimension, this.#scaleOf];
    if (this.#places.kind === "product") return this.#byTable(query);
    const ofBase = this.#baseScorer(query);
    if (this.#places.kind === "int4") {
      return (row) => {
        let dot = 0;
        const start = row * width;
        for (let i = 0; i < width; i++) dot += ((codes[start + i] & 15) - MIDDLE) * query[i];
        for (let i = width; i < dimension; i++) dot += ((codes[start + i - width] >> 4) - MIDDLE) * query[i];
        return dot * scale(row) + ofBase(row);
      };
    }
    return (row) => {
      let dot = 0;
      for (let i = 0, at = row * width; i < width; i++, at++) dot += codes[at] * query[i];
      return scale ? dot * scale(row) + ofBase(row) : dot;
    };
  }

  #byTable(query) {
    const [blocks, count, part] = this.#places.entries.shape;
    const entries = this.#values(this.#places.entries);
    const table = Float32Array.from({ length: blocks * count }, (_, place) => {
      const start = Math.floor(place / count) * part;
      let dot = 0;
      for (let i = 0; i < part && start + i < query.length; i++) dot += entries[place * part + i] * query[start + i];
      return dot;
    });
    return (row) => {
      let dot = 0;
      for (let block = 0; block < blocks; block++) dot += table[block * count + this.#codes[row * this.#width + block]];
      return dot;
    };
  }

  /** Scores the bases of rows, for 4-bit rows with the rounded query, as the graph does. */
  #baseScorer(query) {
    const { bases, base_steps: steps, rows, kind } = this.#places;
    if (!bases) return () => 0;
    const { codes, scale } = kind === "int4" ? rounded(query) : { codes: query, scale: 1 };
    const [values, scales, block] = [this.#values(bases), this.#values(steps), rows.shape[1]];
    const dots = Float32Array.from({ length: bases.shape[0] }, (_, leaf) => {
      let dot = 0;
      for (let i = 0; i < codes.length; i++) dot += values[leaf * codes.length + i] * codes[i];
      return dot * scale * scales[leaf];
    });
    return (row) => dots[Math.floor(row / block)];
  }
}

const nibble = (codes, i) => (i < codes.length ? codes[i] & 15 : codes[i - codes.length] >> 4);

/** Quantises a query as hybrid kernels of TensorFlow Lite do. */
function rounded(query) {
  const largest = query.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!largest) return { codes: query, scale: 1 };
  const step = Math.fround(MAX_CODE / largest);
  return { codes: query.map((value) => Math.trunc(Math.fround(value * step) + (value < 0 ? -0.5 : 0.5))), scale: Math.fround(largest / MAX_CODE) };
}
