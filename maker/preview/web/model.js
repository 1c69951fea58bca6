// The model of a searcher file, run by LiteRT.js.

import { DAMAGED, SearcherError } from "./errors.js";
import { loadAndCompile, loadLiteRt, Tensor } from "./vendor/litert/index.js";

/**
 * Loads LiteRT.js once.
 * @param {URL} folder The folder of its files.
 */
export async function loadRuntime(folder) {
  self.Module = {
    // By default, a worker looks for the wasm in the folder of its script.
    locateFile: (name) => new URL(name, folder).href,
    // LiteRT logs all messages to stderr.
    printErr: (line) => line.startsWith("ERROR") && console.error(line),
  };
  try {
    await loadLiteRt(folder.href);
  } catch (error) {
    throw new SearcherError(`LiteRT.js cannot start here (${describe(error)}). Use a current browser.`);
  }
}

/** A compiled model. */
export class Model {
  #compiled;

  /**
   * Compiles a model; call `loadRuntime` first.
   * @param {Uint8Array} bytes
   */
  static async compile(bytes) {
    const model = new Model();
    try {
      // Without `accelerator`, LiteRT.js uses WebGPU if available, which lacks some of the operators.
      model.#compiled = await loadAndCompile(bytes, { accelerator: "wasm" });
    } catch (error) {
      throw new SearcherError(`LiteRT.js cannot compile the model (${describe(error)}). ${DAMAGED}`);
    }
    return model;
  }

  /** Names of the signatures: `search_text`, `embed_image`, …. */
  get signatures() {
    return Object.keys(this.#compiled.signatures);
  }

  /** The shape of what a signature takes. */
  shape(signature) {
    const runner = this.#compiled.signatures[signature];
    if (!runner) throw new SearcherError(`This file does not support ${signature}; it has ${this.signatures.join(", ")}.`);
    return Array.from(runner.getInputDetails()[0].shape);
  }

  /** Runs a signature; its outputs by name. */
  async run(signature, query) {
    const shape = this.shape(signature);
    const expected = shape.reduce((a, b) => a * b);
    if (query.length !== expected) throw new SearcherError(`${signature} takes ${expected} values, but the query has ${query.length}.`);
    const input = new Tensor(query, shape);
    let outputs = {};
    try {
      outputs = await this.#compiled.run(signature, { query: input });
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.toTypedArray().slice()]));
    } finally {
      // Tensors are in the wasm's memory, which is not garbage-collected.
      for (const tensor of [input, ...Object.values(outputs)]) tensor.delete();
    }
  }
}

function describe(error) {
  return String(error?.message ?? error).split("\n")[0].slice(0, 200);
}
