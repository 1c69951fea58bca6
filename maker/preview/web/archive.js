// The ZIP archive behind the model: where its files are.

import { DAMAGED, SearcherError } from "./errors.js";

/**
 * Finds the associated files, which TFLite Metadata stores after the model as an uncompressed ZIP archive.
 * @param {ArrayBuffer} content The whole file.
 * @returns {Map<string, {offset: number, size: number, header: number}>} In no particular order; empty if there are none.
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
      const [method, size, header] = [view.getUint16(at + 10, true), view.getUint32(at + 24, true), view.getUint32(at + 42, true)];
      const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
      const key = new TextDecoder().decode(new Uint8Array(content, at + 46, name));
      if (method !== 0) throw new SearcherError(`The associated file ${key} is compressed, expected an uncompressed archive. Build the searcher again.`);
      const offset = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
      if (offset + size > content.byteLength) throw new RangeError(key);
      files.set(key, { offset, size, header });
      at += 46 + name + extra + comment;
    }
  } catch (error) {
    if (error instanceof SearcherError) throw error;
    throw new SearcherError(`The list of associated files cannot be read. ${DAMAGED}`);
  }
  return files;
}
