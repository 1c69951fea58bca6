// Tests the preview in headless Chromium.
//
//   npm ci --prefix tests/web --ignore-scripts
//   node tests/web/run.mjs [--work build/web] [--python python] [--chromium /usr/bin/chromium] [--only WORDS]
//
// `fixtures.py` makes the test data (sites, pictures, Python's results) in the work folder; a second run reuses it.
// Screenshots go to WORK/screenshots.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, loadavg } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { filterTests } from "./filters.mjs";
import { overlayTests } from "./overlays.mjs";
import { photoTests } from "./photos.mjs";
import { playerTests } from "./player.mjs";
import { soundTests } from "./sounds.mjs";
import { environment, FLAGS, serverOf } from "./serving.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, "../..");
const { values: given } = parseArgs({
  options: {
    work: { type: "string", default: join(ROOT, "build", "web") },
    python: { type: "string", default: "python" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    only: { type: "string", default: "" },
  },
});
const TOLERANCE = 1e-5;
const FIRST_RESULT = 2000; // milliseconds from the address to the first result, 100,000 items, localhost, on a machine with nothing else to do
const RUNS = 5; // tries to stay below that
const QUERY = 50; // milliseconds a query, 100,000 items
const DESKTOP = { width: 1280, height: 860 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const work = resolve(given.work);
const screenshots = join(work, "screenshots");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// ---- what the tests stand on -------------------------------------------------------------------------------------------------------

const tests = [];
const test = (name, run) => tests.push({ name, run });

function makeFixtures() {
  const done = spawnSync(given.python, [join(HERE, "fixtures.py"), "make", work], { env: environment, stdio: ["ignore", "inherit", "pipe"] });
  if (done.status !== 0) {
    process.stderr.write(done.stderr);
    throw new Error("fixtures.py failed");
  }
}

/** What a Python program prints, which is JSON. */
function python(program, ...values) {
  const done = spawnSync(given.python, ["-c", program, ...values], { env: environment, maxBuffer: 1 << 26 });
  assert.equal(done.status, 0, String(done.stderr));
  return JSON.parse(done.stdout);
}

/** Serves a site. */
const serve = (site) => serverOf(given.python, join(work, site));

let browser;
const sites = {};
let expected;

/** Opens a page and fails the test on any error that the page did not expect. */
async function visit(address, { options = {}, timed = false, waitFor = "#results li", errors = [], route } = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, serviceWorkers: route ? "block" : "allow", ...options });
  if (route) await context.route(route.url, route.answer);
  const page = await context.newPage();
  // Milliseconds from the navigation to the frame that shows the first result.
  if (timed) {
    await page.addInitScript(() => {
      const observer = new MutationObserver(() => {
        if (!document.querySelector("#results .figure:not(:empty)")) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => (globalThis.firstResult = performance.now())));
      });
      observer.observe(document, { childList: true, subtree: true });
    });
  }
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(address);
  if (waitFor) await page.waitForSelector(waitFor, { timeout: 30_000 });
  if (timed) await page.waitForFunction(() => globalThis.firstResult > 0);
  return { page, errors, close: () => context.close() };
}

const items = (page) => page.$$eval("#results li", (all) => all.map((li) => Number(li.dataset.item)));
const distances = (page) =>
  page.$$eval("#results .figure", (all) => all.map((e) => Number(e.textContent.replace("\u2212", "-"))));
const names = (page) => page.$$eval("#results .name", (all) => all.map((e) => e.textContent));
const answered = (page) => page.waitForFunction(() => document.getElementById("latency").textContent !== "", null, { timeout: 30_000 });
const ask = (page, call, ...values) => page.evaluate(([c, v]) => pocketSearcher.call(c, ...v), [call, values]);

function same(found, wanted, what) {
  assert.equal(found.length >= wanted.length, true, `${what}: ${found.length} answers`);
  wanted.forEach(([metadata, distance], i) => {
    assert.equal(found[i].metadata, metadata, `${what}, place ${i + 1}`);
    assert.ok(Math.abs(found[i].distance - distance) <= TOLERANCE, `${what}, place ${i + 1}: ${found[i].distance}, not ${distance}`);
  });
}

async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return found.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`);
}

async function shoot(page, name, options = {}) {
  await page.waitForFunction(() => [...document.images].every((i) => i.complete || i.loading === "lazy"));
  await page.waitForTimeout(200);
  await page.screenshot({ path: join(screenshots, `${name}.png`), ...options });
}

// ---- the tests ---------------------------------------------------------------------------------------------------------------------

/** Asks a page every golden query of its file. */
async function checkGolden(page) {
  const { golden } = await page.evaluate(() => pocketSearcher.opened().manifest);
  assert.ok(golden.length >= 3);
  for (const entry of golden) {
    const found = await page.evaluate(async ({ signature, query }) => {
      if (signature === "search_text") return pocketSearcher.call("searchText", query);
      if (signature === "search_embedding") return pocketSearcher.call("searchEmbedding", query);
      const { height, width } = pocketSearcher.opened().manifest.query.image;
      const pixels = Uint8Array.from({ length: height * width * 3 }, (_, i) => {
        const [y, x, c] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3];
        return (3 * x + 5 * y + 60 * c) % 256;
      });
      return pocketSearcher.call("searchPixels", pixels);
    }, entry);
    const what = `${entry.signature} ${String(entry.query).slice(0, 40)}`;
    const nearest = found.neighbors.slice(0, entry.ids.length);
    assert.deepEqual(nearest.map((n) => n.item), entry.ids, what);
    // As maker.export.golden.check does: relative where distances are large.
    const allowed = TOLERANCE * Math.max(1, ...entry.distances.map(Math.abs));
    nearest.forEach((n, i) => assert.ok(Math.abs(n.distance - entry.distances[i]) <= allowed, `${what}: ${n.distance}, not ${entry.distances[i]}`));
  }
  return golden.length;
}

test("golden queries find what Python finds", async () => {
  let count = 0;
  for (const site of [sites.sample, sites.large, sites.vectors]) {
    const { page, errors, close } = await visit(site.address);
    count += await checkGolden(page);
    assert.deepEqual(errors, []);
    await close();
  }
  return `${count} queries`;
});

test("browsers without relaxed SIMD (Safari) find the same", async () => {
  // LiteRT.js tries a small module that uses it; here that is refused.
  const refuse = "{ const own = WebAssembly.instantiate; WebAssembly.instantiate = (m, ...r) => m.byteLength < 100 ? Promise.reject(new Error()) : own(m, ...r); }\n";
  const route = {
    url: "**/worker.js",
    answer: async (r) => {
      const response = await r.fetch();
      await r.fulfill({ response, body: refuse + (await response.text()) });
    },
  };
  const { page, errors, close } = await visit(sites.sample.address, { route });
  const loaded = await page.evaluate(() => pocketSearcher.opened().loaded);
  assert.ok(loaded.some((url) => url.endsWith("litert_wasm_compat_internal.wasm")), loaded.join(" "));
  const count = await checkGolden(page);
  assert.deepEqual(errors, []);
  await close();
  return `${count} queries`;
});

test("a searcher without encoders takes its items as queries", async () => {
  const { page, errors, close } = await visit(sites.vectors.address);
  assert.equal(await page.isDisabled("#query"), true);
  assert.match((await page.$$eval("#results .text", (all) => all.map((e) => e.textContent)))[0], /^thing \d+$/);
  assert.equal(await page.isVisible("#choose"), false);
  assert.match(await page.textContent("#message"), /^500 items, here are some/);
  for (const [item, wanted] of Object.entries(expected.codes)) same((await ask(page, "searchItems", [Number(item)])).neighbors, wanted, `item ${item}`);
  await page.click("#results li:nth-child(4) button");
  await answered(page);
  assert.deepEqual(await violations(page), []);
  await shoot(page, "desktop-vectors");
  assert.deepEqual(errors, []);
  await close();
});

test("the modules work in a page of its own", async () => {
  const host = await serve("host");
  const page = await browser.newPage();
  await page.goto(host.address); // nothing but a title: the modules are imported from the site below
  const [name, { neighbors: wanted }] = Object.entries(expected.pictures)[0].map((v) => (typeof v === "string" ? v : { neighbors: v }));
  const picture = readFileSync(join(work, name)).toString("base64");
  const found = await page.evaluate(async ({ words, picture }) => {
    const { loadRuntime, Searcher } = await import("/pages/searcher.js");
    const { pixelsOf } = await import("/pages/picture.js");
    await loadRuntime(new URL("/pages/vendor/litert/", location.href));
    const searcher = await Searcher.open(await (await fetch("/pages/searcher.tflite")).arrayBuffer());
    const blob = new Blob([Uint8Array.from(atob(picture), (c) => c.charCodeAt(0))]);
    const byPicture = await searcher.searchImage(await pixelsOf(blob, searcher.preparation));
    const byWords = await searcher.searchText(words);
    return { byPicture: byPicture.neighbors, byWords: byWords.neighbors, item: searcher.item(3), damaged: await searcher.damagedParts(), knows: searcher.knowsItems };
  }, { words: expected.matched.words, picture });
  assert.deepEqual(found.byPicture.slice(0, wanted.length).map((n) => n.metadata), wanted.map(([metadata]) => metadata));
  assert.equal(found.byWords.length, expected.matched.found);
  assert.match(found.item, /\.png$/);
  assert.deepEqual(found.damaged, []);
  assert.equal(found.knows, false);
  await page.close();
  await host.stop();
});

test("a site below the root of a host works and keeps to itself", async () => {
  const host = await serve("host");
  const { page, errors, close } = await visit(`${host.address}pages/#q=a+tree`);
  await answered(page);
  await page.waitForFunction(() => document.documentElement.dataset.offline === "ready", null, { timeout: 30_000 });
  assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.ready).scope), `${host.address}pages/`);
  await page.goto(host.address);
  assert.equal(await page.title(), "host");
  assert.deepEqual(errors.filter((e) => !e.includes("404")), []);
  await close();
  await host.stop();
});

test("the gallery, typing, the address and the way back", async () => {
  const { page, errors, close } = await visit(sites.sample.address);
  assert.match(await page.textContent("#message"), /^280 pictures, here are some/);
  assert.equal((await items(page)).length, 24);
  await shoot(page, "desktop-gallery");
  assert.equal(await page.evaluate(() => document.activeElement.id), "query");
  await page.keyboard.type("a red ball", { delay: 15 });
  await answered(page);
  await page.waitForFunction(() => location.hash === "#q=a+red+ball");
  await page.waitForFunction(() => document.getElementById("heading").textContent.includes("a red ball"));
  const python = await ask(page, "searchText", "a red ball");
  assert.deepEqual(await items(page), python.neighbors.map((n) => n.item));
  assert.match(await page.textContent("#status"), /^\s*50 nearest of 280 pictures in [\d.]+ ms\s*$/);
  const shown = await distances(page);
  assert.ok(shown.every((d, i) => i === 0 || d >= shown[i - 1]), "ascending");
  await shoot(page, "desktop-words");
  // Enter does not leave the page; emptying the box brings the gallery back.
  await page.keyboard.press("Enter");
  await page.fill("#query", "");
  await page.waitForFunction(() => document.getElementById("heading").textContent === "Some of the pictures");
  assert.equal(new URL(page.url()).hash, "");
  // A link to a search opens it.
  const other = await visit(`${sites.sample.address}#q=a+red+ball`);
  await answered(other.page);
  assert.equal(await other.page.inputValue("#query"), "a red ball");
  assert.deepEqual(await items(other.page), python.neighbors.map((n) => n.item));
  // An example is a link too.
  await page.click("#examples a");
  await answered(page);
  assert.ok((await page.inputValue("#query")).length > 3);
  await page.goBack();
  await page.waitForFunction(() => document.getElementById("heading").textContent === "Some of the pictures");
  assert.deepEqual([...errors, ...other.errors], []);
  await other.close();
  await close();
});

test("pretrained text towers take sentences as they are", async () => {
  const names = Object.keys(expected.tokenized);
  assert.ok(names.length >= 4);
  for (const name of names) {
    const site = await serve(`tokenized/${name}/site`);
    const { page, errors, close } = await visit(site.address);
    for (const { words, items: wanted } of expected.tokenized[name]) {
      const { neighbors } = await ask(page, "searchText", words);
      assert.deepEqual(neighbors.slice(0, wanted.length).map((n) => n.metadata), wanted, `${name}: ${words}`);
    }
    assert.deepEqual(errors, []);
    await close();
    await site.stop();
  }
});

test("a curve that looks at the query judges as in Python", async () => {
  const { page, errors, close } = await visit(sites.found.address);
  for (const { query, found: surely, relevance, matches } of expected.judged) {
    const result = await ask(page, "searchText", query);
    assert.ok(Math.abs(result.found - surely) < 1e-4, `${query}: found ${result.found}, expected ${surely}`);
    result.neighbors.forEach((n, i) => assert.ok(Math.abs(n.relevance - relevance[i]) < 1e-4, `${query}: result ${i}`));
    await page.fill("#query", query);
    await page.waitForFunction((words) => document.getElementById("heading").textContent.includes(words), `“${query}”`);
    assert.equal((await items(page)).length, matches, query);
  }
  assert.equal(new Set(expected.judged.map(({ matches }) => matches > 0)).size, 2);
  assert.deepEqual(errors, []);
  await close();
});

test("matches by the file's cut, weaker ones on request, and an empty result", async () => {
  const { matched, unmatched, gated } = expected;
  assert.ok(matched.matches > 0 && matched.matches < matched.found && unmatched.above === 0);
  const { page, errors, close } = await visit(sites.relevant.address);
  const shown = () => page.$$eval("#results .figure", (all) => all.map((e) => e.textContent));
  await page.fill("#query", matched.words);
  await answered(page);
  await page.waitForFunction((words) => document.getElementById("heading").textContent.includes(words), matched.words);
  assert.equal((await items(page)).length, matched.matches);
  assert.match(await page.textContent("#status"), new RegExp(`^\\s*${matched.matches} match(es)? among 280 pictures in`));
  assert.equal((await shown())[0], `${Math.round(100 * matched.best)} %`);
  assert.equal(await page.textContent("#show-weaker"), `Show ${matched.found - matched.matches} weaker matches`);
  assert.deepEqual(await violations(page), []);
  await shoot(page, "desktop-matches", { fullPage: true });
  await page.focus("#show-weaker");
  await page.keyboard.press("Enter");
  assert.equal((await items(page)).length, matched.found);
  assert.equal(await page.isVisible("#weaker"), false);
  // The keyboard goes on at the first picture that was hidden.
  const focused = await page.evaluate(() => [...document.querySelectorAll("#results li")].indexOf(document.activeElement.closest("li")));
  assert.equal(focused, matched.matches);
  const { neighbors } = await ask(page, "searchText", matched.words);
  assert.deepEqual(await items(page), neighbors.map((n) => n.item));
  // Without a match, the page says so and offers the nearest items.
  await page.fill("#query", unmatched.words);
  await page.waitForSelector("#nothing:not([hidden])");
  assert.equal((await items(page)).length, 0);
  assert.match(await page.textContent("#nothing"), new RegExp(`Nothing seems to match “${unmatched.words}”`));
  assert.match(await page.textContent("#status"), /^\s*No match among 280 pictures in/);
  assert.deepEqual(await violations(page), []);
  await shoot(page, "desktop-nothing");
  await page.click("#show-weaker");
  assert.equal((await items(page)).length, unmatched.found);
  assert.equal(await page.isVisible("#nothing"), false);
  // A first result below the gate makes all results weaker, those above the cut, too.
  assert.ok(gated.above > 0 && gated.matches === 0);
  await page.fill("#query", gated.words);
  await page.waitForFunction((words) => document.getElementById("nothing-text").textContent.includes(words), gated.words);
  assert.equal((await items(page)).length, 0);
  assert.match(await page.textContent("#status"), /^\s*No match among 280 pictures in/);
  await page.click("#show-weaker");
  assert.equal((await items(page)).length, gated.found);
  // Pictures have no curve: all that is nearest is shown, with distances; and so is the gallery.
  await page.click("#results li:first-child button");
  await page.waitForFunction(() => document.getElementById("heading").textContent === "Pictures like the chosen one");
  assert.match((await shown())[0], /^\u2212?\d\.\d{3}$/);
  assert.equal(await page.isVisible("#weaker"), false);
  assert.deepEqual(errors, []);
  await close();
  const phone = await visit(`${sites.relevant.address}#q=${encodeURIComponent(unmatched.words)}`, { options: PHONE, waitFor: "#nothing:not([hidden])" });
  assert.deepEqual(await violations(phone.page), []);
  await shoot(phone.page, "phone-nothing");
  await phone.close();
});

test("stale answers are dropped", async () => {
  const { page, errors, close } = await visit(sites.sample.address);
  // Twenty queries at once: only the last result may be shown, and not all queries need to run.
  await page.evaluate(() => {
    globalThis.shown = [];
    const heading = document.getElementById("heading");
    new MutationObserver(() => shown.push(heading.textContent)).observe(heading, { childList: true });
    const input = document.getElementById("query");
    for (let i = 0; i < 20; i++) {
      input.value = i === 19 ? "a blue car" : `a red ball ${i}`;
      document.getElementById("search").requestSubmit();
    }
  });
  await page.waitForFunction(() => document.getElementById("heading").textContent.includes("a blue car"));
  const { neighbors } = await ask(page, "searchText", "a blue car");
  await page.waitForTimeout(300);
  assert.deepEqual(await items(page), neighbors.map((n) => n.item));
  assert.deepEqual(await page.evaluate(() => shown), ["Pictures for “a blue car”"]);
  assert.deepEqual(errors, []);
  await close();
});

test("pictures: chosen, dropped and pasted find what Python finds", async () => {
  const { page, errors, close } = await visit(sites.sample.address);
  for (const [name, wanted] of Object.entries(expected.pictures)) {
    const file = join(work, name);
    const type = name.endsWith(".png") ? "image/png" : "image/jpeg";
    const content = readFileSync(file).toString("base64");
    const found = await page.evaluate(
      ([data, kind]) => pocketSearcher.call("searchTogether", { words: "", like: [], picture: new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], { type: kind }) }),
      [content, type],
    );
    // Decoders and roundings differ by a level here and there, so distances may by a little more than the runtimes'.
    found.neighbors.slice(0, 3).forEach((n, i) => {
      assert.ok(Math.abs(n.distance - wanted[i][1]) < 2e-3, `${name}, place ${i + 1}: ${n.distance}, not ${wanted[i][1]}`);
    });
    assert.equal(found.neighbors[0].metadata, wanted[0][0], name);
  }
  const [large_] = Object.keys(expected.pictures);
  await page.setInputFiles("#file", join(work, large_));
  await answered(page);
  const chosen = await items(page);
  assert.equal(await page.textContent("#query-picture-name"), large_);
  assert.equal(await page.textContent("#heading"), "Pictures like yours");
  await shoot(page, "desktop-picture");
  const give = (kind) =>
    page.evaluate(
      ([data, event]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], "given.png", { type: "image/png" }));
        if (event === "paste") return document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        for (const step of ["dragenter", "dragover", event].filter((s, i, all) => all.indexOf(s) === i)) {
          document.body.dispatchEvent(new DragEvent(step, { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }
      },
      [readFileSync(join(work, large_)).toString("base64"), kind],
    );
  for (const kind of ["drop", "paste"]) {
    await page.click("#query-picture-clear");
    await page.waitForFunction(() => document.getElementById("heading").textContent === "Some of the pictures");
    if (kind === "drop") {
      await give("dragenter");
      assert.equal(await page.isVisible("#drop"), true);
      await shoot(page, "desktop-drop");
      await page.evaluate(() => document.body.dispatchEvent(new DragEvent("dragleave", { dataTransfer: new DataTransfer(), bubbles: true })));
    }
    await give(kind);
    await answered(page);
    assert.equal(await page.isVisible("#drop"), false);
    assert.deepEqual(await items(page), chosen, kind);
  }
  // A file that is not a picture gives a message, and the page still works.
  await page.setInputFiles("#file", { name: "broken.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no picture") });
  await page.waitForFunction(() => document.getElementById("message").textContent.includes("“broken.jpg” cannot be read as a picture."));
  await page.fill("#query", "a tree");
  await answered(page);
  assert.deepEqual(errors, []);
  await close();
});

test("Pillow's filters are Python's bit by bit", async () => {
  const { page, close } = await visit(sites.sample.address);
  const preparations = [
    { height: 24, width: 24, resize: "pillow_bicubic", crop: "center", shortest_side: 30 },
    { height: 60, width: 70, resize: "pillow_bilinear", crop: "none" },
  ];
  const found = await page.evaluate(async (preparations) => {
    const { prepare } = await import("./picture.js");
    const rgba = Uint8ClampedArray.from({ length: 37 * 53 * 4 }, (_, i) => (i * 7919 + (i >> 3) * 104729) % 256);
    return preparations.map((preparation) => Array.from(prepare(rgba, 37, 53, preparation)));
  }, preparations);
  const program = `
import json, sys, numpy as np
from task.format.preparation import preparation_of
from task.vision.resize import prepare
i = np.arange(37 * 53 * 4)
rgba = ((i * 7919 + (i >> 3) * 104729) % 256).astype(np.uint8).reshape(37, 53, 4)
print(json.dumps([prepare(np.ascontiguousarray(rgba[:, :, :3]), p["height"], p["width"], preparation_of(p)).reshape(-1).tolist() for p in json.loads(sys.argv[1])]))`;
  assert.deepEqual(found, python(program, JSON.stringify(preparations)));
  await close();
});

test("resizing is Python's to one level", async () => {
  const { page, close } = await visit(sites.sample.address);
  const found = await page.evaluate(async () => {
    const { resize } = await import("./picture.js");
    const rgba = Uint8ClampedArray.from({ length: 37 * 53 * 4 }, (_, i) => (i * 7919 + (i >> 3) * 104729) % 256);
    return [[16, 16], [224, 224], [37, 20], [80, 53]].map(([h, w]) => Array.from(resize(rgba, 37, 53, h, w)));
  });
  const program = `
import json, numpy as np
from task.vision.resize import resize
i = np.arange(37 * 53 * 4)
rgba = ((i * 7919 + (i >> 3) * 104729) % 256).astype(np.uint8).reshape(37, 53, 4)
print(json.dumps([resize(np.ascontiguousarray(rgba[:, :, :3]), h, w).reshape(-1).tolist() for h, w in ((16, 16), (224, 224), (37, 20), (80, 53))]))`;
  const wantedOf = python(program);
  let different = 0;
  let worst = 0;
  let all = 0;
  wantedOf.forEach((wanted, i) => wanted.forEach((v, j) => {
    all += 1;
    different += v !== found[i][j];
    worst = Math.max(worst, Math.abs(v - found[i][j]));
  }));
  assert.ok(worst <= 1 && different <= all / 1000, `${different} of ${all} values differ, by ${worst}`);
  await close();
  return `${different} of ${all} values differ`;
});

test("more like this finds what Python finds for the stored row", async () => {
  const { page, errors, close } = await visit(sites.sample.address);
  for (const [item, wanted] of Object.entries(expected.like)) same((await ask(page, "searchItems", [Number(item)])).neighbors, wanted, `item ${item}`);
  const first = (await items(page))[1];
  const name = (await names(page))[1];
  await page.click("#results li:nth-child(2) button");
  await answered(page);
  assert.equal(new URL(page.url()).hash, `#like=${first}`);
  assert.equal((await items(page))[0], first);
  assert.ok(Math.abs((await distances(page))[0] + 1) < 0.02);
  assert.equal(await page.textContent("#query-picture-name"), name);
  await shoot(page, "desktop-like");
  await page.goBack();
  await page.waitForFunction(() => document.getElementById("query-picture").hidden);
  await page.goto(`${sites.sample.address}#like=99999`);
  await page.waitForFunction(() => document.getElementById("message").textContent.includes("There is no item 99999"));
  assert.deepEqual(errors, []);
  await close();
});

test("a minus leaves out, several pictures add up: as in Python", async () => {
  const { page, errors, close } = await visit(sites.sample.address);
  for (const [text, wanted] of Object.entries(expected.composed)) same((await ask(page, "searchWords", text)).neighbors, wanted, text);
  for (const [items_, wanted] of Object.entries(expected.several)) {
    same((await ask(page, "searchItems", items_.split(",").map(Number))).neighbors, wanted, `items ${items_}`);
  }
  await page.fill("#query", Object.keys(expected.composed)[0]);
  await answered(page);
  await page.waitForFunction(() => location.hash.startsWith("#q=") && location.hash.includes("-"));
  assert.equal((await items(page)).length > 0, true);
  await page.fill("#query", "-house");
  await page.waitForFunction(() => document.getElementById("message").textContent.startsWith("Say what to find"));
  await page.fill("#query", "");
  await page.waitForFunction(() => document.querySelectorAll("#results li").length > 3);
  const [first, second] = await items(page);
  await page.click("#results li:nth-child(1) button");
  await page.waitForFunction(() => location.hash.startsWith("#like="));
  await answered(page);
  const other = (await items(page))[2];
  await page.focus("#results li:nth-child(3) button");
  await page.keyboard.press("Shift+Enter");
  await page.waitForFunction((hash) => location.hash === hash, `#like=${first},${other}`);
  await page.waitForFunction(() => document.getElementById("query-picture-name").textContent.endsWith("and 1 more"));
  assert.notEqual(second, undefined);
  assert.deepEqual(errors, []);
  await close();
});

test("the keyboard does everything", async () => {
  const { page, errors, close } = await visit(sites.sample.address);
  await page.keyboard.type("a house");
  await page.waitForFunction(() => document.getElementById("heading").textContent === "Pictures for “a house”");
  await page.keyboard.press("ArrowDown");
  const at = () => page.evaluate(() => [...document.querySelectorAll("#results li")].indexOf(document.activeElement.closest("li")));
  assert.equal(await at(), 0);
  await page.keyboard.press("ArrowRight");
  assert.equal(await at(), 1);
  await page.keyboard.press("ArrowDown");
  assert.ok((await at()) > 2);
  await page.keyboard.press("ArrowUp");
  assert.equal(await at(), 1);
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.evaluate(() => document.activeElement.id), "query");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash.startsWith("#like=") && !document.getElementById("query-picture").hidden);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => location.hash === "");
  await page.click("#about summary");
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "query");
  assert.deepEqual(errors, []);
  await close();
});

test("no accessibility violations (axe), light and dark, desktop and phone", async () => {
  for (const colorScheme of ["light", "dark"]) {
    for (const [device, options] of [["desktop", {}], ["phone", PHONE]]) {
      const { page, errors, close } = await visit(sites.sample.address, { options: { ...options, colorScheme } });
      const where = `${device}-${colorScheme}`;
      assert.deepEqual(await violations(page), [], `${where} gallery`);
      if (device === "phone" && colorScheme === "light") await shoot(page, "phone-gallery");
      await page.fill("#query", "a red ball next to a tree");
      await answered(page);
      assert.deepEqual(await violations(page), [], `${where} words`);
      await shoot(page, `${where}-words`);
      await page.click("#results li:nth-child(3) button");
      await page.waitForFunction(() => !document.getElementById("query-picture").hidden);
      await page.click("#about summary");
      assert.deepEqual(await violations(page), [], `${where} like`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where}: scrolls sideways`);
      await shoot(page, `${where}-like`);
      if (colorScheme === "light") {
        await page.locator("footer").scrollIntoViewIfNeeded();
        await shoot(page, `${where}-about`);
      }
      assert.deepEqual(errors, []);
      await close();
    }
  }
});

test("the page's policy lets nothing from elsewhere in", async () => {
  const requests = [];
  const context = await browser.newContext({ viewport: DESKTOP });
  const page = await context.newPage();
  context.on("request", (request) => requests.push(request.url()));
  await page.goto(sites.sample.address);
  await page.waitForSelector("#results li");
  assert.deepEqual(requests.filter((url) => !url.startsWith(sites.sample.address) && !url.startsWith("blob:")), []);
  const refused = await page.evaluate(async () => {
    const seen = [];
    addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
    await fetch("https://example.com/").catch(() => {});
    // Not at once: what a debugger evaluates may evaluate.
    setTimeout(() => {
      new Function("return 1")();
      seen.push("eval was allowed");
    });
    await new Promise((done) => setTimeout(done, 200));
    return seen;
  });
  assert.deepEqual([...new Set(refused)].sort(), ["connect-src", "script-src"]);
  await context.close();
});

test("works without a connection after the first load", async () => {
  const server = await serve("sample");
  const { page, errors, close } = await visit(server.address);
  await page.fill("#query", "a red ball");
  await answered(page);
  await page.waitForFunction(() => document.documentElement.dataset.offline === "ready", null, { timeout: 30_000 });
  const found = await items(page);
  await server.stop();
  await page.goto("about:blank");
  await page.goto(`${server.address}#q=a+red+ball`);
  await answered(page);
  assert.deepEqual(await items(page), found);
  await page.waitForFunction(() => document.documentElement.dataset.offline === "ready"); // said after the answer, not with it
  assert.match(await page.textContent("#offline"), /works offline/);
  await page.reload();
  await answered(page);
  await page.fill("#query", "a blue car");
  await page.waitForFunction(() => document.getElementById("heading").textContent.includes("a blue car"));
  assert.deepEqual(errors.filter((e) => !/thumbnails|ERR_CONNECTION_RE|ERR_FAILED/.test(e)), []);
  await shoot(page, "desktop-offline");
  await close();
});

test("a renewed site takes the place of the one that was kept", async () => {
  const folder = join(work, "renewed");
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(work, "sample"), folder, { recursive: true });
  const change = (name, from, to) => {
    const text = readFileSync(join(folder, name), "utf8");
    assert.match(text, from);
    writeFileSync(join(folder, name), text.replace(from, to));
  };
  const server = await serve("renewed");
  const { page, errors, close } = await visit(server.address);
  await page.waitForFunction(() => document.documentElement.dataset.offline === "ready", null, { timeout: 30_000 });
  assert.equal(await page.textContent("#title"), "sample");
  change("site.json", /"title": "sample"/, '"title": "renewed"');
  change("service-worker.js", /"version": "\w+"/, '"version": "0123456789abcdef"');
  await page.reload(); // shows what was kept, and fetches the new one meanwhile
  const kept = () => page.evaluate(async () => (await caches.keys()).join());
  for (let tries = 0; (await kept()) !== "shell-0123456789abcdef,shown-0123456789abcdef"; tries++) {
    assert.ok(tries < 150, await kept());
    await page.waitForTimeout(200);
  }
  await page.reload();
  await page.waitForFunction(() => document.getElementById("title").textContent === "renewed");
  await page.waitForSelector("#results li");
  assert.deepEqual(errors, []);
  // The new one is whole: it needs no connection either.
  await server.stop();
  await page.reload();
  await page.waitForSelector("#results li");
  assert.equal(await page.textContent("#title"), "renewed");
  await close();
});

test("damaged files are told, in words", async () => {
  const content = readFileSync(join(work, "sample.tflite"));
  const flipped = Buffer.from(content);
  flipped[content.length >> 1] ^= 0x40;
  const newer = Buffer.from(content);
  const version = newer.indexOf('"format_version": 1');
  newer.write('"format_version": 9', version);
  const noTflite = Buffer.from(content);
  noTflite.write("XXXX", 4);
  const noDirectory = Buffer.from(content);
  noDirectory.fill(0, noDirectory.lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2])), noDirectory.lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2])) + 4);
  const noModel = Buffer.from(content);
  noModel.fill(0xff, 64, 4096);
  const cases = [
    ["truncated", { body: content.subarray(0, content.length - 5000) }, /was truncated or changed/],
    ["not found", { status: 404, body: "none" }, /the server responds with 404/],
    ["no model", { body: noTflite }, /is not a TFLite model/],
    ["directory", { body: noDirectory }, /list of associated files cannot be read/],
    ["graph", { body: noModel }, /LiteRT.js cannot compile the model/],
    ["newer", { body: newer }, /format version 9; this page supports 1/],
  ];
  for (const [name, answer, message] of cases) {
    const route = { url: "**/searcher.tflite", answer: (r) => r.fulfill({ contentType: "application/octet-stream", ...answer }) };
    const { page, close } = await visit(sites.sample.address, { route, waitFor: "#failure:not([hidden])" });
    assert.match(await page.textContent("#reason"), message, name);
    assert.deepEqual(await violations(page), [], name);
    if (name === "truncated") {
      await shoot(page, "desktop-damaged");
      // The file is whole again: trying again helps.
      await page.context().unroute(route.url);
      await page.click("#retry");
      await page.waitForSelector("#results li");
    }
    await close();
  }
  // A flipped constant still answers; the digest tells.
  const route = { url: "**/searcher.tflite", answer: (r) => r.fulfill({ contentType: "application/octet-stream", body: flipped }) };
  const { page, close } = await visit(sites.sample.address, { route, waitFor: "#warning:not([hidden])" });
  assert.match(await page.textContent("#warning"), /damaged: model does not match/);
  assert.deepEqual(await violations(page), []);
  await shoot(page, "desktop-flipped");
  await close();
});

test("100,000 items: first result and query in time", async () => {
  const times = [];
  // Where others compute too, everything takes longer; by half at most is let pass.
  const limit = FIRST_RESULT * Math.min(1.5, Math.max(1, loadavg()[0] / availableParallelism()));
  for (let run = 1; ; run++) {
    const { page, errors, close } = await visit(`${sites.large.address}#q=a+red+ball`, { timed: true });
    times.push(await page.evaluate(() => firstResult));
    // The machine may be busy with something else; one run in time shows that the page can.
    if (times.at(-1) < limit || run === RUNS) {
      assert.equal((await items(page)).length, 50);
      const queries = [];
      for (let i = 0; i < 40; i++) queries.push((await ask(page, "searchText", `a red ball and ${i} trees`)).milliseconds);
      const likes = [];
      for (let i = 0; i < 40; i++) likes.push((await ask(page, "searchItems", [i * 2357])).milliseconds);
      const at = (share) => [queries, likes].map((all) => all.sort((a, b) => a - b)[Math.floor(share * all.length)]);
      const [query, like] = at(0.5);
      const slow = Math.max(...at(0.95)); // the slowest of all may be one that the machine interrupted
      assert.ok(slow < QUERY, `p95 of the queries ${slow} ms`);
      await shoot(page, "desktop-large");
      assert.deepEqual(errors, []);
      const first = Math.min(...times);
      assert.ok(first < limit, `first result after ${times.map(Math.round).join(", ")} ms, limit ${Math.round(limit)}`);
      await close();
      return `first result ${times.map(Math.round).join(", ")} ms (limit ${Math.round(limit)}); search_text p50 ${query.toFixed(1)}, search_embedding p50 ${like.toFixed(1)}, p95 ${slow.toFixed(1)} ms`;
    }
    await close();
  }
});

filterTests({ test, visit, serve, items, answered, ask, violations, shoot, newPage: () => browser.newPage(), work, sites, PHONE });

overlayTests({ test, serve, newPage: () => browser.newPage(), work });
soundTests({ test, visit, serve, names, answered, work });
playerTests({ test, visit, serve, answered, violations, shoot });
photoTests({ test, visit, serve, python, answered, ask, violations, shoot, work, sites, expected: () => expected, PHONE });

// ---- running them ------------------------------------------------------------------------------------------------------------------

if (!existsSync(given.chromium)) {
  process.stderr.write(`${given.chromium}: not found; install Debian's chromium, or name one with --chromium\n`);
  process.exit(2);
}
mkdirSync(screenshots, { recursive: true });
makeFixtures();
expected = JSON.parse(readFileSync(join(work, "expected.json")));
browser = await chromium.launch({ executablePath: given.chromium, args: FLAGS });
await Promise.all(["sample", "relevant", "found", "album", "large", "vectors", "empty"].map(async (name) => (sites[name] = await serve(name))));
let failed = 0;
for (const { name, run } of tests.filter((t) => t.name.includes(given.only))) {
  const start = performance.now();
  try {
    const note = await run();
    process.stdout.write(`ok    ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)${note ? `: ${note}` : ""}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAIL  ${name}\n      ${String(error.stack ?? error).replaceAll("\n", "\n      ")}\n`);
    for (const context of browser.contexts()) await context.close();
  }
}
await browser.close();
await Promise.all(Object.values(sites).map((site) => site.stop()));
process.stdout.write(failed ? `${failed} failed\n` : `all passed; screenshots in ${screenshots}\n`);
process.exit(failed ? 1 : 0);
