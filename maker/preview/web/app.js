// The page: what is asked, what is shown, what the address says.

const DEBOUNCE = 60; // milliseconds from a keystroke to the question
const GALLERY = 24; // items shown before anything is asked
const EXAMPLES = 4;
const EAGER = 12; // thumbnails fetched at once; the rest when they come into view
const NAME_KEYS = ["title", "name", "caption"]; // of an item whose metadata are a JSON object
const IMAGE_KEYS = ["image", "path", "file"]; // as maker/preview/thumbnails.py reads JSON metadata

const $ = (id) => document.getElementById(id);
const noun = () => (opened.site.thumbnails.count ? "picture" : "item");
const counted = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const minus = (text) => text.replace("-", "\u2212");

let opened; // what the worker says of the searcher
let asked = 0; // number of the newest question; answers to older ones are dropped
let running = false;
let waiting = null; // the newest question, while another one runs
let answered = null; // what the newest question found, weaker matches and all
let pictureAddress = null; // of the picture that was asked with
const cards = new Map(); // item to its list entry, so that a picture found again does not blink

// ---- the worker --------------------------------------------------------------------------------------------------------------------

let worker;
const replies = new Map();

function startWorker() {
  worker?.terminate();
  worker = globalThis.firstWorker ?? new Worker("worker.js");
  globalThis.firstWorker = null;
  worker.onmessage = ({ data }) => {
    if (data.progress !== undefined) {
      $("loading").value = data.progress;
      return;
    }
    const { resolve, reject } = replies.get(data.id);
    replies.delete(data.id);
    if (data.error === undefined) resolve(data.result);
    else reject(new Error(data.error));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const error = new Error(event.message || "The searcher stopped.");
    for (const { reject } of replies.values()) reject(error);
    replies.clear();
  };
}

function call(name, value) {
  return new Promise((resolve, reject) => {
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    replies.set(id, { resolve, reject });
    worker.postMessage({ id, call: name, value });
  });
}

// ---- opening -----------------------------------------------------------------------------------------------------------------------

async function open() {
  $("failure").hidden = true;
  $("loading").hidden = false;
  $("loading").removeAttribute("value");
  say("Opening the searcher…");
  startWorker();
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
  $("query").disabled = !can("search_text");
  $("query").placeholder = can("search_text") ? "What is in the picture?" : "This searcher takes pictures only";
  if (!can("search_text") && !can("search_image")) $("query").placeholder = "This searcher takes no words: choose a picture below";
  if (can("search_tokens")) $("query").placeholder = "Words need this searcher's tokenizer, which a page does not have: choose a picture";
  $("choose").hidden = !can("search_image");
  $("take").hidden = !can("search_image") || !matchMedia("(pointer: coarse)").matches;
  showExamples(manifest.golden ?? []);
  showFacts();
  $("about").hidden = false;
  $("results").classList.toggle("texts", opened.site.thumbnails.count === 0);
  await askAddress();
  // The first question of all is slow, because the browser compiles what it runs; nobody waits for this one.
  if (location.hash === "" && can("search_text")) call("searchText", "a picture");
  if (can("search_text") && matchMedia("(pointer: fine)").matches && location.hash === "") $("query").focus({ preventScroll: true });
  keepOffline();
  checkDamage();
}

const can = (signature) => opened.signatures.includes(signature);

function fail(reason) {
  $("loading").hidden = true;
  say("");
  $("reason").textContent = reason;
  $("failure").hidden = false;
  $("results").replaceChildren();
}

/** A flipped constant still answers; only the digests tell. */
async function checkDamage() {
  if (!globalThis.crypto?.subtle) return;
  const damaged = await call("damagedParts");
  const good = damaged.length === 0;
  fact("integrity", good ? "every part matches its SHA-256" : "damaged");
  if (good) return;
  $("warning").textContent = `The file is damaged: ${damaged.join(", ")} ${damaged.length === 1 ? "does" : "do"} not match the SHA-256 in the manifest. Do not trust what it finds; copy it here again, or build it again.`;
  $("warning").hidden = false;
}

// ---- asking ------------------------------------------------------------------------------------------------------------------------

/** Asks what the address says: `#q=words`, `#like=item`, or nothing. */
async function askAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const [words, like] = [given.get("q"), given.get("like")];
  if (like !== null) {
    $("query").value = "";
    await ask("searchItem", Number(like), { like: Number(like) });
  } else {
    $("query").value = words ?? "";
    await askWords();
  }
}

async function askWords() {
  const words = $("query").value.trim();
  if (words && can("search_text")) await ask("searchText", words, { words });
  else await showGallery();
}

async function askPicture(blob) {
  if (!opened || !can("search_image")) return;
  if (pictureAddress) URL.revokeObjectURL(pictureAddress);
  pictureAddress = URL.createObjectURL(blob);
  $("query").value = "";
  setAddress("", true);
  await ask("searchPicture", blob, { picture: pictureAddress, name: blob.name });
}

/** Asks, or waits until the question that runs is answered; a newer question takes the place of the one that waits. */
async function ask(name, value, about) {
  const question = { name, value, about, number: ++asked };
  if (running) {
    waiting = question;
    return;
  }
  running = true;
  try {
    for (let next = question; next; ) {
      await answer(next);
      [next, waiting] = [waiting, null];
    }
  } finally {
    running = false;
  }
}

async function answer({ name, value, about, number }) {
  let found;
  try {
    found = await call(name, value);
  } catch (error) {
    if (number !== asked) return;
    showAsked({});
    $("examples").hidden = true;
    showNeighbors([]);
    say(error.message);
    return;
  }
  if (number !== asked) return;
  if (about.like !== undefined) about.metadata = found.neighbors.find((n) => n.item === about.like)?.metadata ?? (await call("items", [about.like]))[0];
  showAsked(about);
  $("examples").hidden = true;
  $("heading").textContent = about.words ? `Pictures for “${about.words}”` : about.like !== undefined ? "Pictures like the chosen one" : "Pictures like yours";
  answered = { ...found, words: about.words };
  showAnswer(false);
}

/** What matches by the file's own rule: results from its cut on, and none where the first is below its gate. */
function matches(neighbors) {
  const { cut = 0, gate = 0 } = opened.manifest.relevance?.search_text ?? {};
  return neighbors[0]?.relevance < gate ? [] : neighbors.filter(({ relevance }) => !(relevance < cut));
}

/** What was found: matches, or all of it. */
function showAnswer(weaker) {
  const { neighbors, milliseconds, words } = answered;
  const shown = weaker || words === undefined ? neighbors : matches(neighbors);
  const hidden = neighbors.length - shown.length;
  const all = counted(opened.manifest.items, noun());
  if (!neighbors.length) say("Nothing was found. Try other words.", milliseconds);
  else if (!shown.length) say(`No match among ${all}`, milliseconds);
  else if (hidden) say(`${counted(shown.length, "match", "matches")} among ${all}`, milliseconds);
  else say(`${shown.length} nearest of ${all}`, milliseconds);
  showNeighbors(shown);
  $("nothing").hidden = shown.length > 0 || !hidden;
  $("nothing-text").textContent = `Nothing here seems to match “${words}”. The nearest is a match with a probability of ${percent(neighbors[0]?.relevance ?? 0)}.`;
  $("weaker").hidden = !hidden;
  $("show-weaker").textContent = `Show ${counted(hidden, "weaker match", "weaker matches")}`;
}

/** Probabilities below a half of a percent are no zero. */
const percent = (share) => (share < 0.005 ? "under 1 %" : `${Math.round(100 * share)} %`);

async function showGallery() {
  const number = ++asked;
  waiting = null;
  const { items } = opened.manifest;
  const count = Math.min(GALLERY, items);
  const chosen = Array.from({ length: count }, (_, i) => Math.floor((i * items) / count));
  const metadata = await call("items", chosen);
  if (number !== asked) return;
  showAsked({});
  $("examples").hidden = $("examples").childElementCount === 0;
  $("heading").textContent = "Some of the pictures";
  showNeighbors(chosen.map((item, i) => ({ item, metadata: metadata[i] })));
  const hint = opened.knowsItems ? " Choose one to find others like it." : "";
  say(count < items ? `${counted(items, noun())}, here are some.${hint}` : `${counted(items, noun())}.${hint}`);
}

function setAddress(hash, push = false) {
  const address = `${location.pathname}${location.search}${hash && `#${hash}`}`;
  if (push) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

// ---- showing -----------------------------------------------------------------------------------------------------------------------

function say(text, milliseconds) {
  $("said").textContent = text;
  $("latency").textContent = milliseconds === undefined ? "" : `in ${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

/** The picture that was asked with, in the search box. */
function showAsked({ like, metadata, picture, name }) {
  const [address, text] = like !== undefined ? [thumbnail(metadata), label(metadata).slice(0, 80)] : [picture, name || "your picture"];
  const any = like !== undefined || picture !== undefined;
  $("asked").hidden = !any;
  $("asked-image").hidden = !address;
  if (address) $("asked-image").src = address;
  else $("asked-image").removeAttribute("src");
  $("asked-text").textContent = any ? text : "";
  $("search").classList.toggle("with-picture", any);
}

/** Pictures, and nothing of what an earlier answer said beside them. */
function showNeighbors(neighbors) {
  $("nothing").hidden = $("weaker").hidden = true;
  const shown = neighbors.map(({ item, distance, relevance, metadata }, i) => {
    const card = cards.get(item) ?? makeCard(item, metadata);
    cards.set(item, card);
    const image = card.querySelector("img");
    if (image && i < EAGER) image.loading = "eager";
    card.querySelector(".distance").hidden = distance === undefined;
    const far = distance === undefined ? "" : minus(distance.toFixed(3));
    card.querySelector(".measure").textContent = relevance === undefined ? "distance " : "relevance ";
    card.querySelector(".figure").textContent = relevance === undefined ? far : percent(relevance);
    card.querySelector(".distance").title = relevance === undefined ? "" : `distance ${far}`;
    return card;
  });
  const focused = document.activeElement.closest?.("#results li");
  $("results").replaceChildren(...shown);
  // An element that is moved loses the focus, and with it the keyboard's place on the page.
  if (focused) (shown.includes(focused) ? focused : shown[0])?.querySelector("button").focus({ preventScroll: true });
  if (cards.size > 2000) {
    cards.clear();
    neighbors.forEach(({ item }, i) => cards.set(item, shown[i]));
  }
}

function makeCard(item, metadata) {
  const card = $("card").content.firstElementChild.cloneNode(true);
  card.dataset.item = item;
  card.querySelector(".name").textContent = label(metadata).slice(0, 80);
  const button = card.querySelector("button");
  button.title = metadata.slice(0, 300);
  button.disabled = !opened.knowsItems;
  button.querySelector(".unseen").hidden = !opened.knowsItems;
  const image = card.querySelector("img");
  const address = thumbnail(metadata);
  const without = () => {
    image.remove();
    card.querySelector(".text").textContent = label(metadata).slice(0, 200);
    card.classList.add("without");
  };
  if (address) {
    image.addEventListener("error", without, { once: true });
    image.src = address;
  } else without();
  return card;
}

/** The path of an item's image, as `image_of` in maker/preview/thumbnails.py finds it. */
function imageOf(metadata) {
  const values = objectOf(metadata);
  const text = values ? textIn(values, IMAGE_KEYS) : metadata;
  return /[^/]\.\w{2,5}$/.test(text) && !/[\0\n\\\uFFFD]/.test(text) ? text : null;
}

/** What an item is called: a title of its own, the name of its image, or the metadata as they are. */
function label(metadata) {
  const values = objectOf(metadata);
  return (values && textIn(values, NAME_KEYS)) || imageOf(metadata)?.split("/").at(-1) || metadata;
}

function objectOf(metadata) {
  if (!metadata.trimStart().startsWith("{")) return null;
  try {
    return JSON.parse(metadata);
  } catch {
    return null;
  }
}

const textIn = (values, keys) => keys.map((key) => values[key]).find((value) => typeof value === "string") ?? "";

function thumbnail(metadata) {
  const image = imageOf(metadata);
  const { folder, suffix, count } = opened.site.thumbnails;
  return image && count ? `${folder}/${image.split("/").map(encodeURIComponent).join("/")}${suffix}` : null;
}

function showExamples(golden) {
  const texts = [...new Set(golden.filter((g) => g.signature === "search_text").map((g) => g.query.replace(/\s+([.,!?])/g, "$1").replace(/\.$/, "")))];
  const links = texts.sort((a, b) => a.length - b.length).slice(0, EXAMPLES).map((text) => {
    const link = document.createElement("a");
    link.href = `#${new URLSearchParams({ q: text })}`;
    link.textContent = link.title = text;
    return link;
  });
  $("examples").replaceChildren(...links);
}

function showFacts() {
  const { site, manifest, signatures } = opened;
  const { report = {}, index = {}, encoders = {} } = manifest;
  fact(`${noun()}s`, manifest.items.toLocaleString("en"));
  fact("file", `${(site.searcher.bytes / 1e6).toFixed(1)} MB, ${manifest.dimension} dimensions, ${manifest.distance.replace("_", " ")}`);
  fact("answers", signatures.filter((s) => s.startsWith("search_")).map((s) => s.slice(7)).join(", "));
  if (encoders.text?.spec) fact("text encoder", `${encoders.text.spec}${encoders.text.vocabulary ? `, ${counted(encoders.text.vocabulary, "word")}` : ""}`);
  if (encoders.image?.spec) fact("image encoder", encoders.image.spec);
  if (index.kind) fact("index", `${index.kind}, rows ${index.rows}, ${Math.round(100 * index.share_scanned)} % scanned`);
  if (report.index?.["index_recall@10"] !== undefined) fact("index recall@10", String(report.index["index_recall@10"]));
  if (report.retrieval?.["R@10"] !== undefined) fact("retrieval R@10", `${report.retrieval["R@10"]} % among ${counted(report.retrieval.images ?? 0, "picture")}`);
  const at = manifest.relevance?.search_text?.measured?.at_cut;
  const first = at?.gate === undefined ? "" : ` where the first has ${percent(at.gate)}`;
  if (at) fact("shown from relevance", `${percent(at.cut)}${first}; keeps ${percent(at.recall_kept)} of relevant results`);
  if (manifest.user_info) fact("note", manifest.user_info.slice(0, 200));
  fact("runs on", "LiteRT.js, WebAssembly, one thread");
}

function fact(name, value) {
  const id = `fact-${name.replace(/\W/g, "-")}`;
  let cell = $(id);
  if (!cell) {
    const row = document.createElement("div");
    row.append(document.createElement("dt"), (cell = document.createElement("dd")));
    row.firstChild.textContent = name;
    cell.id = id;
    $("facts").append(row);
  }
  cell.textContent = value;
}

// ---- without a connection ----------------------------------------------------------------------------------------------------------

async function keepOffline() {
  if (!("serviceWorker" in navigator)) return; // plain http on another machine than this one
  // A renewed site brings a new service worker, which has kept nothing of this page yet.
  navigator.serviceWorker.addEventListener("controllerchange", () => keepWith(navigator.serviceWorker.controller));
  try {
    await navigator.serviceWorker.register("service-worker.js");
    await keepWith((await navigator.serviceWorker.ready).active);
  } catch (error) {
    console.warn(`This page will need a connection the next time: ${error.message}`);
  }
}

/** Has a service worker keep what this page loaded, and says so. */
async function keepWith(serviceWorker) {
  const loaded = [...opened.loaded, ...performance.getEntriesByType("resource").map((entry) => entry.name)];
  const channel = new MessageChannel();
  const done = new Promise((resolve) => (channel.port1.onmessage = ({ data }) => resolve(data)));
  serviceWorker?.postMessage({ keep: [...new Set(loaded)] }, [channel.port2]);
  const { error } = await done;
  if (error) throw new Error(error);
  $("offline").textContent = "Everything runs in this page: no query and no picture leaves this device. It is kept here and works without a connection.";
  document.documentElement.dataset.offline = "ready";
}

// ---- what people do ----------------------------------------------------------------------------------------------------------------

let typed;
$("query").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    const words = $("query").value.trim();
    setAddress(words && String(new URLSearchParams({ q: words })));
    askWords();
  }, DEBOUNCE);
});

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typed);
  if (!opened || !$("query").value.trim()) return;
  setAddress(String(new URLSearchParams({ q: $("query").value.trim() })));
  askWords();
  if (matchMedia("(pointer: coarse)").matches) $("query").blur(); // lets the keyboard of a phone go
});

function leavePicture() {
  setAddress("", true);
  $("query").value = "";
  showGallery();
  if (!$("query").disabled) $("query").focus();
}

$("asked-clear").addEventListener("click", leavePicture);
$("clear").addEventListener("click", leavePicture);
$("home").addEventListener("click", (event) => {
  if (!opened || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  scrollTo({ top: 0 });
  leavePicture();
});
$("retry").addEventListener("click", open);
$("show-weaker").addEventListener("click", () => {
  const before = $("results").childElementCount;
  showAnswer(true);
  // The button is gone; the first picture that it showed is where the reader goes on.
  $("results").children[before]?.querySelector("button").focus({ preventScroll: true });
});
addEventListener("popstate", () => opened && askAddress());

$("results").addEventListener("click", (event) => {
  const card = event.target.closest("li");
  if (!card || !opened.knowsItems) return;
  setAddress(`like=${card.dataset.item}`, true);
  scrollTo({ top: 0 });
  askAddress();
});

for (const [button, input] of [["choose", "file"], ["take", "camera"]]) {
  $(button).addEventListener("click", () => $(input).click());
  $(input).addEventListener("change", () => {
    if ($(input).files[0]) askPicture($(input).files[0]);
    $(input).value = "";
  });
}

addEventListener("paste", (event) => {
  const picture = [...(event.clipboardData?.files ?? [])].find((file) => file.type.startsWith("image/"));
  if (!picture) return;
  event.preventDefault();
  askPicture(picture);
});

// A drag passes over many elements, each with an enter and a leave of its own.
let depth = 0;
const dragsFile = (event) => opened && can("search_image") && event.dataTransfer?.types.includes("Files");
function showDrop(change) {
  depth = change === 0 ? 0 : depth + change;
  $("drop").hidden = depth <= 0;
}
addEventListener("dragenter", (event) => dragsFile(event) && showDrop(1));
addEventListener("dragleave", (event) => dragsFile(event) && showDrop(-1));
addEventListener("dragover", (event) => dragsFile(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!dragsFile(event)) return;
  event.preventDefault();
  showDrop(0);
  const [file] = event.dataTransfer.files;
  if (file) askPicture(file);
});

addEventListener("keydown", (event) => {
  const inQuery = document.activeElement === $("query");
  if (event.key === "/" && !inQuery && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    $("query").focus();
    $("query").select();
  } else if (event.key === "Escape" && opened && !$("asked").hidden) {
    leavePicture();
  } else if (inQuery && event.key === "ArrowDown") {
    event.preventDefault();
    $("results").querySelector("button:enabled")?.focus();
  } else if (event.key.startsWith("Arrow") && document.activeElement.closest?.("#results")) {
    moveInGrid(event);
  }
});

/** Arrow keys go through the grid as it is laid out; up from the first row is back to the words. */
function moveInGrid(event) {
  const all = [...$("results").children];
  const at = all.indexOf(document.activeElement.closest("li"));
  const columns = Math.max(1, all.filter((card) => card.offsetTop === all[0].offsetTop).length);
  const next = at + { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  event.preventDefault();
  if (next < 0 && event.key === "ArrowUp" && !$("query").disabled) $("query").focus();
  else all[next]?.querySelector("button").focus();
}

// For the tests, and for whoever looks at the page's insides.
globalThis.pocketSearcher = { call, opened: () => opened };

open();
