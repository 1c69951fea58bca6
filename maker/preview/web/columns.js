// Columns of facts: numbers and times, texts, and tags: the same as `task/format/facts.py`.

import { arrayAt, checkAscending } from "./arrays.js";
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
