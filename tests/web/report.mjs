// Opens a report in headless Chromium and says what it looks like there, as JSON.
//
//   node tests/web/report.mjs REPORT.html FOLDER /usr/bin/chromium
//
// Screenshots and the print go to FOLDER.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [report, folder, executablePath] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESKTOP = { viewport: { width: 1280, height: 900 } };
const VIEWS = {
  desktop: DESKTOP,
  dark: { ...DESKTOP, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const found = {};
for (const [name, options] of Object.entries(VIEWS)) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors = [];
  let requests = 0;
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("request", (request) => request.url().startsWith("data:") || requests++);
  await page.goto(pathToFileURL(resolve(report)).href);
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  const view = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    window: innerWidth,
    background: getComputedStyle(document.body).backgroundColor,
    broken: [...document.images].filter((image) => !image.complete || !image.naturalWidth).map((image) => image.alt),
  }));
  if (name === "desktop") Object.assign(view, await tryMap(page));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  view.violations = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(" | ")}`);
  if (name === "desktop") await page.pdf({ path: join(folder, "print.pdf"), format: "A4" });
  found[name] = { ...view, errors, requests };
  await context.close();
}
await browser.close();
process.stdout.write(JSON.stringify(found));

/** The map by keyboard: how many places it has in the order of Tab, and which pictures Tab and two arrows reach. */
async function tryMap(page) {
  const stops = await page.locator('#map button:not([tabindex="-1"])').count();
  await page.locator("#map button").first().focus();
  const keys = [];
  const note = async () => keys.push(await page.evaluate(() => [...document.querySelectorAll("#map button")].indexOf(document.activeElement)));
  await note();
  for (const key of ["ArrowRight", "ArrowDown"]) {
    await page.keyboard.press(key);
    await note();
  }
  await page.waitForTimeout(250);
  const enlarged = await page.evaluate(() => document.activeElement.getBoundingClientRect().width / document.activeElement.offsetWidth);
  await page.locator("#map").screenshot({ path: join(folder, "map.png") });
  return { stops, keys, enlarged };
}
