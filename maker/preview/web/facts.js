// The facts of the items of an open searcher, and how many items have which: the same as `task/search/facts.py`.

import { jsonOf, lowerBound } from "./arrays.js";
import { columnOf, readColumn } from "./columns.js";
import { DAMAGED, SearcherError } from "./errors.js";
import { UNITS, partOfTime } from "./where.js";

const NAME = "name"; // the column of file names
export const LIST = "facts.json";
export const DATA = "facts.bin";
const TYPES = ["number", "time", "text", "tags"]; // a newer release may have others
const PART_OF_TIME = new RegExp(`^(${UNITS.join("|")})\\((.*)\\)$`, "su");

/** The facts in a file. A column is read and checked once, when it is first asked for. */
export class StoredFacts {
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

  /** A column of `types`. */
  read(name) {
    if (!this.#columns.has(name)) this.#columns.set(name, readColumn(this.#described.get(name), this.#bytes, this.items));
    return this.#columns.get(name);
  }

  /** How many different texts or tags a column of `types` has. */
  distinct(name) {
    return this.#described.get(name).offsets?.length - 1;
  }
}

/** The facts of all items, part by part in the order of their ids: those of a file, and those of added items. */
export class Facts {
  #parts;

  /** Types by column: `number`, `time`, `text` or `tags`. */
  types = new Map();

  /** @param {{items: number, types: Map<string, string>, read: (name: string) => object, distinct: (name: string) => number}[]} parts */
  constructor(parts) {
    this.#parts = parts;
    for (const part of parts) {
      for (const [name, type] of part.types) {
        if ((this.types.get(name) ?? type) !== type) throw new SearcherError(`The column “${name}” has ${this.types.get(name)} in the file and ${type} in what was added.`);
        this.types.set(name, type);
      }
    }
  }

  #views() {
    let start = 0;
    return this.#parts.map((part) => {
      const view = new View(part, this.types, start);
      start += part.items;
      return view;
    });
  }

  /**
   * The items that meet a condition, ascending.
   * @param {(facts: object) => Uint8Array} condition As `parseWhere` returns it.
   * @returns {Int32Array}
   */
  matching(condition) {
    const found = this.#views().map((view) => chosenOf(condition(view), view.start));
    return found.length === 1 ? found[0] : Int32Array.from(found.flatMap((items) => Array.from(items)));
  }

  /**
   * What the columns are.
   * @returns {{name: string, type: string, distinct?: number}[]} `distinct` is how many different texts or tags there are, at most.
   */
  get described() {
    return [...this.types].map(([name, type]) => {
      const texts = this.#parts.filter((part) => part.types.has(name)).reduce((sum, part) => sum + part.distinct(name), 0);
      return { name, type, ...(texts >= 0 && { distinct: texts }) };
    });
  }

  /** The columns that are counted if none are named: texts, tags, and the years of times; not the names of photos, which all differ. */
  get usual() {
    return [...this.types].filter(([name, type]) => type !== "number" && name !== NAME).map(([name, type]) => (type === "time" ? `year(${name})` : name));
  }

  /**
   * How many items have each value of a column, the most frequent first; equal counts by value, texts by code points.
   * @param {string} name A column, or a part of a time such as `year(taken)`.
   * @param {Int32Array | null} items The items that count, ascending; null for all.
   * @returns {[string | number, number][]}
   */
  counts(name, items) {
    const counts = new Map();
    let numbers = false;
    const views = this.#views().filter(({ items: count }) => count);
    for (const view of views) {
      const column = view.column(name);
      if (column.type === "time") throw new SearcherError(`“${name}” has times; count year(${name}), month(${name}) or day(${name}).`);
      numbers = column.type === "number";
      const chosen = view.among(items);
      for (const [value, count] of numbers ? countedNumbers(column, chosen) : countedWords(column, chosen)) counts.set(value, (counts.get(value) ?? 0) + count);
    }
    // The words of one part are in the order of their code points already, and sorting keeps the order of equals.
    const byValue = numbers ? (a, b) => a - b : views.length > 1 ? compareTexts : () => 0;
    return [...counts].sort(([a, n], [b, m]) => m - n || byValue(a, b));
  }
}

/** A part as conditions ask it: with the columns of all parts, and the parts of times. */
class View {
  #part;
  #types;

  constructor(part, types, start) {
    this.#part = part;
    this.#types = types;
    this.start = start;
    this.items = part.items;
  }

  /** A column, or a part of a time as a column of numbers. */
  column(name) {
    const type = this.#types.get(name);
    if (!type) return this.#partOfTime(name);
    return this.#part.types.has(name) ? this.#part.read(name) : columnOf(type, Array(this.items).fill(undefined));
  }

  #partOfTime(name) {
    let [, unit, of] = PART_OF_TIME.exec(name) ?? [null, name, null];
    const times = [...this.#types].filter(([, type]) => type === "time").map(([column]) => column);
    if (of === null && UNITS.includes(unit) && times.length) {
      if (times.length > 1) throw new SearcherError(`“${unit}” of which time? Write ${unit}(${times[0]}); there are ${times.join(", ")}.`);
      of = times[0];
    }
    if (of === null || !this.#types.has(of)) {
      const known = [...this.#types].sort().slice(0, 20).map(([column, type]) => `${column} (${type})`).join(", ");
      throw new SearcherError(`There is no column “${(of ?? name).slice(0, 80)}”; known: ${known || "none, the file has no facts"}.`);
    }
    if (this.#types.get(of) !== "time") throw new SearcherError(`${unit}(${of}): “${of}” has ${this.#types.get(of)}, expected times.`);
    return partOfTime(this.column(of), unit);
  }

  /** Those of some items, ascending, that are in this part, counted from its first; all for null. */
  among(items) {
    if (!items) return Int32Array.from({ length: this.items }, (_, i) => i);
    return items.slice(lowerBound(items, this.start), lowerBound(items, this.start + this.items)).map((item) => item - this.start);
  }
}

function compareTexts(a, b) {
  const [one, other] = [a, b].map((text) => Array.from(text, (character) => character.codePointAt(0)));
  for (let i = 0; i < Math.min(one.length, other.length); i++) if (one[i] !== other[i]) return one[i] - other[i];
  return one.length - other.length;
}

/** The places of the ones in a mask, counted from `start`. */
function chosenOf(mask, start) {
  const chosen = new Int32Array(mask.reduce((sum, value) => sum + value, 0));
  for (let i = 0, at = 0; i < mask.length; i++) if (mask[i]) chosen[at++] = start + i;
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
