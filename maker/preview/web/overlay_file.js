// Overlay files, with the items added to and removed from a searcher: the same bytes as `task/format/overlay_file.py`.

import { associatedFiles, crc32, storedArchive } from "./archive.js";
import { joinedBytes, jsonOf } from "./arrays.js";
import { encodeColumns } from "./columns.js";
import { SearcherError } from "./errors.js";
import { DATA as FACTS_DATA, LIST as FACTS_LIST, StoredFacts } from "./facts.js";
import * as lexical from "./lexical_file.js";

const FILE = "overlay.json";
const FORMAT = "pocket-searcher-overlay";
const VERSION = 2;
const ROWS = { int8: "rows.i8", float32: "rows.f32" };
const [SCALES, IDS, REMOVED, OFFSETS, BYTES] = ["scales.f32", "ids.i32", "removed.i32", "items.offsets", "items.bytes"];
const MOST_IDS = 2 ** 31; // ids are int32
const MOST_ADDED = 2 ** 22;
const MOST_BYTES = 2 ** 32 - 1; // of all metadata

/**
 * What an overlay file has.
 * @typedef {object} OverlayContent
 * @property {string} base `sha256.model` in the manifest of the base.
 * @property {number} items Number of items in the base.
 * @property {number} dimension
 * @property {number} nextId The id of the next added item.
 * @property {"int8" | "float32"} kind How rows are kept.
 * @property {Int8Array | Float32Array} values One row after the other.
 * @property {?Float32Array} scales Of int8 rows.
 * @property {Int32Array} ids Of the added items, ascending.
 * @property {Uint8Array[]} metadata
 * @property {Int32Array} removed Ids of removed items of the base, ascending.
 * @property {Map<string, object>} facts Columns with one value per row.
 * @property {?object} words The lexical index of the rows; null if the base does not index words.
 */

/**
 * Writes an overlay file.
 * @param {OverlayContent} content
 * @returns {Uint8Array}
 */
export function encode(content) {
  const { base, items, dimension, nextId, kind, values, scales, ids, metadata, removed, facts, words } = content;
  const described = {
    format: FORMAT,
    format_version: VERSION,
    base: { sha256: base, items },
    dimension,
    rows: kind,
    added: ids.length,
    removed: removed.length,
    next_id: nextId,
  };
  const offsets = new Uint32Array(metadata.length + 1);
  let end = 0;
  metadata.forEach((bytes, i) => (offsets[i + 1] = end += bytes.length));
  if (end > MOST_BYTES) throw new SearcherError(`The metadata of the added items take ${end} bytes, expected at most ${MOST_BYTES}.`);
  const entries = [
    [FILE, new TextEncoder().encode(`${JSON.stringify(described, null, 2)}\n`)],
    [ROWS[kind], bytesOf(values)],
    ...(kind === "int8" ? [[SCALES, bytesOf(scales)]] : []),
    [IDS, bytesOf(ids)],
    [REMOVED, bytesOf(removed)],
    [OFFSETS, bytesOf(offsets)],
    [BYTES, joinedBytes(metadata)],
  ];
  if (facts.size) {
    const { listed, data } = encodeColumns(facts, ids.length);
    entries.push([FACTS_LIST, listed], [FACTS_DATA, data]);
  }
  if (words) {
    const { listed, data } = lexical.encode(words);
    entries.push([lexical.LIST, listed], [lexical.DATA, data]);
  }
  return storedArchive(entries);
}

const bytesOf = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/**
 * Reads an overlay file.
 * @param {Uint8Array} bytes
 * @returns {OverlayContent}
 */
export function decode(bytes) {
  const parts = partsOf(bytes);
  const described = jsonOf(part(parts, FILE), FILE);
  if (described?.format !== FORMAT) throw damaged(`${FILE} does not contain "format": "${FORMAT}"`);
  const { format_version: version, base, dimension, rows, added, removed: gone, next_id: nextId } = described;
  if (!Number.isInteger(version) || version < 1) throw damaged(`${FILE} has no format_version`);
  if (version > VERSION) throw new SearcherError(`The overlay has format version ${version}; this page supports ${VERSION}. Write the page again with a newer maker preview.`);
  const kind = version === 1 ? "float32" : rows;
  const items = base?.items;
  const whole = [items, dimension, added, gone, nextId].every((value) => Number.isInteger(value) && value >= 0) && typeof base.sha256 === "string";
  if (!whole || !Object.hasOwn(ROWS, kind)) throw damaged(`${FILE} lacks a value, or has one that is not possible`);
  const most = Math.min(MOST_IDS, items + MOST_ADDED);
  if (!(items <= nextId && nextId <= most)) throw damaged(`next_id is ${nextId}, expected a number from ${items}, the base's items, to ${most}`);
  const values = arrayOf(parts, ROWS[kind], kind === "int8" ? Int8Array : Float32Array, added * dimension);
  const scales = kind === "int8" ? arrayOf(parts, SCALES, Float32Array, added) : null;
  if (!values.every(Number.isFinite)) throw damaged("a row has a value that is not finite");
  if (scales?.some((scale) => !(scale > 0 && scale < Infinity))) throw damaged("the scale of a row is not a finite number above 0");
  const ids = arrayOf(parts, IDS, Int32Array, added);
  const removed = arrayOf(parts, REMOVED, Int32Array, gone);
  checkIds(IDS, ids, items, nextId);
  checkIds(REMOVED, removed, 0, items);
  return {
    base: base.sha256, items, dimension, nextId, kind, values, scales, ids, removed,
    metadata: metadataOf(parts, added),
    facts: factsOf(parts, added),
    words: parts.has(lexical.LIST) ? lexical.decode(part(parts, lexical.LIST), part(parts, lexical.DATA), added) : null,
  };
}

/** The entries by name, copies; fails if one was changed. */
function partsOf(bytes) {
  const content = bytes.byteOffset || bytes.byteLength < bytes.buffer.byteLength ? bytes.slice().buffer : bytes.buffer;
  const parts = new Map();
  for (const [name, { offset, size, crc }] of associatedFiles(content)) {
    const found = new Uint8Array(content.slice(offset, offset + size));
    if (crc32(found) !== crc) throw damaged(`${name} was changed`);
    parts.set(name, found);
  }
  return parts;
}

function part(parts, name) {
  const found = parts.get(name);
  if (!found) throw damaged(`${name} is missing`);
  return found;
}

function arrayOf(parts, name, Values, length) {
  const bytes = part(parts, name);
  if (bytes.length !== length * Values.BYTES_PER_ELEMENT) throw damaged(`${name} has ${bytes.length} bytes, expected ${length * Values.BYTES_PER_ELEMENT}`);
  return new Values(bytes.buffer);
}

function checkIds(name, ids, low, high) {
  if (!ids.every((id, i) => id >= low && id < high && (i === 0 || id > ids[i - 1]))) throw damaged(`${name} does not ascend within [${low}, ${high})`);
}

function metadataOf(parts, added) {
  const offsets = arrayOf(parts, OFFSETS, Uint32Array, added + 1);
  const bytes = part(parts, BYTES);
  const ascends = offsets.every((offset, i) => i === 0 || offset >= offsets[i - 1]);
  if (!ascends || offsets[added] !== bytes.length) throw damaged(`${OFFSETS} does not fit ${BYTES}`);
  return Array.from({ length: added }, (_, i) => bytes.subarray(offsets[i], offsets[i + 1]));
}

function factsOf(parts, added) {
  if (!parts.has(FACTS_LIST)) return new Map();
  const stored = new StoredFacts(part(parts, FACTS_LIST), part(parts, FACTS_DATA), added);
  return new Map([...stored.types.keys()].map((name) => [name, stored.read(name)]));
}

function damaged(what) {
  return new SearcherError(`This is no overlay file, or it is damaged: ${what}. Save it again.`);
}
