// Asks LiteRT.js a searcher's golden queries in Node: node ask.mjs FOLDER_WITH_node_modules BUILD searcher.tflite < queries.json
//
// BUILD is one of the scripts in core/wasm: litert_wasm_internal.js with relaxed SIMD, litert_wasm_compat_internal.js without.
// Prints what ask.py prints. LiteRT.js is written for browsers: its wasm is started with importScripts, which Node lacks.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runInThisContext } from "node:vm";

const [folder, build, path] = process.argv.slice(2);
const packages = join(folder, "node_modules", "@litertjs");
const wasm = join(packages, "core", "wasm");
Object.assign(globalThis, {
  self: globalThis,
  __dirname: wasm,
  require: createRequire(import.meta.url),
  importScripts: (script) => runInThisContext(`${readFileSync(script, "utf8")}\nglobalThis.ModuleFactory = ModuleFactory;`, { filename: script }),
  Module: { locateFile: (name) => join(wasm, name), print: () => {}, printErr: (line) => line.startsWith("ERROR") && console.error(line) },
});

const { loadAndCompile, loadLiteRt, Tensor } = await import(pathToFileURL(join(packages, "core", "dist", "index.js")).href);
await loadLiteRt(join(wasm, build));
const model = await loadAndCompile(new Uint8Array(readFileSync(path)), { accelerator: "wasm" });

function queryTensor({ signature, query, shape }) {
  if (signature === "search_embedding") return new Tensor(Float32Array.from(query), shape);
  const bytes = new Uint8Array(shape.reduce((a, b) => a * b));
  if (signature === "search_image") {
    const width = shape[2];
    bytes.forEach((_, i) => (bytes[i] = (3 * (Math.floor(i / 3) % width) + 5 * Math.floor(i / 3 / width) + 60 * (i % 3)) % 256));
  } else {
    bytes.set(new TextEncoder().encode(query));
  }
  return new Tensor(bytes, shape);
}

const answers = [];
for (const entry of JSON.parse(readFileSync(0, "utf8"))) {
  const found = await model.run(entry.signature, { query: queryTensor(entry) });
  answers.push([found.ids, found.distances].map((tensor) => [...tensor.toTypedArray()].slice(0, entry.ids.length)));
}
const { version } = JSON.parse(readFileSync(join(packages, "core", "package.json"), "utf8"));
console.log(JSON.stringify({ version, machine: `wasm32 on ${process.arch}`, python: `Node ${process.versions.node}`, answers }));
process.exit(0);
