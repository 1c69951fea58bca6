// ZIP archives of stored entries: that behind the model, and overlay files.

import { DAMAGED, SearcherError } from "./errors.js";

/**
 * Finds the associated files, which TFLite Metadata stores after the model as an uncompressed ZIP archive.
 * @param {ArrayBuffer} content The whole file.
 * @returns {Map<string, {offset: number, size: number, header: number, crc: number}>} In no particular order; empty if there are none.
 */
export function associatedFiles(content) {
  const view = new DataView(content);
  const files = new Map();
  let end = -1;
  for (let at = content.byteLength - 22; at >= Math.max(0, content.byteLength - 22 - 0xffff); at--) {
    if (view.getUint32(at, true) === 0x06054b50) {
      end = at;
      break;
    }
  }
  if (end < 0) return files;
  try {
    let at = view.getUint32(end + 16, true);
    for (let left = view.getUint16(end + 10, true); left > 0; left--) {
      if (view.getUint32(at, true) !== 0x02014b50) throw new RangeError("directory entry");
      const method = view.getUint16(at + 10, true);
      const [crc, size, header] = [16, 24, 42].map((field) => view.getUint32(at + field, true));
      const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
      const key = new TextDecoder().decode(new Uint8Array(content, at + 46, name));
      if (method !== 0) throw new SearcherError(`The associated file ${key} is compressed, expected an uncompressed archive. Build the searcher again.`);
      const offset = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
      if (offset + size > content.byteLength) throw new RangeError(key);
      files.set(key, { offset, size, header, crc });
      at += 46 + name + extra + comment;
    }
  } catch (error) {
    if (error instanceof SearcherError) throw error;
    throw new SearcherError(`The list of associated files cannot be read. ${DAMAGED}`);
  }
  return files;
}

const MADE_BY_UNIX = (3 << 8) | 20; // on every platform, so that the same content gives the same bytes
const NEEDED = 20; // version of ZIP
const FIXED_DATE = 33; // 1980-01-01, the earliest
const MODE = 0o644;

/**
 * Writes an archive: the same bytes as `task/format/archive.py`.
 * @param {[string, Uint8Array][]} entries Names, in ASCII, and contents.
 * @returns {Uint8Array}
 */
export function storedArchive(entries) {
  const named = entries.map(([name, content]) => ({ name: new TextEncoder().encode(name), content, crc: crc32(content) }));
  const size = named.reduce((sum, { name, content }) => sum + 30 + name.length + content.length, 0);
  const directory = named.reduce((sum, { name }) => sum + 46 + name.length, 0);
  const archive = new Uint8Array(size + directory + 22);
  const view = new DataView(archive.buffer);
  const put = (at, fields) => {
    for (const [width, value] of fields) {
      if (width === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
      at += width;
    }
    return at;
  };
  const common = ({ name, content, crc }) => [[2, NEEDED], [2, 0], [2, 0], [2, 0], [2, FIXED_DATE], [4, crc], [4, content.length], [4, content.length], [2, name.length], [2, 0]];
  let at = 0;
  const headers = [];
  for (const entry of named) {
    headers.push(at);
    at = put(at, [[4, 0x04034b50], ...common(entry)]);
    for (const part of [entry.name, entry.content]) {
      archive.set(part, at);
      at += part.length;
    }
  }
  named.forEach((entry, i) => {
    at = put(at, [[4, 0x02014b50], [2, MADE_BY_UNIX], ...common(entry), [2, 0], [2, 0], [2, 0], [4, MODE * 0x10000], [4, headers[i]]]);
    archive.set(entry.name, at);
    at += entry.name.length;
  });
  put(at, [[4, 0x06054b50], [2, 0], [2, 0], [2, named.length], [2, named.length], [4, directory], [4, size], [2, 0]]);
  return archive;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The CRC-32 of ZIP. */
export function crc32(bytes) {
  let value = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) value = CRC_TABLE[(value ^ bytes[i]) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
