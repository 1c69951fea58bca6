// The parts of a searcher file: the model, the manifest, the metadata of the items, and other associated files.

import { associatedFiles } from "./archive.js";
import { jsonOf } from "./arrays.js";
import { DAMAGED, SearcherError } from "./errors.js";

const FORMAT = "pocket-searcher";
const VERSION = 1;
const MANIFEST = "searcher.json";
const OFFSETS = "items.offsets";
const BYTES = "items.bytes";

/** Reads a searcher file in place. */
export class SearcherFile {
  #content;
  #files;
  #modelSize;
  #offsets;

  /** The content of `searcher.json`. */
  manifest;

  /** @param {ArrayBuffer} content The whole file. */
  constructor(content) {
    this.#content = content;
    const start = new Uint8Array(content, 0, Math.min(8, content.byteLength));
    if (new TextDecoder().decode(start.subarray(4)) !== "TFL3") {
      throw new SearcherError("The file is not a TFLite model: bytes 4 to 8 are not TFL3. Copy the searcher here again.");
    }
    this.#files = associatedFiles(content);
    this.#modelSize = Math.min(content.byteLength, ...[...this.#files.values()].map((file) => file.header));
    const missing = [MANIFEST, OFFSETS, BYTES].find((name) => !this.has(name));
    if (missing) throw new SearcherError(`The file has no ${missing}: it is not a searcher, or it is truncated. Copy it here again.`);
    this.manifest = jsonOf(this.bytes(MANIFEST), MANIFEST);
    const { format, format_version: version, items } = this.manifest;
    if (format !== FORMAT || !Number.isInteger(version)) throw new SearcherError(`${MANIFEST} does not contain "format": "${FORMAT}". ${DAMAGED}`);
    if (version > VERSION) {
      throw new SearcherError(`The file has format version ${version}; this page supports ${VERSION}. Write the page again with a newer maker preview.`);
    }
    const offsets = this.#files.get(OFFSETS);
    this.#offsets = new DataView(content, offsets.offset, offsets.size);
    if (offsets.size !== 4 * (items + 1) || this.#offsets.getUint32(4 * items, true) !== this.#files.get(BYTES).size) {
      throw new SearcherError(`The item table does not match the ${items} items of the manifest. ${DAMAGED}`);
    }
  }

  /** The model, a view. */
  get model() {
    return new Uint8Array(this.#content, 0, this.#modelSize);
  }

  /** Whether there is an associated file. */
  has(name) {
    return this.#files.has(name);
  }

  /** The content of an associated file, a view; null if there is none. */
  bytes(name) {
    if (!this.has(name)) return null;
    const { offset, size } = this.#files.get(name);
    return new Uint8Array(this.#content, offset, size);
  }

  /** The metadata of an item of the file as text. */
  item(item) {
    const { items } = this.manifest;
    if (!(item >= 0 && item < items)) throw new SearcherError(`There is no item ${item}; the file has ${items} items.`);
    const [start, end, limit] = [item, item + 1, items].map((i) => this.#offsets.getUint32(4 * i, true));
    if (start > end || end > limit) throw new SearcherError(`The entry of item ${item} cannot be read. ${DAMAGED}`);
    return new TextDecoder().decode(new Uint8Array(this.#content, this.#files.get(BYTES).offset + start, end - start));
  }

  /**
   * Compares the SHA-256 of the parts with the manifest.
   * @returns {Promise<string[]>} Names of the parts that differ.
   */
  async damagedParts() {
    const damaged = [];
    for (const [name, expected] of Object.entries(this.manifest.sha256 ?? {})) {
      const part = name === "model" ? this.model : this.bytes(name);
      const digest = part && new Uint8Array(await crypto.subtle.digest("SHA-256", part));
      if (!digest || Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") !== expected) damaged.push(name);
    }
    return damaged;
  }
}
