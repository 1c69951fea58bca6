// Tests that results which are moments of videos, or sounds, play from where they begin.

import assert from "node:assert/strict";

const card = (page, name) => page.locator("#results li", { hasText: name });
const closed = (page) => page.waitForFunction(() => !document.getElementById("player").open && !document.getElementById("player-media").firstElementChild);

/** Registers the tests. */
export function playerTests({ test, visit, serve, answered, violations, shoot }) {
  test("a moment of a video plays from where it begins", async () => {
    const site = await serve("moments");
    const { page, errors, close } = await visit(`${site.address}#q=a+red+ball`);
    await answered(page);
    const found = card(page, "0:04-0:06 of four scenes #1.webm");
    await page.waitForFunction(() => [...document.querySelectorAll("#results img")].every((image) => image.naturalWidth)); // no card lacks its frame
    await found.locator(".play").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#player video")?.currentTime > 4); // it plays
    const video = await page.$eval("#player video", (v) => ({ time: v.currentTime, length: v.duration, controls: v.controls, address: v.currentSrc }));
    assert.ok(video.time < 7 && video.length > 7.5 && video.controls, JSON.stringify(video));
    assert.ok(video.address.endsWith("/media/four%20scenes%20%231.webm#t=4,6"), video.address);
    assert.equal(await page.textContent("#player-title"), "0:04-0:06 of four scenes #1.webm");
    assert.ok(!(await page.isVisible("#player-trouble")));
    await page.waitForFunction(() => document.querySelector("#player video").paused); // at the end of the moment
    assert.ok(Math.abs((await page.$eval("#player video", (v) => v.currentTime)) - 6) < 0.5);
    assert.deepEqual(await violations(page), []);
    await shoot(page, "desktop-player");
    await page.evaluate(() => (document.querySelector("#player video").currentTime = 1)); // back, which needs parts of the file
    await page.waitForFunction(() => !document.querySelector("#player video").seeking && Math.abs(document.querySelector("#player video").currentTime - 1) < 0.2);
    await page.keyboard.press("Escape");
    await closed(page);
    assert.ok(await found.locator(".play").evaluate((button) => button === document.activeElement));
    const kept = await page.evaluate(async () => (await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => url)))).flat());
    assert.deepEqual(kept.filter((url) => url.includes("/media/")), []);
    await shoot(page, "desktop-moments");
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(errors, []);
    await close();
    await site.stop();
  });

  test("a video that the browser cannot play is named", async () => {
    const site = await serve("moments");
    const { page, errors, close } = await visit(`${site.address}#like=0`);
    await answered(page);
    await card(page, "old.avi").locator(".play").click();
    await page.waitForSelector("#player-trouble:not([hidden])");
    assert.match(await page.textContent("#player-trouble"), /^“0:00-0:02 of old\.avi” cannot be played: this browser does not know its format/);
    await page.click("#player-close");
    await closed(page);
    await card(page, "old.avi").locator(".play").click();
    await page.keyboard.press("Escape");
    await closed(page);
    assert.ok(await page.isVisible("#query-picture")); // Escape closed no more than the player
    assert.deepEqual(errors, []);
    await close();
    await site.stop();
  });

  test("a sound plays", async () => {
    const site = await serve("sounds");
    const { page, errors, close } = await visit(site.address);
    await card(page, "0.wav").first().locator(".play").click();
    await page.waitForFunction(() => document.querySelector("#player audio")?.currentTime > 0);
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press("Escape");
    await closed(page);
    assert.deepEqual(errors, []);
    await close();
    await site.stop();
  });
}
