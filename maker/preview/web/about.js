// What the page says about its searcher.

import { counted, noun, percent } from "./wording.js";

/**
 * Shows what the searcher is.
 * @param {{site: object, manifest: object, signatures: string[]}} opened What the worker knows.
 */
export function showAbout(opened) {
  const { site, manifest, signatures } = opened;
  const { report = {}, index = {}, encoders = {} } = manifest;
  fact(`${noun(opened)}s`, manifest.items.toLocaleString("en"));
  fact("file", `${(site.searcher.bytes / 1e6).toFixed(1)} MB, ${manifest.dimension} dimensions, ${manifest.distance.replace("_", " ")}`);
  const queries = signatures.filter((s) => s.startsWith(manifest.items ? "search_" : "embed_"));
  fact("queries", queries.map((s) => s.slice(s.indexOf("_") + 1)).join(", "));
  if (encoders.text?.spec) fact("text encoder", `${encoders.text.spec}${encoders.text.vocabulary ? `, ${counted(encoders.text.vocabulary, "word")}` : ""}`);
  if (encoders.image?.spec) fact("image encoder", encoders.image.spec);
  if (manifest.items && index.kind) fact("index", `${index.kind}, rows ${index.rows}, ${Math.round(100 * index.share_scanned)} % scanned`);
  if (report.index?.["index_recall@10"] !== undefined) fact("index recall@10", String(report.index["index_recall@10"]));
  if (report.retrieval?.["R@10"] !== undefined) fact("retrieval R@10", `${report.retrieval["R@10"]} % among ${counted(report.retrieval.images ?? 0, "picture")}`);
  const at = manifest.relevance?.search_text?.measured?.at_cut;
  const first = at?.gate === undefined ? "" : ` if ${manifest.relevance.search_text.found ? "found is" : "the first has"} ${percent(at.gate)}`;
  if (at) fact("minimum relevance", `${percent(at.cut)}${first}; keeps ${percent(at.recall_kept)} of relevant results`);
  if (manifest.user_info) fact("note", manifest.user_info.slice(0, 200));
  fact("runs on", "LiteRT.js, WebAssembly, one thread");
}

/** Shows a fact, or changes it. */
export function fact(name, value) {
  const id = `fact-${name.replace(/\W/g, "-")}`;
  let cell = document.getElementById(id);
  if (!cell) {
    const row = document.createElement("div");
    row.append(document.createElement("dt"), (cell = document.createElement("dd")));
    row.firstChild.textContent = name;
    cell.id = id;
    document.getElementById("facts").append(row);
  }
  cell.textContent = value;
}
