// The words of a text, as the lexical index counts them: the same as `task/search/words.py`.

const RUN = /[\p{L}\p{N}]+/gu;
// Scripts that are written without spaces between words: Thai to Khmer, kana, Han.
const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]+/gu;

/**
 * The words of a text in order, in lower case and without accents. A run of letters and digits is a word; a run in a script that is
 * written without spaces gives its pairs of neighbouring characters.
 * @param {string} text
 * @returns {string[]}
 */
export function wordsOf(text) {
  const plain = text.normalize("NFKD").toLowerCase().replace(/\p{Mn}/gu, "");
  const found = [];
  for (const [run] of plain.matchAll(RUN)) {
    let at = 0;
    for (const match of run.matchAll(UNSPACED)) {
      if (match.index > at) found.push(run.slice(at, match.index));
      found.push(...pairs(match[0]));
      at = match.index + match[0].length;
    }
    if (at < run.length) found.push(run.slice(at));
  }
  return found;
}

function pairs(text) {
  const characters = Array.from(text);
  return characters.length === 1 ? [text] : characters.slice(1).map((character, i) => characters[i] + character);
}

/** The number of a word in the index: FNV-1a of 32 bits over its UTF-8 bytes. */
export function termOf(word) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(word)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}

/**
 * The numbers of the words of an item, ascending.
 * @param {string} metadata
 * @param {Iterable} facts Its facts, of which texts and tags count.
 * @param {Iterable<string>} captions
 * @returns {Uint32Array}
 */
export function termsOf(metadata, facts, captions = []) {
  const texts = [metadata, ...captions, ...[...facts].flat().filter((value) => typeof value === "string")];
  return Uint32Array.from(new Set(texts.flatMap((text) => wordsOf(text).map(termOf)))).sort();
}
