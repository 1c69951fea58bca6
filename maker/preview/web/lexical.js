// Finds items by the words in their texts, and joins that with what their embeddings say: the same as `task/search/lexical.py`.

import { lowerBound } from "./arrays.js";
import { BLOCK } from "./lexical_file.js";
import { termOf, wordsOf } from "./words.js";

export const CANDIDATES = 50; // of each list
const [SATURATION, LENGTH_WEIGHT] = [1.2, 0.75]; // k1 and b of BM25
const FEW = 1000; // items that are scored: those with the rarest words of the query, before they exceed this number
const WORD_WEIGHT = 1;
const COMMON = 4; // a word of more than one in so many items tells little
const FEW_ITEMS = 64; // below which all words are kept
const { fround } = Math; // Python computes lengths in float32

/** The words of the items, scored by BM25. Several parts are scored as one index of all their items would be. */
export class LexicalSearch {
  #blocks = []; // with the id of the first item, and what is hidden
  #common;
  #items = 0;
  #several;
  #weights;

  /**
   * @param {{index: object, hidden: ?Uint8Array}[]} parts In the order of their ids: the words of a file, and those of added items, as
   *   `lexical_file.js` reads them; and which of the items were removed, 1 or 0 each.
   */
  constructor(parts) {
    let start = 0;
    let words = 0;
    for (const { index, hidden } of parts) {
      index.blocks.forEach((block, number) => this.#blocks.push({ ...block, start: start + number * BLOCK, hidden: hidden?.subarray(number * BLOCK) }));
      index.lengths.forEach((length, item) => {
        if (hidden?.[item]) return;
        this.#items += 1;
        words += length;
      });
      start += index.lengths.length;
    }
    this.#common = new Set(parts.flatMap(({ index }) => Array.from(index.common)));
    this.#several = parts.length > 1;
    this.#weights = weightsOf(parts.map(({ index }) => index.lengths), this.#items ? Math.max(words / this.#items, 1) : 1);
  }

  /**
   * The items with the highest scores.
   * @param {string} text
   * @param {Int32Array | null} allowed Ascending items that may be found; null for all.
   * @returns {{item: number, score: number, whole: boolean}[]} At most `CANDIDATES`, the highest score first, ties by item. `whole`: it has
   *   all words of the query that the index knows.
   */
  scores(text, allowed) {
    const count = this.#items;
    const most = this.#several && count >= FEW_ITEMS ? Math.floor(count / COMMON) : count;
    const terms = [...new Set(wordsOf(text))].map(termOf).filter((term) => !this.#common.has(term));
    const known = terms.map((term) => this.#postings(term)).filter(({ length }) => length && length <= most);
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
    const scored = [...found.values()].map(({ item, score, words }) => ({ item, score: fround(score * this.#weights(item)), whole: words === known.length }));
    return scored.sort((a, b) => b.score - a.score || a.item - b.item).slice(0, CANDIDATES);
  }

  /** The items with a word that were not removed, ascending. */
  #postings(term) {
    const parts = this.#blocks.map(({ terms, starts, postings, hidden }) => {
      const place = lowerBound(terms, term);
      const items = terms[place] === term ? postings.subarray(starts[place], starts[place + 1]) : postings.subarray(0, 0);
      return hidden ? items.filter((item) => !hidden[item]) : items;
    });
    const items = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    parts.forEach((part, number) => part.forEach((place) => (items[at++] = this.#blocks[number].start + place)));
    return items;
  }
}

/** A function for what the length of an item makes of its score. */
function weightsOf(parts, average) {
  const relative = fround(LENGTH_WEIGHT / average);
  const weights = Float32Array.from({ length: 256 }, (_, length) => {
    const saturated = fround(1 + fround(fround(SATURATION) * fround(1 - LENGTH_WEIGHT + fround(relative * length))));
    return fround(fround(SATURATION + 1) / saturated);
  });
  const starts = [0];
  for (const lengths of parts) starts.push(starts.at(-1) + lengths.length);
  return (item) => {
    const part = starts.findIndex((start, i) => item >= start && item < starts[i + 1]);
    return weights[parts[part][item - starts[part]]];
  };
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
