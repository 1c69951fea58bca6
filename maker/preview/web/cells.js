// Cells of added rows, so that a query looks at some of many rows only: the same as Python's, which docs/format.md describes.

import { dotAt } from "./nearest.js";

export const MOST_SCANNED = 4096; // rows that are all scanned
const MOST_CELLS = 512;
const ROWS_PER_CELL = 16;
const SAMPLED = 16; // rows per cell that move its centre
const BETWEEN = 64; // rows that are assigned before something else may run

/** The number of rows that cells are made of, of so many: it grows by doubling. */
export const grownTo = (count) => MOST_SCANNED * 2 ** Math.floor(Math.log2(count / MOST_SCANNED));

/** Centres, and the rows that are nearest to each. */
export class Cells {
  #decode;
  #dimension;
  #squared;
  #centres;
  #halves; // of the squared norms of the centres
  #members;

  /** The number of rows that the centres were made of. */
  size;

  /** The number of rows that are in cells. */
  assigned = 0;

  /**
   * @param {number} size As `grownTo` says.
   * @param {number} dimension
   * @param {boolean} squared Whether the distance is squared.
   * @param {(row: number) => Float32Array} decode The values of a row.
   */
  constructor(size, dimension, squared, decode) {
    this.size = size;
    this.#dimension = dimension;
    this.#squared = squared;
    this.#decode = decode;
    const count = Math.min(MOST_CELLS, size / ROWS_PER_CELL);
    this.#centres = new Float32Array(count * dimension);
    this.#halves = new Float64Array(count);
    this.#members = Array.from({ length: count }, () => []);
  }

  /**
   * Makes the centres and assigns rows; yields between, because that takes a while.
   * @param {() => number} count The number of rows there are now.
   */
  *build(count) {
    const cells = this.#members.length;
    for (let cell = 0; cell < cells; cell++) this.#setCentre(cell, this.#decode(Math.floor((cell * this.size) / cells)));
    const sums = new Float64Array(this.#centres.length);
    const held = new Uint32Array(cells);
    const sampled = Math.min(this.size, SAMPLED * cells);
    for (let i = 0; i < sampled; i++) {
      const row = this.#decode(Math.floor((i * this.size) / sampled));
      const cell = this.#nearestCell(row);
      held[cell] += 1;
      for (let j = 0, at = cell * this.#dimension; j < row.length; j++, at++) sums[at] += row[j];
      if (i % BETWEEN === 0) yield;
    }
    for (let cell = 0; cell < cells; cell++) {
      if (held[cell]) this.#setCentre(cell, sums.subarray(cell * this.#dimension, (cell + 1) * this.#dimension).map((sum) => sum / held[cell]));
    }
    while (this.assigned < count()) {
      this.add();
      if (this.assigned % BETWEEN === 0) yield;
    }
  }

  #setCentre(cell, values) {
    this.#centres.set(values, cell * this.#dimension);
    this.#halves[cell] = values.reduce((sum, value) => sum + value * value, 0) / 2;
  }

  #nearestCell(row) {
    let [nearest, best] = [0, -Infinity];
    for (let cell = 0; cell < this.#members.length; cell++) {
      const score = this.#dot(row, cell) - this.#halves[cell];
      if (score > best) [nearest, best] = [cell, score];
    }
    return nearest;
  }

  #dot(row, cell) {
    return dotAt(this.#centres, cell * this.#dimension, row);
  }

  /** Assigns the next row. */
  add() {
    this.#members[this.#nearestCell(this.#decode(this.assigned))].push(this.assigned);
    this.assigned += 1;
  }

  /**
   * The rows that a query looks at.
   * @param {Float32Array} query
   * @param {Uint8Array} alive Which rows count, 1 or 0 each.
   * @returns {number[]} Ascending.
   */
  candidates(query, alive) {
    const wanted = Math.max(2048, 28 * Math.sqrt(this.assigned));
    const scores = this.#members.map((_, cell) => this.#dot(query, cell) - (this.#squared ? this.#halves[cell] : 0));
    const order = scores.map((_, cell) => cell).sort((a, b) => scores[b] - scores[a] || a - b);
    const rows = [];
    for (const cell of order) {
      if (rows.length >= wanted) break;
      for (const row of this.#members[cell]) if (alive[row]) rows.push(row);
    }
    return rows.sort((a, b) => a - b);
  }
}
