// Arrays in an associated file, as the JSON beside it describes them: the same as `task/format/arrays.py`.

import { DAMAGED, SearcherError } from "./errors.js";

const TYPES = {
  "<i1": Int8Array, "<i2": Int16Array, "<i4": Int32Array, "<i8": BigInt64Array,
  "<u1": Uint8Array, "<u2": Uint16Array, "<u4": Uint32Array, "<f4": Float32Array, "<f8": Float64Array,
};

/**
 * Reads an array. It is a copy, because associated files are not aligned.
 * @param {Uint8Array} bytes The associated file.
 * @param {{offset: number, length: number, type: string}} place
 * @param {string} what Its name in errors.
 * @param {number} [length] The number of values that it has to have.
 * @returns A typed array; numbers of 8 bytes as Float64Array, because they are exact there.
 */
export function arrayAt(bytes, place, what, length) {
  const { offset, length: count, type } = place ?? {};
  const Values = Object.hasOwn(TYPES, type ?? "") ? TYPES[type] : null;
  const whole = Values && [offset, count].every((value) => Number.isInteger(value) && value >= 0);
  if (!whole || offset + count * Values.BYTES_PER_ELEMENT > bytes.length) throw new SearcherError(`The ${what} are not within their file. ${DAMAGED}`);
  if (length !== undefined && count !== length) throw new SearcherError(`There are ${count} ${what}, expected ${length}. ${DAMAGED}`);
  const values = new Values(bytes.slice(offset, offset + count * Values.BYTES_PER_ELEMENT).buffer);
  return values instanceof BigInt64Array ? Float64Array.from(values, Number) : values;
}

const ALIGNMENT = 8; // bytes

/** Collects arrays for an associated file. */
export class Arrays {
  #parts = [];
  #size = 0;

  /**
   * Appends an array.
   * @param {Int8Array | Float64Array} values Any typed array.
   * @returns {{offset: number, length: number, type: string}} Its place.
   */
  put(values) {
    const padding = -this.#size & (ALIGNMENT - 1);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#parts.push(new Uint8Array(padding), bytes);
    const offset = this.#size + padding;
    this.#size = offset + bytes.length;
    return { offset, length: values.length, type: Object.keys(TYPES).find((type) => values instanceof TYPES[type]) };
  }

  /** All of them. */
  get content() {
    return joinedBytes(this.#parts);
  }
}

/** Bytes one after the other. */
export function joinedBytes(parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** JSON in one line, with the spaces that Python writes. */
export function jsonLine(value) {
  if (Array.isArray(value)) return `[${value.map(jsonLine).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, held]) => `${JSON.stringify(key)}: ${jsonLine(held)}`).join(", ")}}`;
}

/** Refuses beginnings of parts that descend, or do not go from 0 to the end of the last. */
export function checkAscending(starts, end, what) {
  let ascends = starts.length > 0 && starts[0] === 0 && starts.at(-1) === end;
  for (let i = 1; ascends && i < starts.length; i++) ascends = starts[i] >= starts[i - 1];
  if (!ascends) throw new SearcherError(`The places in the ${what} do not ascend from 0 to ${end}. ${DAMAGED}`);
}

/** The content of a JSON file. */
export function jsonOf(bytes, name) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new SearcherError(`${name} cannot be read. ${DAMAGED}`);
  }
}

/** The place of the first of some ascending values that is not below another. */
export function lowerBound(values, wanted) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
