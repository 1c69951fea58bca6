// Tests the user's own photos in the preview.

import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const GIVEN = 64; // photos in the folder that the page is given
const LEAST_COSINE = 0.999; // of an embedding in the page and in Python, of the same file

const cosine = (a, b) => {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

/** Registers the tests. */
export function photoTests({ test, visit, serve, python, answered, ask, violations, shoot, work, sites, expected, PHONE }) {
  const folder = join(work, "photos");
  /** Waits until nothing is being added; the number of photos. */
  const settled = (page) =>
    page.waitForFunction(
      () => !document.getElementById("photos").hidden && document.getElementById("photos-progress").hidden && Number(document.getElementById("photos").dataset.count) > 0,
      null,
      { timeout: 120_000 },
    );

  /** Makes the page's folder picker give a folder with the photos, which the browser holds in a file system of its own. */
  async function giveFolder(page) {
    const files = Object.keys(expected().photos.embeddings).slice(0, GIVEN).map((name) => name.slice("photos/".length));
    await page.exposeFunction("contentOf", (name) => readFileSync(join(folder, name)).toString("base64"));
    await page.evaluate(async (names) => {
      const root = await navigator.storage.getDirectory();
      const given = await root.getDirectoryHandle("given", { create: true });
      for (const name of names) {
        let place = given;
        const parts = name.split("/");
        for (const part of parts.slice(0, -1)) place = await place.getDirectoryHandle(part, { create: true });
        const stream = await (await place.getFileHandle(parts.at(-1), { create: true })).createWritable();
        await stream.write(Uint8Array.from(atob(await contentOf(name)), (c) => c.charCodeAt(0)));
        await stream.close();
      }
      globalThis.showDirectoryPicker = async () => given;
    }, files);
    return files.length;
  }

  test("a page that is closed in the middle goes on, and what was added stays", async () => {
    const { page, errors, close } = await visit(sites.sample.address);
    const total = await giveFolder(page);
    await page.click("#photos-add");
    await page.waitForFunction(() => Number(document.getElementById("photos").dataset.count) >= 24);
    const second = await page.context().newPage();
    await page.close();
    await second.goto(sites.sample.address);
    // The browser may read this folder without being asked, so the page goes on by itself.
    await second.waitForFunction((all) => Number(document.getElementById("photos")?.dataset.count) === all, total, { timeout: 60_000 });
    await settled(second);
    const progress = await second.evaluate(() => pocketSearcher.photos().progress);
    assert.ok(progress.unchanged >= 16 && progress.added > 0 && progress.added + progress.unchanged === total, JSON.stringify(progress));
    assert.equal((await ask(second, "addedItems")).length, total);
    await second.reload();
    await second.waitForFunction((all) => Number(document.getElementById("photos")?.dataset.count) === all, total);
    assert.equal(await second.isVisible("#photos-progress"), false);
    assert.match(await second.textContent("#photos-text"), new RegExp(`^${GIVEN} photos of yours, kept in this browser$`));
    assert.deepEqual(errors, []);
    await close();
  });

  test("photos are paused, cancelled, removed one by one and all together", async () => {
    const { page, errors, close } = await visit(sites.sample.address);
    const total = await giveFolder(page);
    await page.click("#photos-add");
    await page.waitForFunction(() => Number(document.getElementById("photos").dataset.count) >= 10);
    await page.click("#photos-pause");
    await page.waitForFunction(() => document.getElementById("photos-text").textContent.endsWith("· paused"));
    await page.click("#photos-pause");
    await page.click("#photos-cancel");
    await settled(page);
    const count = await page.evaluate(() => pocketSearcher.photos().count);
    assert.ok(count >= 10 && count < total, `${count} of ${total}`);
    const [first] = await ask(page, "addedItems");
    const name = (await ask(page, "items", [first]))[0];
    await page.evaluate((item) => (location.hash = `like=${item}`), first);
    await page.waitForSelector(`#results li[data-item="${first}"] .remove`);
    await page.waitForFunction((item) => document.querySelector(`#results li[data-item="${item}"] img`)?.naturalWidth > 0, first);
    await page.hover(`#results li[data-item="${first}"]`);
    await shoot(page, "desktop-photos-remove");
    await page.evaluate(() => (location.hash = "q=a+tree"));
    await page.waitForFunction(() => document.getElementById("heading").textContent.includes("a tree"));
    await page.evaluate((item) => pocketSearcher.photos().remove(item), first);
    assert.equal((await ask(page, "addedItems")).includes(first), false);
    const { neighbors } = await page.evaluate(() => pocketSearcher.call("searchText", "a tree", { k: 1000 }));
    assert.equal(neighbors.length, (await page.evaluate(() => pocketSearcher.opened().manifest.items)) + count - 1);
    assert.ok(!neighbors.some(({ metadata }) => metadata === name));
    page.on("dialog", (dialog) => dialog.accept());
    await page.click("#photos-forget");
    await page.waitForFunction(() => document.getElementById("photos").hidden);
    assert.deepEqual(await ask(page, "addedItems"), []);
    await page.reload();
    await page.waitForSelector("#results li");
    assert.equal(await page.isVisible("#photos"), false);
    assert.deepEqual(errors, []);
    await close();
  });

  test("photos are saved as a file that Python opens, and opened again", async () => {
    const { page, errors, close } = await visit(sites.sample.address);
    await giveFolder(page);
    await page.click("#photos-add");
    await settled(page);
    const downloading = page.waitForEvent("download");
    await page.click("#photos-export");
    const download = await downloading;
    assert.equal(download.suggestedFilename(), "sample.overlay");
    const file = join(work, "sample.overlay");
    await download.saveAs(file);
    const asked = ["a red ball", "a cat and a tree"];
    const found = await Promise.all(asked.map((words) => ask(page, "searchText", words)));
    const program = `
import json, sys
from task.text import TextSearcher
with TextSearcher.create_from_file(sys.argv[1], overlay=sys.argv[2]) as searcher:
    searcher.save_overlay(sys.argv[2] + ".again")
    print(json.dumps([[(n.metadata.decode(), n.distance) for n in searcher.search(text).nearest_neighbors] for text in json.loads(sys.argv[3])]))`;
    const answers = python(program, join(work, "sample.tflite"), file, JSON.stringify(asked));
    answers.forEach((wanted, i) => {
      wanted.forEach(([name, distance], place) => {
        const { metadata, distance: here } = found[i].neighbors[place];
        assert.equal(metadata, name, `${asked[i]}, place ${place + 1}`);
        assert.ok(Math.abs(here - distance) < 1e-5, `${asked[i]}, place ${place + 1}: ${here}, not ${distance}`);
      });
    });
    assert.deepEqual(readFileSync(`${file}.again`), readFileSync(file), "Python writes the same bytes");
    page.on("dialog", (dialog) => dialog.accept());
    await page.click("#photos-forget");
    await page.waitForFunction(() => document.getElementById("photos").hidden);
    await page.setInputFiles("#photos-file", file);
    await page.waitForFunction((all) => Number(document.getElementById("photos").dataset.count) === all, GIVEN);
    assert.deepEqual((await ask(page, "searchText", asked[0])).neighbors, found[0].neighbors);
    // What is no overlay, or that of another searcher, is refused with a sentence.
    for (const [name, content, message] of [
      ["letter.overlay", Buffer.from("Dear all,"), /“letter.overlay” cannot be opened. This is no overlay file, or it is damaged/],
      ["cut.overlay", readFileSync(file).subarray(0, 5000), /“cut.overlay” cannot be opened. This is no overlay file, or it is damaged/],
    ]) {
      await page.setInputFiles("#photos-file", { name, mimeType: "application/octet-stream", buffer: content });
      await page.waitForFunction((expected) => new RegExp(expected).test(document.getElementById("photos-trouble").textContent), message.source);
    }
    assert.equal(await page.evaluate(() => pocketSearcher.photos().count), GIVEN);
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(errors, []);
    await close();
  });

  test("one tab at a time changes photos, and the other one goes on when it is closed", async () => {
    const { page, errors, close } = await visit(sites.sample.address);
    const second = await page.context().newPage();
    await second.goto(sites.sample.address);
    await second.waitForSelector("#results li");
    await second.setInputFiles("#photos-folder", join(folder, "home"));
    await second.waitForFunction(() => document.getElementById("photos-trouble").textContent.startsWith("Another tab has this page open"));
    await page.bringToFront();
    await page.setInputFiles("#photos-folder", join(folder, "home"));
    await settled(page);
    const count = await page.evaluate(() => pocketSearcher.photos().count);
    await page.close();
    await second.waitForFunction((all) => pocketSearcher.photos().count === all, count);
    await second.setInputFiles("#photos-folder", join(folder, "trip"));
    await second.waitForFunction((all) => pocketSearcher.photos().count > all, count);
    assert.deepEqual(errors, []);
    await close();
  });

  test("photos of another searcher are told, and indexed again", async () => {
    const { page, errors, close } = await visit(sites.sample.address);
    const total = await giveFolder(page);
    await page.click("#photos-add");
    await settled(page);
    await page.evaluate(async () => {
      const opening = indexedDB.open("photos of /");
      await new Promise((done) => (opening.onsuccess = done));
      const change = opening.result.transaction("state", "readwrite");
      const asking = change.objectStore("state").get("overlay");
      asking.onsuccess = () => change.objectStore("state").put({ ...asking.result, base: "0".repeat(64) }, "overlay");
      await new Promise((done) => (change.oncomplete = done));
    });
    await page.reload();
    await page.waitForSelector("#photos-again:not([hidden])");
    assert.match(await page.textContent("#photos-text"), new RegExp(`^The searcher of this page has changed. ${GIVEN} photos of yours were indexed for the one before.$`));
    assert.deepEqual(await ask(page, "addedItems"), []);
    assert.deepEqual(await violations(page), []);
    await shoot(page, "desktop-photos-outdated");
    await page.click("#photos-again");
    await page.waitForFunction((all) => Number(document.getElementById("photos").dataset.count) === all, total);
    await settled(page);
    assert.equal(await page.isVisible("#photos-again"), false);
    assert.deepEqual(errors, []);
    await close();
  });

  test("a searcher without items finds the photos that are added", async () => {
    const { page, errors, close } = await visit(sites.empty.address, { waitFor: "#nothing-add:not([hidden])" });
    assert.match(await page.textContent("#nothing"), /There are no photos here yet/);
    assert.deepEqual(await violations(page), []);
    await shoot(page, "desktop-photos-empty");
    await giveFolder(page);
    await page.click("#nothing-add");
    await settled(page);
    await page.waitForFunction(() => document.getElementById("nothing").hidden && document.querySelectorAll("#results li").length === 24);
    assert.match(await page.textContent("#message"), new RegExp(`^${GIVEN} photos, here are some`));
    // The same photos in the overlay of another base have the same distances; and words of their names count.
    await page.fill("#query", "a red ball");
    await answered(page);
    await page.waitForFunction(() => document.getElementById("heading").textContent.includes("a red ball"));
    const { embeddings } = expected().photos;
    const vector = await ask(page, "embedText", "a red ball");
    const { neighbors } = await ask(page, "searchText", "a red ball");
    const dots = neighbors.map(({ metadata }) => vector.reduce((sum, value, i) => sum + value * embeddings[metadata.replace(/^given/, "photos")][i], 0));
    neighbors.forEach(({ distance }, i) => assert.ok(Math.abs(distance + dots[i]) < 0.02, `${i}: ${distance}, not ${-dots[i]}`));
    const named = await page.evaluate(() => pocketSearcher.call("searchText", "moving", { lexical: "only" }));
    assert.ok(named.neighbors.length > 3 && named.neighbors.every(({ metadata }) => metadata.includes("moving")));
    await page.click("#results li:nth-child(3) button");
    await page.waitForFunction(() => location.hash.startsWith("#like="));
    await answered(page);
    await shoot(page, "desktop-photos-only");
    await page.reload();
    await page.waitForSelector("#results li");
    assert.deepEqual(errors, []);
    await close();
    const phone = await visit(sites.empty.address, { options: PHONE, waitFor: "#nothing-add:not([hidden])" });
    assert.deepEqual(await violations(phone.page), []);
    await shoot(phone.page, "phone-photos-empty");
    await phone.close();
  });

  test("several photos that are dropped are added, and an overlay file is opened", async () => {
    const { page, errors, close } = await visit(sites.empty.address, { waitFor: "#nothing-add:not([hidden])" });
    const drop = (names) =>
      page.evaluate((files) => {
        const transfer = new DataTransfer();
        for (const [name, content] of files) transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name, { lastModified: 1 }));
        for (const step of ["dragenter", "dragover", "drop"]) document.body.dispatchEvent(new DragEvent(step, { dataTransfer: transfer, bubbles: true, cancelable: true }));
      }, names.map((name) => [name.split("/").at(-1), readFileSync(name).toString("base64")]));
    await drop(["home/älter/000 exif.jpg", "trip/001 exif.jpg", "broken/letter.jpg", "trip/.nomedia"].map((name) => join(folder, name)));
    await settled(page);
    assert.match(await page.textContent("#photos-text"), /^2 photos of yours, kept in this browser; 1 other file left out$/);
    assert.deepEqual(await page.$$eval("#photos-failed-list li", (all) => all.map((entry) => entry.textContent)), ["letter.jpg: it is a text, not a picture"]);
    await drop([join(work, "sample.tflite")]); // one file is a query
    await page.waitForFunction(() => document.getElementById("message").textContent.includes("“sample.tflite” cannot be read as a picture."));
    const bytes = await page.evaluate(async () => btoa(String.fromCharCode(...(await pocketSearcher.photos().exported()))));
    writeFileSync(join(work, "dropped.overlay"), Buffer.from(bytes, "base64"));
    page.on("dialog", (dialog) => dialog.accept());
    await page.click("#photos-forget");
    await page.waitForFunction(() => document.getElementById("photos").hidden);
    await drop([join(work, "dropped.overlay")]);
    await page.waitForFunction(() => Number(document.getElementById("photos").dataset.count) === 2);
    assert.deepEqual(errors, []);
    await close();
  });

  test("the page of the guide on own photos works as it stands there", async () => {
    const guide = readFileSync(join(ROOT, "docs", "guide", "own-photos.md"), "utf8");
    const block = (language) => new RegExp(`\n\`\`\`${language}\n([\\s\\S]*?)\n\`\`\``).exec(guide)[1];
    rmSync(join(work, "own"), { recursive: true, force: true });
    cpSync(join(work, "empty"), join(work, "own"), { recursive: true });
    writeFileSync(join(work, "own", "index.html"), block("html"));
    writeFileSync(join(work, "own", "page.js"), block("js"));
    const server = await serve("own");
    const { page, close } = await visit(server.address, { waitFor: "#photos" });
    await page.waitForFunction(() => document.getElementById("photos").onchange);
    const told = [];
    page.on("dialog", (dialog) => told.push(dialog.message()) && dialog.accept());
    await page.setInputFiles("#photos", ["home/älter/000 exif.jpg", "broken/letter.jpg", "trip/001 exif.jpg"].map((name) => join(folder, name)));
    for (let found = 0; found < 2; found = await page.locator("#found li").count()) {
      await page.fill("#query", "");
      await page.fill("#query", "a red ball");
    }
    assert.deepEqual(told, ["“letter.jpg” cannot be read as a picture."]);
    await close();
    await server.stop();
  });

  test("photos on a phone, light and dark", async () => {
    for (const colorScheme of ["light", "dark"]) {
      const { page, errors, close } = await visit(sites.album.address, { options: { ...PHONE, colorScheme } });
      await page.setInputFiles("#photos-folder", join(folder, "broken"));
      await page.waitForSelector("#photos-failed:not([hidden])");
      await page.setInputFiles("#photos-folder", join(folder, "trip"));
      await page.waitForFunction(() => Number(document.getElementById("photos").dataset.count) > 4);
      await page.click("#photos-pause");
      await page.waitForFunction(() => document.getElementById("photos-text").textContent.endsWith("· paused"));
      assert.deepEqual(await violations(page), []);
      await shoot(page, `phone-photos-${colorScheme}-adding`);
      await page.click("#photos-cancel");
      await settled(page);
      // Words of their names and facts of the file find them, too.
      await page.fill("#query", "moving gif");
      await page.waitForFunction(() => document.getElementById("heading").textContent.includes("moving gif"));
      assert.deepEqual(await violations(page), []);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "scrolls sideways");
      await shoot(page, `phone-photos-${colorScheme}`);
      assert.deepEqual(errors, []);
      await close();
    }
  });

  test("a folder of photos of all kinds is added, searched at once and kept apart from what is broken", async () => {
    const { page, errors, close } = await visit(sites.sample.address);
    const requests = [];
    page.context().on("request", (request) => requests.push(request));
    await page.setInputFiles("#photos-folder", folder);
    await page.waitForFunction(() => Number(document.getElementById("photos").dataset.count) > 20);
    // While the others are still being added, the first ones are found.
    await page.fill("#query", "a red ball");
    await answered(page);
    await page.waitForFunction(() => document.getElementById("heading").textContent.includes("a red ball"));
    assert.equal(await page.isVisible("#photos-progress"), true);
    await shoot(page, "desktop-photos-adding");
    await settled(page);
    const { broken, others, embeddings } = expected().photos;
    const listed = await page.$$eval("#photos-failed-list li", (all) => all.map((entry) => entry.textContent));
    const added = await ask(page, "addedItems");
    const names = await ask(page, "items", added);
    const far = [];
    for (const [i, name] of names.entries()) {
      const near = cosine(await page.evaluate((item) => pocketSearcher.call("embeddingOf", item).then((v) => [...v]), added[i]), embeddings[name]);
      if (!(near >= LEAST_COSINE)) far.push(`${name}: ${near}`);
    }
    assert.deepEqual(far, []);
    assert.deepEqual(listed.sort(), Object.entries(broken).map(([name, reason]) => `photos/${name}: ${reason}`));
    assert.deepEqual([...names].sort(), Object.keys(embeddings).sort());
    assert.match(await page.textContent("#photos-text"), new RegExp(`^${names.length} photos of yours, kept in this browser; ${others} other files left out`));
    // Nothing of the photos leaves the browser, not even their names: the page only fetches files of the site.
    await page.evaluate((item) => (location.hash = `like=${item}`), added[0]);
    await page.waitForFunction(() => document.getElementById("query-picture-image").naturalWidth > 0);
    const asked = requests.map((request) => ({ method: request.method(), body: request.postData(), url: request.url() })).filter(({ url }) => !url.startsWith("blob:"));
    const fetched = ({ method, body, url }) => method === "GET" && body === null && existsSync(join(work, "sample", decodeURIComponent(new URL(url).pathname)));
    assert.deepEqual(asked.filter((request) => !request.url.startsWith(sites.sample.address) || !fetched(request)), []);
    assert.ok(asked.some(({ url }) => url.endsWith("photo-worker.js")));
    await page.goBack();
    assert.deepEqual(await violations(page), []);
    await page.click("#photos-failed-summary");
    await shoot(page, "desktop-photos");
    assert.deepEqual(errors, []);
    await close();
  });
}
