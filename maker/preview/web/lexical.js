// Finds items by the words in their texts, and joins that with what their embeddings say: the same as `task/search/lexical.py`.

import { arrayAt, checkAscending, jsonOf, lowerBound } from "./arrays.js";
import { DAMAGED, SearcherError } from "./errors.js";
import { termOf, wordsOf } from "./words.js";

export const LIST = "lexical.json";
export const DATA = "lexical.bin";
export const CANDIDATES = 50; // of each list
const BLOCK = 1 << 16; // items
const [SATURATION, LENGTH_WEIGHT] = [1.2, 0.75]; // k1 and b of BM25
const FEW = 1000; // items that are scored: those with the rarest words of the query, before they exceed this number
const WORD_WEIGHT = 1;
const { fround } = Math; // Python computes lengths in float32

/** The words of the items, scored by BM25. */
export class LexicalIndex {
  #blocks;
  #weights;

  /**
   * @param {Uint8Array} listed The content of `lexical.json`.
   * @param {Uint8Array} bytes The content of `lexical.bin`.
   * @param {number} items
   */
  constructor(listed, bytes, items) {
    const { lengths, blocks } = jsonOf(listed, LIST) ?? {};
    if (!Array.isArray(blocks) || blocks.length !== Math.ceil(items / BLOCK)) throw new SearcherError(`${LIST} does not have the words of ${items} items. ${DAMAGED}`);
    this.#blocks = blocks.map((block, number) => {
      const [terms, starts, postings] = ["terms", "starts", "postings"].map((part) => arrayAt(bytes, block?.[part], `${part} of the lexical index`));
      checkAscending(starts, postings.length, "lexical index");
      const whole = starts.length === terms.length + 1 && postings.every((place) => place < items - number * BLOCK);
      if (!whole) throw new SearcherError(`The words of block ${number} do not fit ${items} items. ${DAMAGED}`);
      return { terms, starts, postings };
    });
    this.#weights = weightsOf(arrayAt(bytes, lengths, "lengths of the lexical index", items));
  }

  /**
   * The items with the highest scores.
   * @param {string} text
   * @param {Int32Array | null} allowed Ascending items that may be found; null for all.
   * @returns {{item: number, score: number, whole: boolean}[]} At most `CANDIDATES`, the highest score first, ties by item. `whole`: it has
   *   all words of the query that the index knows.
   */
  scores(text, allowed) {
    const count = this.#weights.length;
    const known = [...new Set(wordsOf(text))].map((word) => this.#postings(termOf(word))).filter(({ length }) => length);
    known.sort((a, b) => a.length - b.length);
    const found = new Map(candidates(known, allowed).map((item) => [item, { item, score: 0, words: 0 }]));
    for (const postings of known) {
      const rarity = Math.log(1 + (count - postings.length + 0.5) / (postings.length + 0.5));
      const counted = (entry) => {
        entry.score += rarity;
        entry.words += 1;
      };
      if (postings.length < found.size) for (const item of postings) found.has(item) && counted(found.get(item));
      else for (const entry of found.values()) postings[lowerBound(postings, entry.item)] === entry.item && counted(entry);
    }
    const scored = [...found.values()].map(({ item, score, words }) => ({ item, score: fround(score * this.#weights[item]), whole: words === known.length }));
    return scored.sort((a, b) => b.score - a.score || a.item - b.item).slice(0, CANDIDATES);
  }

  /** The items with a word, ascending. */
  #postings(term) {
    const parts = this.#blocks.map(({ terms, starts, postings }) => {
      const place = lowerBound(terms, term);
      return terms[place] === term ? postings.subarray(starts[place], starts[place + 1]) : postings.subarray(0, 0);
    });
    const items = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    parts.forEach((part, number) => part.forEach((place) => (items[at++] = number * BLOCK + place)));
    return items;
  }
}

function weightsOf(lengths) {
  const sum = lengths.reduce((total, length) => total + length, 0);
  const relative = fround(LENGTH_WEIGHT / Math.max(sum / lengths.length, 1));
  return Float32Array.from(lengths, (length) => {
    const saturated = fround(1 + fround(fround(SATURATION) * fround(1 - LENGTH_WEIGHT + fround(relative * length))));
    return fround(fround(SATURATION + 1) / saturated);
  });
}

/** The items with one of the rarest words: those of as many words as keep them few, but of one at least. */
function candidates(known, allowed) {
  const taken = [];
  for (const postings of known) {
    if (taken.length && taken.length + postings.length > FEW) break;
    for (const item of postings) if (!allowed || allowed[lowerBound(allowed, item)] === item) taken.push(item);
  }
  return [...new Set(taken)];
}

/**
 * One score of each candidate, higher is better: both lists, each scaled to 1.
 * @param {number[]} distances
 * @param {number[]} wordScores
 */
export function fused(distances, wordScores) {
  const [nearest, farthest, best] = [Math.min(...distances), Math.max(...distances), Math.max(...wordScores)];
  return distances.map((distance, i) => (farthest - distance) / (farthest - nearest || 1) + (WORD_WEIGHT * wordScores[i]) / (best || 1));
}

/** Whether a text is the file name in the metadata of an item, with or without its folder and its extension, whatever the case. */
export function isName(metadata, text) {
  const name = metadata.slice(metadata.lastIndexOf("/") + 1);
  const wanted = wordsOf(text).join(" ");
  const spelt = (other) => wordsOf(other).join(" ") === wanted;
  return wanted !== "" && [metadata, name, name.slice(0, Math.max(name.lastIndexOf("."), 0))].some(spelt);
}
