// Tests the user's own photos in the preview.

import assert from "node:assert/strict";
import { join } from "node:path";

const LEAST_COSINE = 0.999; // of an embedding in the page and in Python, of the same file

const cosine = (a, b) => {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

/** Registers the tests. */
export function photoTests({ test, visit, serve, items, answered, ask, violations, shoot, work, sites, expected, PHONE }) {
  const folder = join(work, "photos");
  /** Waits until nothing is being added; the number of photos. */
  const settled = (page) =>
    page.waitForFunction(
      () => !document.getElementById("photos").hidden && document.getElementById("photos-progress").hidden && Number(document.getElementById("photos").dataset.count) > 0,
      null,
      { timeout: 120_000 },
    );

  test("a folder of photos of all kinds is added, searched at once and kept apart from what is broken", async () => {
    const { page, errors, close } = await visit(sites.sample.address);
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
    assert.match(await page.textContent("#photos-text"), new RegExp(`^${names.length} photos of yours; ${others} files that are no pictures were left out`));
    assert.deepEqual(await violations(page), []);
    await page.click("#photos-failed-summary");
    await shoot(page, "desktop-photos");
    assert.deepEqual(errors, []);
    await close();
  });
}
