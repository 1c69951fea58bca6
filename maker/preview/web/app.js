// The page: queries and results.

import { fact, showAbout } from "./about.js";
import { NOTHING, readAddress, writeAddress } from "./address.js";
import { call, startWorker } from "./calls.js";
import { makeCard } from "./cards.js";
import { parseQuery } from "./compose.js";
import { Filters } from "./filters.js";
import { listenForPictures } from "./given.js";
import { keepOffline } from "./offline.js";
import { Photos } from "./photos.js";
import { PhotosPanel } from "./photos_panel.js";
import { PhotoStore } from "./photo_store.js";
import { showQueryPicture } from "./query_picture.js";
import { moveInGrid, Results } from "./results.js";
import { Selection } from "./selection.js";
import { counted, noun, percent } from "./wording.js";

const DEBOUNCE = 60; // milliseconds from a keystroke to the query
const GALLERY = 24; // items shown without a query
const EXAMPLES = 4;
const MATCHING = 60; // items shown at a time if there are filters, but no query

const $ = (id) => document.getElementById(id);

let opened; // facts about the searcher, from the worker
let asked = NOTHING; // what the address asks for
let picture = null; // that somebody gave as the query, which no address can hold
let sound = null; // the same: its samples and its name
let latest = 0; // number of the latest query; results of older ones are dropped
let running = false;
let pending = null; // the latest query, while another one runs
let more = () => {}; // shows what the latest query found beyond what is shown
let photos = null; // the user's own, where the file can embed pictures
let photosPanel = null;
let pictureAddress = null; // of the picture in an image query

// ---- opening -----------------------------------------------------------------------------------------------------------------------

async function open() {
  $("failure").hidden = true;
  $("loading").hidden = false;
  $("loading").removeAttribute("value");
  showStatus("Opening the searcher…");
  startWorker((share) => ($("loading").value = share));
  try {
    opened = await call("open");
  } catch (error) {
    fail(error.message);
    return;
  }
  $("loading").hidden = true;
  const { site, manifest } = opened;
  document.title = `${site.title} · picture search`;
  $("title").textContent = site.title;
  $("query").disabled = !opened.takesText;
  if (opened.takesSounds) takeSounds();
  $("query").placeholder = opened.takesText ? placeholder() : `This searcher takes ${noun(opened)}s only`;
  if (!opened.takesText && !opened.takesImages && !opened.takesSounds) $("query").placeholder = "This searcher takes no text: choose a picture below";
  if (can("search_tokens")) $("query").placeholder = "Text queries need a tokenizer that this page does not have: choose a picture";
  $("choose").hidden = !opened.takesImages && !opened.takesSounds;
  $("take").hidden = opened.takesSounds ? !navigator.mediaDevices?.getUserMedia : !opened.takesImages || !matchMedia("(pointer: coarse)").matches;
  showExamples(manifest.golden ?? []);
  showAbout(opened);
  $("about").hidden = false;
  $("results").classList.toggle("texts", opened.site.thumbnails.count === 0 && manifest.items > 0);
  $("filters-toggle").hidden = !hasFilters();
  $("lexical-switch").hidden = !hasWords();
  $("filters").hidden = !hasFilters() && !hasWords();
  await openPhotos();
  await searchByAddress();
  // The first query is slow, because the browser compiles the wasm; this one warms it up.
  if (location.hash === "" && opened.takesText) call("searchText", "a picture");
  if (opened.takesText && matchMedia("(pointer: fine)").matches && location.hash === "") $("query").focus({ preventScroll: true });
  keepOffline(opened);
  await checkDamage();
  if (hasFilters()) await filters.load(opened.manifest.items).catch((error) => warn(error.message));
}

const placeholder = () => (opened.takesSounds ? "What is to be heard?" : "What is in the picture?");

/** Makes the buttons for pictures those for sounds. */
function takeSounds() {
  $("file").accept = "audio/*,video/*";
  $("choose").title = "Search with a sound: choose or drop one";
  $("choose").ariaLabel = "Search with a sound";
  $("take").title = "Record a sound";
  $("take").ariaLabel = "Record a sound to search with";
  $("take").querySelector("use").setAttribute("href", "icon.svg#microphone");
  document.querySelector("label[for=query]").textContent = placeholder();
}

const can = (signature) => opened.signatures.includes(signature);
const hasFilters = () => opened.hasFacts && opened.knowsItems;
const hasWords = () => opened.hasWords && opened.knowsItems && opened.takesText;

/** Offers to add photos, and opens those that were added before. */
async function openPhotos() {
  const base = opened.manifest.sha256?.model;
  if (photos || !base || !can("embed_image")) return;
  let shown = 0;
  let running = false;
  const changed = (anew = false) => {
    photosPanel?.show();
    if (anew) results.forget(); // ids are given from the first on again
    const { progress, count } = photos;
    // While photos are added, the pictures without a query change a few times only.
    const few = progress.running && asksForNothing() && count <= GALLERY && count >= 2 * shown;
    if (!anew && !few && progress.running === running && (progress.running || count === shown)) return;
    if (anew || count !== shown) search();
    [shown, running] = [count, progress.running];
  };
  try {
    photos = new Photos(call, base, await PhotoStore.open(), changed);
    await photos.open();
  } catch (error) {
    photos = null;
    warn(`Photos of yours cannot be kept in this browser: ${error.message}`);
    return;
  }
  shown = photos.count;
  photosPanel = new PhotosPanel(photos, opened.site.title);
  if (photos.unfinished && !photos.elsewhere) photosPanel.continue(false);
}

const asksForNothing = () => !asked.words && !asked.like.length && !picture && !sound && !filters.where;

function fail(reason) {
  $("loading").hidden = true;
  showStatus("");
  $("reason").textContent = reason;
  $("failure").hidden = false;
  $("results").replaceChildren();
}

/** A searcher with damaged constants still returns results; only the digests show the damage. */
async function checkDamage() {
  if (!globalThis.crypto?.subtle) return;
  const damaged = await call("damagedParts");
  const intact = damaged.length === 0;
  fact("integrity", intact ? "every part matches its SHA-256" : "damaged");
  if (intact) return;
  warn(`The file is damaged: ${damaged.join(", ")} ${damaged.length === 1 ? "does" : "do"} not match the SHA-256 in the manifest. Do not trust its results; copy the file here again, or build it again.`);
}

function warn(text) {
  $("warning").textContent = text;
  $("warning").hidden = false;
}

// ---- searching ---------------------------------------------------------------------------------------------------------------------

/** Asks for what the address says. */
async function searchByAddress() {
  picture = sound = null;
  asked = readAddress();
  $("query").value = asked.words;
  $("lexical").checked = asked.lexical;
  if (hasFilters() && asked.only.length) await filters.readColumns();
  filters.show(asked);
  await search();
}

/** Asks for something else, and writes it into the address. */
function askFor(part, push = false) {
  asked = { ...asked, ...part };
  writeAddress(asked, push);
  filters.show(asked);
  search();
}

/** Runs the query for what is asked for now. */
async function search() {
  const { words, like } = asked;
  const options = filters.where ? { where: filters.where } : {};
  selection.set(like);
  const spoken = opened.takesText ? words.trim() : "";
  const about = { words: spoken, like, picture: picture && pictureAddress, name: picture?.name };
  if (sound) await submit("searchSound", [sound.samples, options], { ...about, sound: sound.name });
  else if (picture || like.length) await submit("searchTogether", [{ words: spoken, like, picture }, options], about);
  else if (spoken) await submit("searchWords", [spoken, { ...options, ...lexicalOf(spoken) }], about);
  else await showGallery(options);
}

/** Words are looked up for sentences without a minus. */
function lexicalOf(words) {
  return hasWords() && asked.lexical && !parseQuery(words).excluded.length ? { lexical: "auto" } : {};
}

/** Searches with a sound file, or with what is recorded. */
async function searchBySound(getting) {
  const { samplesOf } = await import("./sound.js");
  try {
    const blob = await getting;
    sound = { samples: await samplesOf(blob, opened.soundFormat), name: blob.name || "your recording" };
  } catch (error) {
    refuse(error.message);
    return;
  }
  $("query").value = "";
  askFor({ words: "", like: [] }, true);
}

/** Records as many seconds as a query has. */
async function recordSound() {
  const { record } = await import("./sound.js");
  const { sample_rate: rate, samples } = opened.soundFormat;
  $("take").disabled = true;
  showStatus(`Listening for ${(samples / rate).toFixed(1)} seconds…`);
  await searchBySound(record(samples / rate));
  $("take").disabled = false;
}

function searchByPicture(blob) {
  if (opened?.takesSounds) searchBySound(blob);
  if (!opened || !opened.takesImages) return;
  if (pictureAddress) URL.revokeObjectURL(pictureAddress);
  pictureAddress = URL.createObjectURL(blob);
  picture = blob;
  $("query").value = "";
  askFor({ words: "", like: [] }, true);
}

/** Runs a query, or queues it while another one runs; a newer query replaces the queued one. */
async function submit(name, values, about) {
  const query = { name, values, about, filtered: filters.where, number: ++latest };
  if (running) {
    pending = query;
    return;
  }
  running = true;
  try {
    for (let next = query; next; ) {
      await run(next);
      [next, pending] = [pending, null];
    }
  } finally {
    running = false;
  }
}

async function run({ name, values, about, filtered, number }) {
  let result;
  let among;
  try {
    if (about.like.length) about.metadata = (await call("items", about.like.slice(0, 1)))[0];
    result = await call(name, ...values);
    among = filtered ? (await call("matching", filtered)).length : opened.manifest.items + (photos?.count ?? 0);
  } catch (error) {
    if (number === latest) refuse(error.message, about);
    return;
  }
  if (number !== latest) return;
  showQuery(about);
  $("examples").hidden = true;
  $("heading").textContent = headingOf(about);
  showResult({ ...result, words: about.words, among, filtered }, false);
}

function headingOf({ words, like, picture: given, sound: heard }) {
  const things = opened.takesSounds ? "Sounds" : "Pictures";
  if (heard) return `${things} like yours`;
  if (!like.length && !given) return `${things} for “${words}”`;
  const chosen = like.length > 1 ? `the ${like.length} chosen ones` : "the chosen one";
  return `${things} like ${[given && "yours", like.length && chosen, words && `“${words}”`].filter(Boolean).join(" and ")}`;
}

/** Shows why there is no result. Pictures that cannot be searched alone are forgotten. */
function refuse(message, about = {}) {
  if (!about.words) {
    picture = sound = null;
    asked = { ...asked, like: [] };
  }
  showQuery(about.words ? about : {});
  $("examples").hidden = true;
  results.show([]);
  showStatus(message);
  if (asked.where) call("matching", asked.where).catch((error) => filters.refuse(error.message));
}

/**
 * Matches by the file's rule: results with at least the relevance `cut`, and none if `found`, or else the nearest result, is below `gate`.
 * What has all words of the query matches, too.
 */
function matches({ neighbors, found }) {
  const curve = opened.manifest.relevance?.search_text ?? {};
  const { cut = 0, gate = 0 } = found === undefined ? curve : curve.found;
  const best = found ?? Math.max(...neighbors.map(({ relevance }) => relevance ?? 1));
  return neighbors.filter(({ relevance, allWords }) => allWords || (!(best < gate) && !(relevance < cut)));
}

/** Shows a result: only matches, or weaker matches too. */
function showResult(result, weaker) {
  const { neighbors, milliseconds, words, among, filtered } = result;
  const shown = weaker || !words ? neighbors : matches(result);
  const hidden = neighbors.length - shown.length;
  const all = filtered ? `${counted(among, noun(opened))} that meet${among === 1 ? "s" : ""} the filters` : counted(among, noun(opened));
  if (!neighbors.length) showStatus(filtered && !among ? "No picture meets the filters. Remove one." : "Nothing was found. Try other words.", milliseconds);
  else if (!shown.length) showStatus(`No match among ${all}`, milliseconds);
  else if (hidden) showStatus(`${counted(shown.length, "match", "matches")} among ${all}`, milliseconds);
  else showStatus(`${shown.length} nearest of ${all}`, milliseconds);
  results.show(shown);
  $("nothing").hidden = shown.length > 0 || !hidden;
  $("nothing-text").textContent = `Nothing seems to match “${words}”. The probability that the nearest result matches is ${percent(neighbors[0]?.relevance ?? 0)}.`;
  offerMore(hidden && `Show ${counted(hidden, "weaker match", "weaker matches")}`, () => showResult(result, true));
}

/** Shows a button for what is not shown yet, or none. */
function offerMore(text, show) {
  $("weaker").hidden = !text;
  $("show-weaker").textContent = text || "";
  more = show;
}

/** Shows items without a query: some of all, or those that meet the filters. */
async function showGallery({ where }) {
  const number = ++latest;
  pending = null;
  let all, chosen, metadata;
  let items = opened.manifest.items;
  const count = Math.min(GALLERY, items + (photos?.count ?? 0));
  try {
    const present = photos?.count ? await call("present") : null;
    items = present?.length ?? items;
    [all, chosen] = [items, Array.from({ length: count }, (_, i) => Math.floor((i * items) / count))];
    if (present) chosen = chosen.map((place) => present[place]);
    if (where) [all, chosen] = await call("matching", where).then((found) => [found.length, Array.from(found)]);
    metadata = await call("items", chosen.slice(0, MATCHING));
  } catch (error) {
    if (number === latest) refuse(error.message);
    return;
  }
  if (number !== latest) return;
  showQuery({});
  $("examples").hidden = Boolean(where) || $("examples").childElementCount === 0;
  const things = opened.takesSounds ? "sounds" : "pictures";
  $("heading").textContent = where ? `${things[0].toUpperCase()}${things.slice(1)} that meet the filters` : `Some of the ${things}`;
  showItems(chosen, metadata, number);
  const hint = opened.knowsItems ? " Choose one to find similar ones; tick several for more like all of them." : "";
  if (!items) {
    showStatus("");
    $("nothing-text").textContent = "There are no photos here yet. Add a folder of yours: the page searches it, and nothing leaves this device.";
    $("nothing").hidden = false;
    $("nothing-add").hidden = !photos;
    $("examples").hidden = true;
  } else if (where) showStatus(all ? `${all.toLocaleString("en")} of ${counted(items, noun(opened))}.` : "No picture meets the filters. Remove one.");
  else showStatus(count < items ? `${counted(items, noun(opened))}, here are some.${hint}` : `${counted(items, noun(opened))}.${hint}`);
}

/** Shows the first of some items, as many as there are metadata, and offers the others. */
function showItems(items, metadata, number) {
  results.show(metadata.map((text, i) => ({ item: items[i], metadata: text })));
  const hidden = items.length - metadata.length;
  offerMore(hidden && `Show ${counted(Math.min(hidden, MATCHING), `more ${noun(opened)}`)}`, async () => {
    const further = await call("items", items.slice(metadata.length, metadata.length + MATCHING));
    if (number === latest) showItems(items, [...metadata, ...further], number);
  });
}

// ---- showing -----------------------------------------------------------------------------------------------------------------------

function showStatus(text, milliseconds) {
  $("message").textContent = text;
  $("latency").textContent = milliseconds === undefined ? "" : `in ${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

const ownThumbnail = (item) => photos.thumbnail(item);
const showQuery = (query) => {
  showQueryPicture(query, opened, ownThumbnail);
  if (opened.takesText) $("query").placeholder = !$("query-picture").hidden && !query.sound ? "Add words" : placeholder();
};

function showExamples(golden) {
  const texts = [...new Set(golden.filter((g) => ["search_text", "embed_text"].includes(g.signature)).map((g) => g.query.replace(/\s+([.,!?])/g, "$1").replace(/\.$/, "")))];
  const links = texts.sort((a, b) => a.length - b.length).slice(0, EXAMPLES).map((text) => {
    const link = document.createElement("a");
    link.href = `#${new URLSearchParams({ q: text })}`;
    link.textContent = link.title = text;
    return link;
  });
  $("examples").replaceChildren(...links);
}

// ---- user input --------------------------------------------------------------------------------------------------------------------

let typed;
$("query").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(askForWords, DEBOUNCE);
});

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typed);
  if (!opened || !$("query").value.trim()) return;
  askForWords();
  if (matchMedia("(pointer: coarse)").matches) $("query").blur(); // closes the keyboard of a phone
});

function askForWords() {
  sound = null;
  askFor({ words: $("query").value.trim() });
}

function clearWords() {
  $("query").value = "";
  askFor({ words: "" }, true);
  $("query").focus();
}

function clearPictures() {
  picture = sound = null;
  askFor({ like: [] }, true);
  if (!$("query").disabled) $("query").focus();
}

function clearQuery() {
  picture = sound = null;
  $("query").value = "";
  askFor({ words: "", like: [] }, true);
  if (!$("query").disabled) $("query").focus();
}

$("query-picture-clear").addEventListener("click", clearPictures);
$("clear").addEventListener("click", clearWords);
$("home").addEventListener("click", (event) => {
  if (!opened || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  scrollTo({ top: 0 });
  asked = NOTHING;
  $("lexical").checked = asked.lexical;
  clearQuery();
});
$("lexical").addEventListener("change", () => askFor({ lexical: $("lexical").checked }, true));
$("nothing-add").addEventListener("click", () => $("photos-add").click());
$("retry").addEventListener("click", open);
$("show-weaker").addEventListener("click", async () => {
  const before = $("results").childElementCount;
  await more();
  // The focused button may be gone; the first of the new pictures gets the focus.
  $("results").children[before]?.querySelector("button").focus({ preventScroll: true });
});
addEventListener("popstate", () => opened && searchByAddress());

$("results").addEventListener("click", (event) => {
  const card = event.target.closest("li");
  if (!card || !opened.knowsItems || event.target.closest(".play")) return;
  const item = Number(card.dataset.item);
  if (event.target.closest(".remove")) removePhoto(item);
  else if (event.target.closest(".tick")) selection.toggle(item);
  else if (event.shiftKey && asked.like.length) askFor({ like: [...new Set([...asked.like, item])] }, true);
  else findLike([item]);
});

async function removePhoto(item) {
  try {
    await photos.remove(item);
    results.remove(item);
  } catch (error) {
    photosPanel.fail(error);
  }
}

function findLike(items) {
  picture = sound = null;
  $("query").value = "";
  scrollTo({ top: 0 });
  askFor({ words: "", like: items }, true);
}

addEventListener("keydown", (event) => {
  if ($("player").open) return; // its keys are its own
  const inQuery = document.activeElement === $("query");
  if (event.key === "/" && !document.activeElement.matches("input:not([type=checkbox])") && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    $("query").focus();
    $("query").select();
  } else if (event.key === "Escape" && opened && !$("query-picture").hidden) {
    clearQuery();
  } else if (inQuery && event.key === "ArrowDown") {
    event.preventDefault();
    $("results").querySelector("button:enabled")?.focus();
  } else if (event.key.startsWith("Arrow") && document.activeElement.closest?.("#results")) {
    moveInGrid(event);
  }
});

const filters = new Filters(call, askFor);
const selection = new Selection(findLike);
const results = new Results(selection, (item, metadata) => makeCard(item, metadata, opened, ownThumbnail));

listenForPictures({
  ready: () => opened?.takesImages || opened?.takesSounds,
  search: searchByPicture,
  drop: (transfer) => photosPanel?.drop(transfer),
  take: () => (opened.takesSounds ? recordSound() : $("camera").click()),
});

// For the tests, and for debugging in the browser's console.
globalThis.pocketSearcher = { call, opened: () => opened, photos: () => photos };

open();
