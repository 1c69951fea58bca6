// The facts of the items in a searcher, and how many items have which: the same as `task/search/facts.py`.

import { jsonOf } from "./arrays.js";
import { readColumn } from "./columns.js";
import { DAMAGED, SearcherError } from "./errors.js";
import { UNITS, partOfTime } from "./where.js";

export const LIST = "facts.json";
export const DATA = "facts.bin";
const TYPES = ["number", "time", "text", "tags"]; // a newer release may have others
const PART_OF_TIME = new RegExp(`^(${UNITS.join("|")})\\((.*)\\)$`, "su");

/** The facts in a file. A column is read and checked once, when it is first asked for. */
export class Facts {
  #described = new Map();
  #bytes;
  #columns = new Map();

  /** Types by column: `number`, `time`, `text` or `tags`. */
  types = new Map();

  /**
   * Reads the list of columns.
   * @param {Uint8Array | null} listed The content of `facts.json`; null if the file has no facts.
   * @param {Uint8Array | null} bytes The content of `facts.bin`.
   * @param {number} items
   */
  constructor(listed, bytes, items) {
    this.items = items;
    this.#bytes = bytes;
    if (!listed) return;
    if (!bytes) throw new SearcherError(`The file has no ${DATA}. ${DAMAGED}`);
    const { items: count, columns } = jsonOf(listed, LIST) ?? {};
    if (count !== items || !Array.isArray(columns)) throw new SearcherError(`${LIST} does not have the facts of ${items} items. ${DAMAGED}`);
    for (const column of columns) {
      if (!TYPES.includes(column?.type)) continue;
      this.#described.set(column.name, column);
      this.types.set(column.name, column.type);
    }
  }

  /** A column, or a part of a time as a column of numbers. */
  column(name) {
    if (!this.#columns.has(name)) this.#columns.set(name, this.types.has(name) ? this.#read(name) : this.#partOfTime(name));
    return this.#columns.get(name);
  }

  #read(name) {
    return readColumn(this.#described.get(name), this.#bytes, this.items);
  }

  #partOfTime(name) {
    let [, unit, of] = PART_OF_TIME.exec(name) ?? [null, name, null];
    const times = this.#named("time");
    if (of === null && UNITS.includes(unit) && times.length) {
      if (times.length > 1) throw new SearcherError(`“${unit}” of which time? Write ${unit}(${times[0]}); there are ${times.join(", ")}.`);
      of = times[0];
    }
    if (of === null || !this.types.has(of)) {
      const known = [...this.types].sort().slice(0, 20).map(([column, type]) => `${column} (${type})`).join(", ");
      throw new SearcherError(`There is no column “${(of ?? name).slice(0, 80)}”; known: ${known || "none, the file has no facts"}.`);
    }
    if (this.types.get(of) !== "time") throw new SearcherError(`${unit}(${of}): “${of}” has ${this.types.get(of)}, expected times.`);
    return partOfTime(this.column(of), unit);
  }

  #named(type) {
    return [...this.types].filter(([, kind]) => kind === type).map(([name]) => name);
  }

  /**
   * The items that meet a condition, ascending.
   * @param {(facts: Facts) => Uint8Array} condition As `parseWhere` returns it.
   * @returns {Int32Array}
   */
  matching(condition) {
    return chosenOf(condition(this));
  }

  /**
   * What the columns are, without reading them.
   * @returns {{name: string, type: string, distinct?: number}[]} `distinct` is how many different texts or tags there are.
   */
  get described() {
    return [...this.types].map(([name, type]) => {
      const texts = this.#described.get(name).offsets?.length - 1;
      return { name, type, ...(texts >= 0 && { distinct: texts }) };
    });
  }

  /** The columns that are counted if none are named: texts, tags, and the years of times. */
  get usual() {
    return [...this.types].filter(([, type]) => type !== "number").map(([name, type]) => (type === "time" ? `year(${name})` : name));
  }

  /**
   * How many items have each value of a column, the most frequent first; equal counts by value, texts by code points.
   * @param {string} name A column, or a part of a time such as `year(taken)`.
   * @param {Int32Array | null} items The items that count; null for all.
   * @returns {[string | number, number][]}
   */
  counts(name, items) {
    const column = this.column(name);
    if (column.type === "time") throw new SearcherError(`“${name}” has times; count year(${name}), month(${name}) or day(${name}).`);
    const chosen = items ?? Int32Array.from({ length: this.items }, (_, i) => i);
    const found = column.type === "number" ? countedNumbers(column, chosen) : countedWords(column, chosen);
    // Words are in the order of their code points already, and sorting keeps the order of equals.
    return found.sort(([a, n], [b, m]) => m - n || (column.type === "number" ? a - b : 0));
  }
}

/** The places of the ones in a mask. */
export function chosenOf(mask) {
  const chosen = new Int32Array(mask.reduce((sum, value) => sum + value, 0));
  for (let i = 0, at = 0; i < mask.length; i++) if (mask[i]) chosen[at++] = i;
  return chosen;
}

function countedNumbers({ values, known }, items) {
  const counts = new Map();
  for (const item of items) if (!known || known[item]) counts.set(values[item], (counts.get(values[item]) ?? 0) + 1);
  return [...counts];
}

function countedWords({ type, words, codes, starts }, items) {
  const counts = new Uint32Array(words.length + 1);
  for (const item of items) {
    if (type === "text") counts[codes[item]]++;
    else for (let i = starts[item]; i < starts[item + 1]; i++) counts[codes[i]]++;
  }
  const found = [];
  for (let code = 0; code < words.length; code++) if (counts[code]) found.push([words.at(code), counts[code]]);
  return found;
}
