// Tests that the page takes sounds as queries: files, and what the microphone hears.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const TOLERANCE = 1e-3; // browsers decode 16 bits by another scale than Python

/** Registers the tests. */
export function soundTests({ test, serve, visit, names, answered, work }) {
  test("sounds that are chosen or dropped find what Python finds", async () => {
    const site = await serve("sounds");
    const { page, errors, close } = await visit(site.address);
    const { sounds } = JSON.parse(readFileSync(join(work, "expected.json")));
    assert.equal(await page.getAttribute("#file", "accept"), "audio/*,video/*");
    assert.match(await page.textContent("#heading"), /Some of the sounds/);
    for (const [name, wanted] of Object.entries(sounds)) {
      await page.setInputFiles("#file", join(work, "sound-files", name));
      await page.waitForFunction((shown) => document.getElementById("query-picture-name").textContent === shown, name);
      await answered(page);
      assert.equal(await page.textContent("#heading"), "Sounds like yours");
      assert.deepEqual((await names(page)).slice(0, 3), wanted.slice(0, 3).map(([found]) => found), name);
      const figures = await page.$$eval("#results .figure", (all) => all.map((e) => Number(e.textContent.replace("\u2212", "-"))));
      wanted.forEach(([, distance], i) => assert.ok(Math.abs(figures[i] - distance) <= TOLERANCE, `${name}: ${figures[i]}, not ${distance}`));
    }
    await page.setInputFiles("#file", { name: "broken.wav", mimeType: "audio/wav", buffer: Buffer.from("no sound") });
    await page.waitForFunction(() => document.getElementById("message").textContent.includes("“broken.wav” cannot be read as a sound."));
    await page.fill("#query", "a red kite");
    await answered(page);
    assert.equal(await page.textContent("#heading"), "Sounds for “a red kite”");
    assert.deepEqual(errors, []);
    await close();
    await site.stop();
    return `${Object.keys(sounds).length} sounds`;
  });

  test("what the microphone hears is a query", async () => {
    const site = await serve("sounds");
    const { page, errors, close } = await visit(site.address, { options: { permissions: ["microphone"] } });
    await page.click("#take"); // the browser's test device beeps
    await page.waitForFunction(() => document.getElementById("query-picture-name").textContent === "your recording", null, { timeout: 30_000 });
    await answered(page);
    assert.ok((await names(page)).length > 0);
    assert.deepEqual(errors, []);
    await close();
    await site.stop();
  });
}
