// `lexical.json` and `lexical.bin`: which words are in the texts of which items: the same as `task/format/lexical.py`.

import { arrayAt, Arrays, checkAscending, jsonLine, jsonOf } from "./arrays.js";
import { DAMAGED, SearcherError } from "./errors.js";

export const LIST = "lexical.json";
export const DATA = "lexical.bin";
export const BLOCK = 1 << 16; // items
const LONGEST = 255; // words of an item that count

/**
 * Reads an index.
 * @param {Uint8Array} listed The content of `lexical.json`.
 * @param {Uint8Array} bytes The content of `lexical.bin`.
 * @param {number} items
 * @returns {{lengths: Uint8Array, blocks: {terms: Uint32Array, starts: Uint32Array, postings: Uint16Array}[], common: Uint32Array}}
 */
export function decode(listed, bytes, items) {
  const { lengths, blocks, common } = jsonOf(listed, LIST) ?? {};
  if (!Array.isArray(blocks) || blocks.length !== Math.ceil(items / BLOCK)) throw new SearcherError(`${LIST} does not have the words of ${items} items. ${DAMAGED}`);
  return {
    lengths: arrayAt(bytes, lengths, "lengths of the lexical index", items),
    blocks: blocks.map((block, number) => decodeBlock(block, bytes, items - number * BLOCK, number)),
    common: common === undefined ? new Uint32Array(0) : arrayAt(bytes, common, "common words of the lexical index"),
  };
}

function decodeBlock(block, bytes, items, number) {
  const [terms, starts, postings] = ["terms", "starts", "postings"].map((part) => arrayAt(bytes, block?.[part], `${part} of the lexical index`));
  checkAscending(starts, postings.length, "lexical index");
  const whole = starts.length === terms.length + 1 && postings.every((place) => place < items);
  if (!whole) throw new SearcherError(`The words of block ${number} do not fit ${items} items. ${DAMAGED}`);
  return { terms, starts, postings };
}

/**
 * Makes an index without leaving a word out.
 * @param {(Uint32Array | null)[]} terms The numbers of the words of each item, different ones.
 */
export function indexOf(terms) {
  const blocks = [];
  for (let first = 0; first < terms.length; first += BLOCK) blocks.push(blockOf(terms.slice(first, first + BLOCK)));
  return { lengths: Uint8Array.from(terms, (of) => Math.min(of?.length ?? 0, LONGEST)), blocks, common: new Uint32Array(0) };
}

function blockOf(terms) {
  const items = new Map(); // by word
  terms.forEach((of, item) => of?.forEach((term) => (items.has(term) ? items.get(term).push(item) : items.set(term, [item]))));
  const known = Uint32Array.from(items.keys()).sort();
  const starts = new Uint32Array(known.length + 1);
  known.forEach((term, i) => (starts[i + 1] = starts[i] + items.get(term).length));
  return { terms: known, starts, postings: Uint16Array.from(Array.from(known, (term) => items.get(term)).flat()) };
}

/** The numbers of the words of each item, ascending; common ones are not known. */
export function termsOf({ lengths, blocks }) {
  const terms = Array.from(lengths, () => []);
  blocks.forEach((block, number) => {
    block.terms.forEach((term, i) => {
      for (let at = block.starts[i]; at < block.starts[i + 1]; at++) terms[number * BLOCK + block.postings[at]].push(term);
    });
  });
  return terms.map((of) => Uint32Array.from(of));
}

/** The contents of `lexical.json` and `lexical.bin`. */
export function encode({ lengths, blocks, common }) {
  const data = new Arrays();
  const described = blocks.map(({ terms, starts, postings }) => ({ terms: data.put(terms), starts: data.put(starts), postings: data.put(postings) }));
  const listed = { lengths: data.put(lengths), blocks: described, common: data.put(common) };
  return { listed: new TextEncoder().encode(`${jsonLine(listed)}\n`), data: data.content };
}
