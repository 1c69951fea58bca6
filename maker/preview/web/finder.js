// Searches that the graph alone cannot do: with a filter, and with added or removed items: the same as `task/search/finder.py`.

import { SearcherError } from "./errors.js";
import { merged } from "./nearest.js";
import { StoredRows } from "./rows.js";

const NOT_FOUND = "It is not known where the rows are in the file. Write the page again with a newer maker preview; a page of your own passes the rows of site.json to Searcher.open.";

/** Combines the graph, exact scores of its rows and the overlay. */
export class Finder {
  #manifest;
  #rows;
  #overlay;
  #searchGraph;

  /**
   * @param {ArrayBuffer} content The whole file.
   * @param {object | null} places Where the rows are: `rows` of `site.json`.
   * @param {object} manifest
   * @param {import("./overlay.js").Overlay} overlay
   * @param {(vector: Float32Array) => Promise<{items: number[], distances: number[]}>} searchGraph
   */
  constructor(content, places, manifest, overlay, searchGraph) {
    this.#rows = places && new StoredRows(content, places, manifest);
    this.#manifest = manifest;
    this.#overlay = overlay;
    this.#searchGraph = searchGraph;
  }

  /** Whether it is known where the rows are. */
  get knowsRows() {
    return this.#rows !== null || this.#manifest.items === 0;
  }

  get #storedRows() {
    if (!this.#rows) throw new SearcherError(NOT_FOUND);
    return this.#rows;
  }

  /** Whether a signature alone can answer. */
  inGraph({ allowed, k }) {
    return allowed === null && this.#manifest.items > 0 && !this.#overlay.changed && (k <= this.#manifest.k || this.#manifest.items <= this.#manifest.k);
  }

  /**
   * The nearest items to an embedding.
   * @param {Float32Array} vector
   * @param {{allowed: Int32Array | null, k: number}} request
   * @returns {Promise<{items: number[], distances: number[]}>} With `allowed`, the exact nearest of these items; of all items, if more
   *   results are wanted than a signature returns. Else those of the graph without removed items, with the added items that are as near.
   */
  async find(vector, { allowed, k }) {
    const exactly = allowed ?? (k > this.#manifest.k ? this.#overlay.present() : null);
    if (exactly) return this.exactly(vector, exactly, k);
    const all = this.#manifest.items ? await this.#searchGraph(vector) : { items: [], distances: [] };
    const places = all.items.map((_, i) => i).filter((i) => this.#overlay.shows(all.items[i]));
    const near = { items: places.map((i) => all.items[i]), distances: places.map((i) => all.distances[i]) };
    const added = this.#overlay.nearest(vector, k);
    const found = merged(near, added, k);
    // All further items are at least as far as the last result of the graph. There are none if it returns fewer than k.
    const complete = all.items.length < this.#manifest.k || (found.items.length === k && found.distances.at(-1) <= all.distances.at(-1));
    if (complete || places.length === all.items.length) return found;
    const shown = this.#overlay.present().filter((item) => item < this.#manifest.items);
    return merged(this.#storedRows.nearest(vector, shown, k), added, k);
  }

  /** The nearest among some items, ascending, exactly; those that were removed are left out. */
  exactly(vector, items, k) {
    const base = items.filter((item) => item < this.#manifest.items && this.#overlay.shows(item));
    const added = items.filter((item) => item >= this.#manifest.items);
    const ofBase = base.length ? this.#storedRows.nearest(vector, base, k) : { items: [], distances: [] };
    return added.length ? merged(ofBase, this.#overlay.nearest(vector, k, added), k) : ofBase;
  }

  /** The embedding of an item. */
  embedding(item) {
    if (item >= this.#manifest.items) return this.#overlay.embedding(item);
    if (!this.#overlay.has(item)) throw new SearcherError(`There is no item ${item}; ids go from 0 to ${this.#overlay.nextId - 1}, removed ones left out.`);
    return this.#storedRows.embedding(item);
  }

  /** Hides an item. */
  remove(item) {
    if (item < this.#manifest.items) this.requireRows();
    this.#overlay.remove(item);
  }

  /** Fails if it is not known where the rows are: results in the place of removed items need them. */
  requireRows() {
    if (!this.knowsRows) throw new SearcherError(NOT_FOUND);
  }
}
