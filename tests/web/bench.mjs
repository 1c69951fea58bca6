// Measures how fast the page adds photos, how long queries take meanwhile, and how much memory that needs: `make bench-page`.
//
//   node tests/web/bench.mjs [--work build/bench-page] [--python python] [--chromium /usr/bin/chromium]

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { environment, FLAGS, serverOf } from "./serving.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, "../..");
const { values: given } = parseArgs({
  options: {
    work: { type: "string", default: join(ROOT, "build", "bench-page") },
    python: { type: "string", default: "python" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
const RUNS = [ // encoder, size and number of photos
  ["MobileNetV2", "large", 80],
  ["MobileNetV2", "small", 300],
  ["EfficientNet-Lite2", "large", 80],
  ["EfficientNet-Lite2", "small", 300],
  ["MobileNetV2", "least", 10_000],
];
const EVERY = 300; // milliseconds between two queries
const work = resolve(given.work);
const MB = 1 << 20;

const made = spawnSync(given.python, [join(HERE, "bench_fixtures.py"), work], { env: environment, stdio: "inherit" });
if (made.status !== 0) process.exit(1);

/** The memory of a process that is not that of files, in bytes: what Chromium's task manager counts, and shared memory. */
function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return ["RssAnon", "RssShmem", "VmSwap"].reduce((sum, name) => sum + 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)[1]), 0);
}

/** Adds photos to a page, asks meanwhile, and says how that went. */
async function measure(address, size, count) {
  const browser = await chromium.launch({ executablePath: given.chromium, args: FLAGS });
  const session = await browser.newBrowserCDPSession();
  const context = await browser.newContext({ serviceWorkers: "block" });
  await context.route("**/bench/*", (route) => route.fulfill({ contentType: "image/jpeg", body: readFileSync(join(work, size, basename(route.request().url()))) }));
  const page = await context.newPage();
  await page.goto(address);
  await page.waitForFunction(() => globalThis.pocketSearcher?.photos?.());
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = () => processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  const memory = () => Math.max(...renderers().map((pid) => { try { return memoryOf(pid); } catch { return 0; } }));
  const before = memory();
  await page.evaluate(async ({ names, count }) => {
    const blobs = []; // the browser holds what they contain, as it holds files
    for (const name of names) blobs.push(await (await fetch(`bench/${name}`)).blob());
    const files = Array.from({ length: count }, (_, i) => ({
      path: `album ${i % 97}/${i}.jpg`,
      read: async () => new File([blobs[i % blobs.length]], `${i}.jpg`, { lastModified: i }),
    }));
    globalThis.started = performance.now();
    globalThis.adding = pocketSearcher.photos().add(files).then(() => (globalThis.ended = performance.now()));
  }, { names: readdirSync(join(work, size)), count });
  let most = 0;
  const asking = page.evaluate(async (every) => {
    const times = [];
    const words = ["a red ball", "two orange birds", "a black cat in the forest", "a house and a tree", "a boat on the lake"];
    await new Promise((done) => setTimeout(done, 2000));
    while (!globalThis.ended) {
      const start = performance.now();
      await pocketSearcher.call("searchWords", words[times.length % words.length], {});
      times.push(performance.now() - start);
      await new Promise((done) => setTimeout(done, every));
    }
    return times;
  }, EVERY);
  const sampling = setInterval(() => (most = Math.max(most, memory())), 500);
  const times = (await asking).sort((a, b) => a - b);
  clearInterval(sampling);
  const seconds = (await page.evaluate(() => ended - started)) / 1000;
  const { added, failed } = await page.evaluate(() => pocketSearcher.photos().progress);
  const after = memory();
  await browser.close();
  if (added !== count) throw new Error(`${added} of ${count} photos were added; ${JSON.stringify(failed.slice(0, 3))}`);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? NaN;
  return { speed: count / seconds, p50: at(0.5), p95: at(0.95), p99: at(0.99), slowest: times.at(-1) ?? NaN, asked: times.length, before, most, after };
}

for (const [tower, size, count] of RUNS) {
  const server = await serverOf(given.python, join(work, tower));
  const { speed, p50, p95, p99, slowest, asked, before, most, after } = await measure(server.address, size, count);
  const memory = [before, most, after].map((bytes) => Math.round(bytes / MB));
  process.stdout.write(
    `${tower}, ${count} photos, ${size}: ${speed.toFixed(1)} photos/s; query p50 ${p50.toFixed(1)}, p95 ${p95.toFixed(1)}, p99 ${p99.toFixed(1)}, slowest ${slowest.toFixed(1)} ms (${asked}); ` +
      `renderer ${memory[0]} MiB before, ${memory[1]} at most, ${memory[2]} after\n`,
  );
  await server.stop();
}
