// Filters that are chosen by click, as expressions.

const PLAIN = /^(?!\p{Nd})[\p{L}\p{N}_]+$/u;
const RESERVED = ["and", "or", "not", "in", "missing", "near"];
const PART_OF_TIME = /^(year|month|day)\((.*)\)$/su;

/** Whether an expression can name a column. */
export const isNameable = (column) => column !== "" && !column.includes("`");

/**
 * The expressions that choose items by values: any of the values of a column, but all of its tags.
 * @param {{column: string, value: string | number}[]} only
 * @param {(column: string) => string} typeOf `number`, `text` or `tags`.
 * @returns {string[]} One for each column; all have to hold.
 */
export function expressionsOf(only, typeOf) {
  const columns = new Map();
  for (const { column, value } of only) columns.set(column, [...(columns.get(column) ?? []), written(value)]);
  return [...columns].map(([column, values]) => {
    const name = nameOf(column);
    return typeOf(column) === "tags" ? values.map((value) => `${value} in ${name}`).join(" and ") : `${name} in (${values.join(", ")})`;
  });
}

function nameOf(column) {
  const [, unit, of] = PART_OF_TIME.exec(column) ?? [];
  if (unit) return `${unit}(${nameOf(of)})`;
  return PLAIN.test(column) && !RESERVED.includes(column) ? column : `\`${column}\``;
}

const written = (value) => (typeof value === "number" ? String(value) : `'${value.replace(/[\\']/gu, "\\$&")}'`);
