// Tests that the page's modules read and write the shared overlays of tests/overlays.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const TOLERANCE = 1e-4; // of distances: those of the shared cases

/** Registers the tests. */
export function overlayTests({ test, serve, newPage, work }) {
  test("overlays are Python's byte by byte, find the same, and are refused where they are damaged", async () => {
    const host = await serve("host");
    const page = await newPage();
    await page.goto(host.address);
    const { cases, refused } = JSON.parse(readFileSync(join(work, "host", "overlays", "overlays.json")));
    const found = await page.evaluate(tryOverlays, { cases, refused });
    for (const [i, { name, file, answers }] of cases.entries()) {
      assert.equal(found.cases[i].bytes, readFileSync(join(work, "host", "overlays", file)).toString("base64"), name);
      for (const [kind, neighbors] of [["before", found.cases[i].before], ["again", found.cases[i].again]]) {
        answers.forEach((answer, question) => {
          const what = `${name}, ${kind}, question ${question}`;
          const items = neighbors[question].map(({ item }) => item);
          if (answer.first) assert.deepEqual(items.slice(0, answer.first.length), answer.first, what);
          else {
            assert.deepEqual(items, answer.ids, what);
            neighbors[question].forEach(({ distance }, place) => assert.ok(Math.abs(distance - answer.distances[place]) <= TOLERANCE * Math.max(1, Math.abs(distance)), `${what}: ${distance}, not ${answer.distances[place]}`));
          }
        });
      }
    }
    refused.forEach(({ file, why, newer }, i) => {
      assert.match(found.refused[i] ?? "", newer ? /has format version \d+; this page supports 2/ : /This is no overlay file, or it is damaged|belongs to another searcher/, `${file}: ${why}`);
    });
    assert.ok(cases.length > 8 && refused.length > 20);
    await page.close();
    await host.stop();
    return `${cases.length} overlays, ${refused.length} refused`;
  });
}

/** Runs in the page: does what the cases say. */
async function tryOverlays({ cases, refused }) {
  const { loadRuntime, Searcher } = await import("/pages/searcher.js");
  await loadRuntime(new URL("/pages/vendor/litert/", location.href));
  const fetched = async (name) => (await fetch(`/overlays/${name}`)).arrayBuffer();
  const rows = await (await fetch("/overlays/rows.json")).json();
  const open = async (base) => Searcher.open(await fetched(base), rows[base]);
  const base64 = (bytes) => {
    let text = "";
    for (let at = 0; at < bytes.length; at += 1 << 15) text += String.fromCharCode(...bytes.subarray(at, at + (1 << 15)));
    return btoa(text);
  };
  const answers = async (searcher, asked) => {
    const all = [];
    for (const { query, k, allowed, where } of asked) all.push((await searcher.searchEmbedding(Float32Array.from(query), { k, allowed, where })).neighbors);
    return all;
  };
  const done = [];
  for (const { base, start, operations, answers: asked } of cases) {
    const searcher = await open(base);
    if (start) await searcher.loadOverlay(new Uint8Array(await fetched(start)));
    for (const { add, add_file: file, metadata, facts, captions, remove } of operations) {
      if (remove !== undefined) searcher.remove(remove);
      else if (add) await searcher.add(Float32Array.from(add), metadata, { facts, captions });
      else {
        const vectors = new Float32Array(await fetched(file));
        const width = searcher.manifest.dimension;
        for (let i = 0; i < vectors.length / width; i++) await searcher.add(vectors.subarray(i * width, (i + 1) * width), metadata.replace("{}", i));
      }
    }
    const bytes = await searcher.saveOverlay();
    const before = await answers(searcher, asked);
    const again = await open(base);
    await again.loadOverlay(bytes);
    done.push({ bytes: base64(bytes), before, again: await answers(again, asked) });
  }
  const reasons = [];
  for (const { base, file } of refused) {
    const searcher = await open(base);
    const bytes = new Uint8Array(await fetched(file));
    reasons.push(await searcher.loadOverlay(bytes).then(() => null, (error) => error.message));
  }
  return { cases: done, refused: reasons };
}
