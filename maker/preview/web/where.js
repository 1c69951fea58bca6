// Conditions on the facts of items, and which items meet them: the same as `task/search/where.py`.
//
// A condition is a function from facts to a mask: a Uint8Array with 1 for each item that meets it. A comparison with something that is not
// known is false, whichever way it is asked, and `not` turns that into true.

import { SearcherError } from "./errors.js";
import { span } from "./moments.js";

export const KILOMETRES = { km: 1, m: 0.001, mi: 1.609344 };
export const UNITS = ["year", "month", "day"]; // parts of a time that are columns of their own: `year(taken)`
export const OPERATORS = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};
const EARTH_KM = 6371.0088; // mean radius (IUGG)

const mask = (items, holds) => {
  const found = new Uint8Array(items);
  for (let i = 0; i < items; i++) found[i] = holds(i) ? 1 : 0;
  return found;
};

const combined = (join, start) => (conditions) => (facts) =>
  conditions.map((condition) => condition(facts)).reduce((found, other) => found.map((value, i) => join(value, other[i])), mask(facts.items, () => start));

/** All of several conditions hold. */
export const all = combined((a, b) => a & b, true);

/** At least one of several conditions holds. */
export const any = combined((a, b) => a | b, false);

/** A condition does not hold. */
export const not = (condition) => (facts) => condition(facts).map((value) => 1 - value);

/**
 * A number, time or text compares with a value. A time compares with a date, which may be cut short: `2024-05` is all of May.
 * @param {string} name The column.
 * @param {string} operator A key of `OPERATORS`.
 * @param {string | number} value
 */
export const compare = (name, operator, value) => (facts) => {
  const column = facts.column(name);
  if (column.type === "tags") throw new SearcherError(`“${name}” has tags, which do not compare; ask 'a tag' in ${name}.`);
  const holds = { number: numbersCompare, time: timesCompare, text: textsCompare }[column.type](name, column, operator, value);
  return mask(facts.items, column.known ? (i) => column.known[i] && holds(i) : holds);
};

function numbersCompare(name, { values }, operator, value) {
  if (typeof value !== "number") throw wrong(name, "numbers", value, "a number");
  const compares = OPERATORS[operator];
  return (i) => compares(values[i], value);
}

function timesCompare(name, { values }, operator, value) {
  if (typeof value !== "string") throw wrong(name, "times", value, "a date such as 2024-05-31, a year in quotes, or year(…)");
  const named = span(value);
  if (!named) throw new SearcherError(`“${name}” has times: “${value.slice(0, 40)}” is no date such as 2024, 2024-05, 2024-05-31 or 2024-05-31T14:30:00.`);
  const [start, end] = named;
  return {
    "==": (i) => values[i] >= start && values[i] < end,
    "!=": (i) => values[i] < start || values[i] >= end,
    "<": (i) => values[i] < start,
    "<=": (i) => values[i] < end,
    ">": (i) => values[i] >= end,
    ">=": (i) => values[i] >= start,
  }[operator];
}

function textsCompare(name, { words, codes }, operator, value) {
  if (typeof value !== "string") throw wrong(name, "texts", value, "a text in quotes");
  const { place, exact } = words.position(value);
  const [above, unknown] = [place + Number(exact), words.length];
  return {
    "==": (i) => exact && codes[i] === place,
    "!=": (i) => codes[i] !== unknown && !(exact && codes[i] === place),
    "<": (i) => codes[i] < place,
    "<=": (i) => codes[i] < above,
    ">": (i) => codes[i] !== unknown && codes[i] >= above,
    ">=": (i) => codes[i] !== unknown && codes[i] >= place,
  }[operator];
}

/** A tag is among the tags of an item, or a text contains another, letter for letter; or the contrary. */
export const has = (name, value, negated) => (facts) => {
  const column = facts.column(name);
  if ("values" in column) throw new SearcherError(`“${name}” has ${column.type}s, but 'in' asks for tags or a part of a text.`);
  const { words, codes, starts } = column;
  if (column.type === "text") {
    const found = words.containing(value);
    return mask(facts.items, (i) => codes[i] < words.length && Boolean(found[codes[i]]) !== negated);
  }
  const { place, exact } = words.position(value);
  return mask(facts.items, (i) => {
    let there = false;
    for (let at = starts[i]; exact && at < starts[i + 1]; at++) there ||= codes[at] === place;
    return there !== negated;
  });
};

/** Nothing is known in a column: no number, time or text, or not one tag. */
export const missing = (name) => (facts) => {
  const { type, words, codes, starts, known } = facts.column(name);
  if (type === "text") return mask(facts.items, (i) => codes[i] === words.length);
  if (type === "tags") return mask(facts.items, (i) => starts[i] === starts[i + 1]);
  return mask(facts.items, (i) => known && !known[i]);
};

/**
 * A place is within a distance of another, along the surface of a sphere (haversine).
 * @param {string[]} names The columns of latitude and longitude, in degrees.
 * @param {number[]} at The other place, latitude and longitude in degrees.
 * @param {number} kilometres
 */
export const near = (names, at, kilometres) => (facts) => {
  if (!(Math.abs(at[0]) <= 90 && Math.abs(at[1]) <= 180 && kilometres >= 0 && kilometres < Infinity)) {
    throw new SearcherError(
      `near: found ${at[0]}, ${at[1]} and ${kilometres} km, expected a latitude from -90 to 90, a longitude from -180 to 180 and a distance from 0.`,
    );
  }
  const [latitude, longitude] = names.map((name) => {
    const column = facts.column(name);
    if (column.type !== "number") throw new SearcherError(`near: “${name}” has ${column.type}, expected a column of numbers, degrees.`);
    return column;
  });
  const radians = (degrees) => (degrees * Math.PI) / 180;
  const here = at.map(radians);
  return mask(facts.items, (i) => {
    if ((latitude.known && !latitude.known[i]) || (longitude.known && !longitude.known[i])) return false;
    const [lat, lon] = [radians(latitude.values[i]), radians(longitude.values[i])];
    const half = Math.sin((lat - here[0]) / 2) ** 2 + Math.cos(lat) * Math.cos(here[0]) * Math.sin((lon - here[1]) / 2) ** 2;
    return 2 * EARTH_KM * Math.asin(Math.sqrt(Math.min(Math.max(half, 0), 1))) <= kilometres;
  });
};

/** The year, month (1 to 12) or day (1 to 31) of times, as a column of numbers. */
export function partOfTime({ values, known }, unit) {
  const date = new Date();
  const part = { year: () => date.getUTCFullYear(), month: () => date.getUTCMonth() + 1, day: () => date.getUTCDate() }[unit];
  const parts = Float64Array.from(values, (seconds) => {
    date.setTime(seconds * 1000);
    return part();
  });
  return { type: "number", values: parts, known };
}

function wrong(name, found, value, expected) {
  return new SearcherError(`“${name}” has ${found}, but is compared with ${JSON.stringify(value)}; expected ${expected}.`);
}
