// The facts of added items: the same as `AddedFacts` and `checked` of `task/search/facts.py`.

import { columnOf } from "./columns.js";
import { SearcherError } from "./errors.js";
import { span } from "./moments.js";

const MOST_EXACT = 2 ** 53; // whole numbers up to this one are exact in float64
const EXPECTED = { number: "a number", time: "a date or time", text: "a text", tags: "several texts" };

/** The facts of added items. A column is made once, when it is first asked for. */
export class AddedFacts {
  #values;
  #columns = new Map();

  /**
   * @param {(Map<string, *> | undefined)[]} values Of each id from the first added one on; undefined for removed items.
   * @param {Map<string, string>} types By column.
   */
  constructor(values, types) {
    this.#values = values;
    this.types = types;
    this.items = values.length;
  }

  /** A column of `types`. */
  read(name) {
    if (!this.#columns.has(name)) this.#columns.set(name, columnOf(this.types.get(name), this.#values.map((of) => of?.get(name))));
    return this.#columns.get(name);
  }

  /** How many different texts or tags a column of `types` has. */
  distinct(name) {
    return this.read(name).words?.length;
  }
}

/**
 * Checks the facts of an item.
 * @param {object} facts Values by column: a number, a text, a Date, or a list of tags; null where nothing is known.
 * @param {Map<string, string>} types Of the columns that exist; others get the type of their value.
 * @returns {{values: Map<string, *>, types: Map<string, string>}} As columns keep them.
 */
export function checked(facts, types) {
  const values = new Map();
  const kinds = new Map();
  for (const [name, value] of Object.entries(facts)) {
    if (value === null || value === undefined) continue;
    if (!name) throw new SearcherError("facts: a column needs a name.");
    const type = types.get(name) ?? typeOf(value);
    const stored = STORED[type](value);
    if (stored === undefined) throw new SearcherError(`facts: “${name}” is ${String(value).slice(0, 60)}, expected ${EXPECTED[type]}.`);
    kinds.set(name, type);
    values.set(name, stored);
  }
  return { values, types: kinds };
}

/** The type of column for a value. */
function typeOf(value) {
  if (typeof value === "number" || typeof value === "boolean") return "number";
  if (value instanceof Date) return "time";
  return typeof value === "string" ? "text" : "tags";
}

const isText = (value) => typeof value === "string" && value.isWellFormed();

/** The value as columns keep it; undefined if it does not fit. */
const STORED = {
  number: (value) => (["number", "boolean"].includes(typeof value) && Math.abs(value) <= MOST_EXACT ? Number(value) : undefined),
  time: (value) => (value instanceof Date ? Math.floor(value.getTime() / 1000) : isText(value) ? span(value)?.[0] : undefined),
  text: (value) => (isText(value) ? value : undefined),
  tags: (value) => (Array.isArray(value) && value.every(isText) ? [...new Set(value)] : undefined),
};
