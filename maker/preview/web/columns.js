// Columns of facts: numbers and times, texts, and tags: the same as `task/format/facts.py`.

import { arrayAt, Arrays, checkAscending, joinedBytes, jsonLine } from "./arrays.js";
import { DAMAGED, SearcherError } from "./errors.js";

/** Distinct texts in ascending order of their UTF-8 bytes. */
export class Words {
  #decoded = [];

  /**
   * @param {Uint32Array} offsets Where each begins, and the end of the last.
   * @param {Uint8Array} content
   */
  constructor(offsets, content) {
    this.offsets = offsets;
    this.content = content;
    this.length = offsets.length - 1;
  }

  /** A text. */
  at(number) {
    return (this.#decoded[number] ??= new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.#bytes(number)));
  }

  #bytes(number) {
    return this.content.subarray(this.offsets[number], this.offsets[number + 1]);
  }

  /** How many texts are below this one, and whether it is among them. */
  position(text) {
    const wanted = new TextEncoder().encode(text);
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes(this.#bytes(middle), wanted) < 0) low = middle + 1;
      else high = middle;
    }
    return { place: low, exact: low < this.length && compareBytes(this.#bytes(low), wanted) === 0 };
  }

  /** Which texts contain this one, letter for letter: 1 or 0 each. */
  containing(text) {
    const wanted = new TextEncoder().encode(text);
    const found = new Uint8Array(this.length);
    for (let number = 0; number < this.length; number++) found[number] = Number(contains(this.#bytes(number), wanted));
    return found;
  }
}

function compareBytes(a, b) {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

function contains(bytes, wanted) {
  if (!wanted.length) return true;
  for (let at = bytes.indexOf(wanted[0]); at >= 0 && at + wanted.length <= bytes.length; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}

/** The distinct texts of some, and the number of each. */
function wordsOf(texts) {
  const encoder = new TextEncoder();
  const distinct = [...new Set(texts)].map((text) => ({ text, bytes: encoder.encode(text) })).sort((a, b) => compareBytes(a.bytes, b.bytes));
  const offsets = new Uint32Array(distinct.length + 1);
  distinct.forEach(({ bytes }, i) => (offsets[i + 1] = offsets[i] + bytes.length));
  return { words: new Words(offsets, joinedBytes(distinct.map(({ bytes }) => bytes))), numbers: new Map(distinct.map(({ text }, i) => [text, i])) };
}

/**
 * A column from values.
 * @param {string} type `number`, `time`, `text` or `tags`.
 * @param {(number | string | string[] | undefined)[]} values Times as seconds since 1970; undefined where nothing is known.
 */
export function columnOf(type, values) {
  if (type === "number" || type === "time") {
    const known = Uint8Array.from(values, (value) => Number(value !== undefined));
    return { type, values: Float64Array.from(values, (value) => value ?? 0), known: known.includes(0) ? known : null };
  }
  const { words, numbers } = wordsOf(values.flat().filter((value) => value !== undefined));
  if (type === "text") return { type, words, codes: Uint32Array.from(values, (value) => (value === undefined ? words.length : numbers.get(value))) };
  const codes = values.map((tags) => [...new Set((tags ?? []).map((tag) => numbers.get(tag)))].sort((a, b) => a - b));
  const starts = new Uint32Array(values.length + 1);
  codes.forEach((of, i) => (starts[i + 1] = starts[i] + of.length));
  return { type, words, starts, codes: Uint32Array.from(codes.flat()) };
}

/** The value of each item: a number, a text or a list of tags; undefined where nothing is known. */
export function valuesOf({ type, values, known, words, codes, starts }) {
  if (values) return Array.from(values, (value, i) => (known && !known[i] ? undefined : value));
  if (type === "text") return Array.from(codes, (code) => (code < words.length ? words.at(code) : undefined));
  return Array.from({ length: starts.length - 1 }, (_, i) => Array.from(codes.subarray(starts[i], starts[i + 1]), (code) => words.at(code)));
}

/**
 * The contents of `facts.json` and `facts.bin`: the same bytes as `task/format/facts.py`.
 * @param {Map<string, object>} columns As `columnOf` returns them.
 * @param {number} items
 */
export function encodeColumns(columns, items) {
  const data = new Arrays();
  const described = [...columns].map(([name, { type, values, known, words, starts, codes }]) => {
    if (values) return { name, type, values: data.put(narrowest(values)), ...(known && { known: data.put(packed(known)) }) };
    const Codes = [Uint8Array, Uint16Array, Uint32Array].find(({ BYTES_PER_ELEMENT: bytes }) => words.length < 2 ** (8 * bytes));
    return {
      name, type, words: data.put(words.content), offsets: data.put(Uint32Array.from(words.offsets)),
      ...(starts && { starts: data.put(starts) }), codes: data.put(Codes.from(codes)),
    };
  });
  return { listed: new TextEncoder().encode(`${jsonLine({ items, columns: described })}\n`), data: data.content };
}

/** Numbers in the smallest type that holds each of them exactly. */
function narrowest(values) {
  const exact = values.every((value) => Math.abs(value) <= Number.MAX_SAFE_INTEGER + 1);
  const whole = exact && values.every(Number.isInteger);
  for (const [Values, most] of [[Int8Array, 2 ** 7], [Int16Array, 2 ** 15], [Int32Array, 2 ** 31]]) {
    if (whole && values.every((value) => value >= -most && value < most)) return Values.from(values);
  }
  if (whole) return BigInt64Array.from(values, BigInt);
  return exact && values.every((value) => Math.fround(value) === value) ? Float32Array.from(values) : values;
}

/** A bit for each flag, the lowest of each byte first. */
function packed(flags) {
  const bits = new Uint8Array(Math.ceil(flags.length / 8));
  flags.forEach((flag, i) => (bits[i >> 3] |= flag << (i & 7)));
  return bits;
}

/**
 * Reads a column. `number` and `time` have `values` and `known`, 1 or 0 each, or null if all are; `text` has `words` and `codes`, with
 * the number of words where nothing is known; `tags` has `words`, `codes` and where those of each item start.
 * @param {object} described The column in `facts.json`.
 * @param {Uint8Array} bytes The content of `facts.bin`.
 * @param {number} items
 */
export function readColumn(described, bytes, items) {
  const { name, type } = described;
  const array = (part, length) => arrayAt(bytes, described[part], `${part} of “${name}”`, length);
  if (type === "number" || type === "time") {
    const bits = "known" in described ? array("known", Math.ceil(items / 8)) : null;
    return { type, values: array("values", items), known: bits && Uint8Array.from({ length: items }, (_, i) => (bits[i >> 3] >> (i & 7)) & 1) };
  }
  const [offsets, content] = [array("offsets"), array("words")];
  checkAscending(offsets, content.length, `words of “${name}”`);
  const words = new Words(offsets, content);
  if (type === "text") return { type, words, codes: checkedCodes(array("codes", items), words.length + 1, name) };
  const codes = checkedCodes(array("codes"), words.length, name);
  const starts = array("starts", items + 1);
  checkAscending(starts, codes.length, `tags of “${name}”`);
  return { type, words, starts, codes };
}

function checkedCodes(codes, end, name) {
  for (const code of codes) if (!(code >= 0 && code < end)) throw new SearcherError(`A value of “${name}” is not among its ${end}. ${DAMAGED}`);
  return codes;
}
