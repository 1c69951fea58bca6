// The page: queries, results, and the query in the page's address.

const DEBOUNCE = 60; // milliseconds from a keystroke to the query
const GALLERY = 24; // items shown without a query
const EXAMPLES = 4;
const EAGER = 12; // thumbnails loaded at once; the others when they come into view
const NAME_KEYS = ["title", "name", "caption"]; // of an item whose metadata are a JSON object
const IMAGE_KEYS = ["image", "path", "file"]; // the same keys as in maker's `image_of`

const $ = (id) => document.getElementById(id);
const noun = () => (opened.site.thumbnails.count ? "picture" : "item");
const counted = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const minus = (text) => text.replace("-", "\u2212");

let opened; // facts about the searcher, from the worker
let latest = 0; // number of the latest query; results of older ones are dropped
let running = false;
let pending = null; // the latest query, while another one runs
let latestResult = null; // of the latest query, weaker matches included
let pictureAddress = null; // of the picture in an image query
const cards = new Map(); // list entry by item; reused, so that a picture in successive results does not flicker

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

function call(name, ...values) {
  return new Promise((resolve, reject) => {
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    replies.set(id, { resolve, reject });
    worker.postMessage({ id, call: name, values });
  });
}

// ---- opening -----------------------------------------------------------------------------------------------------------------------

async function open() {
  $("failure").hidden = true;
  $("loading").hidden = false;
  $("loading").removeAttribute("value");
  showStatus("Opening the searcher…");
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
  if (!can("search_text") && !can("search_image")) $("query").placeholder = "This searcher takes no text: choose a picture below";
  if (can("search_tokens")) $("query").placeholder = "Text queries need a tokenizer that this page does not have: choose a picture";
  $("choose").hidden = !can("search_image");
  $("take").hidden = !can("search_image") || !matchMedia("(pointer: coarse)").matches;
  showExamples(manifest.golden ?? []);
  showFacts();
  $("about").hidden = false;
  $("results").classList.toggle("texts", opened.site.thumbnails.count === 0);
  await searchByAddress();
  // The first query is slow, because the browser compiles the wasm; this one warms it up.
  if (location.hash === "" && can("search_text")) call("searchText", "a picture");
  if (can("search_text") && matchMedia("(pointer: fine)").matches && location.hash === "") $("query").focus({ preventScroll: true });
  keepOffline();
  checkDamage();
}

const can = (signature) => opened.signatures.includes(signature);

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
  $("warning").textContent = `The file is damaged: ${damaged.join(", ")} ${damaged.length === 1 ? "does" : "do"} not match the SHA-256 in the manifest. Do not trust its results; copy the file here again, or build it again.`;
  $("warning").hidden = false;
}

// ---- searching ---------------------------------------------------------------------------------------------------------------------

/** Runs the query in the address: `#q=words`, `#like=item`, `#like=item,item`, or none. */
async function searchByAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const [words, like] = [parameters.get("q"), parameters.get("like")];
  if (like !== null) {
    $("query").value = "";
    const items = like.split(",").map(Number);
    await submit("searchItems", items, { like: items });
  } else {
    $("query").value = words ?? "";
    await searchByWords();
  }
}

async function searchByWords() {
  const words = $("query").value.trim();
  if (words && can("search_text")) await submit("searchWords", words, { words });
  else await showGallery();
}

async function searchByPicture(blob) {
  if (!opened || !can("search_image")) return;
  if (pictureAddress) URL.revokeObjectURL(pictureAddress);
  pictureAddress = URL.createObjectURL(blob);
  $("query").value = "";
  setAddress("", true);
  await submit("searchPicture", blob, { picture: pictureAddress, name: blob.name });
}

/** Runs a query, or queues it while another one runs; a newer query replaces the queued one. */
async function submit(name, value, about) {
  const query = { name, value, about, number: ++latest };
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

async function run({ name, value, about, number }) {
  let result;
  try {
    result = await call(name, value);
  } catch (error) {
    if (number !== latest) return;
    showQueryPicture({});
    $("examples").hidden = true;
    showNeighbors([]);
    showStatus(error.message);
    return;
  }
  if (number !== latest) return;
  if (about.like !== undefined) about.metadata = (await call("items", about.like.slice(0, 1)))[0];
  showQueryPicture(about);
  $("examples").hidden = true;
  $("heading").textContent = about.words ? `Pictures for “${about.words}”` : about.like !== undefined ? `Pictures like the ${about.like.length > 1 ? `${about.like.length} chosen ones` : "chosen one"}` : "Pictures like yours";
  latestResult = { ...result, words: about.words };
  showResult(false);
}

/** Matches by the file's rule: results with at least the relevance `cut`, and none if `found`, or else the first result, is below `gate`. */
function matches({ neighbors, found }) {
  const curve = opened.manifest.relevance?.search_text ?? {};
  const { cut = 0, gate = 0 } = found === undefined ? curve : curve.found;
  return (found ?? neighbors[0]?.relevance) < gate ? [] : neighbors.filter(({ relevance }) => !(relevance < cut));
}

/** Shows the latest result: only matches, or weaker matches too. */
function showResult(weaker) {
  const { neighbors, milliseconds, words } = latestResult;
  const shown = weaker || words === undefined ? neighbors : matches(latestResult);
  const hidden = neighbors.length - shown.length;
  const all = counted(opened.manifest.items, noun());
  if (!neighbors.length) showStatus("Nothing was found. Try other words.", milliseconds);
  else if (!shown.length) showStatus(`No match among ${all}`, milliseconds);
  else if (hidden) showStatus(`${counted(shown.length, "match", "matches")} among ${all}`, milliseconds);
  else showStatus(`${shown.length} nearest of ${all}`, milliseconds);
  showNeighbors(shown);
  $("nothing").hidden = shown.length > 0 || !hidden;
  $("nothing-text").textContent = `Nothing seems to match “${words}”. The probability that the nearest result matches is ${percent(neighbors[0]?.relevance ?? 0)}.`;
  $("weaker").hidden = !hidden;
  $("show-weaker").textContent = `Show ${counted(hidden, "weaker match", "weaker matches")}`;
}

/** Never rounds a probability to 0 %. */
const percent = (share) => (share < 0.005 ? "under 1 %" : `${Math.round(100 * share)} %`);

async function showGallery() {
  const number = ++latest;
  pending = null;
  const { items } = opened.manifest;
  const count = Math.min(GALLERY, items);
  const chosen = Array.from({ length: count }, (_, i) => Math.floor((i * items) / count));
  const metadata = await call("items", chosen);
  if (number !== latest) return;
  showQueryPicture({});
  $("examples").hidden = $("examples").childElementCount === 0;
  $("heading").textContent = "Some of the pictures";
  showNeighbors(chosen.map((item, i) => ({ item, metadata: metadata[i] })));
  const hint = opened.knowsItems ? " Choose one to find similar ones; with Shift, add another." : "";
  showStatus(count < items ? `${counted(items, noun())}, here are some.${hint}` : `${counted(items, noun())}.${hint}`);
}

function setAddress(hash, push = false) {
  const address = `${location.pathname}${location.search}${hash && `#${hash}`}`;
  if (push) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

// ---- showing -----------------------------------------------------------------------------------------------------------------------

function showStatus(text, milliseconds) {
  $("message").textContent = text;
  $("latency").textContent = milliseconds === undefined ? "" : `in ${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

/** Shows the picture of an image query in the search box. */
function showQueryPicture({ like, metadata, picture, name }) {
  const [address, text] = like !== undefined ? [thumbnail(metadata), `${label(metadata).slice(0, 80)}${like.length > 1 ? ` and ${like.length - 1} more` : ""}`] : [picture, name || "your picture"];
  const any = like !== undefined || picture !== undefined;
  $("query-picture").hidden = !any;
  $("query-picture-image").hidden = !address;
  if (address) $("query-picture-image").src = address;
  else $("query-picture-image").removeAttribute("src");
  $("query-picture-name").textContent = any ? text : "";
  $("search").classList.toggle("with-picture", any);
}

/** Shows items, and hides the notes of an earlier result. */
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
  // A moved element loses the focus, so keyboard users would lose their position.
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

/** The path of an item's image, by the same rules as maker's `image_of`. */
function imageOf(metadata) {
  const values = objectOf(metadata);
  const text = values ? textIn(values, IMAGE_KEYS) : metadata;
  return /[^/]\.\w{2,5}$/.test(text) && !/[\0\n\\\uFFFD]/.test(text) ? text : null;
}

/** The name of an item: its title, the name of its image, or its metadata. */
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
  fact("queries", signatures.filter((s) => s.startsWith("search_")).map((s) => s.slice(7)).join(", "));
  if (encoders.text?.spec) fact("text encoder", `${encoders.text.spec}${encoders.text.vocabulary ? `, ${counted(encoders.text.vocabulary, "word")}` : ""}`);
  if (encoders.image?.spec) fact("image encoder", encoders.image.spec);
  if (index.kind) fact("index", `${index.kind}, rows ${index.rows}, ${Math.round(100 * index.share_scanned)} % scanned`);
  if (report.index?.["index_recall@10"] !== undefined) fact("index recall@10", String(report.index["index_recall@10"]));
  if (report.retrieval?.["R@10"] !== undefined) fact("retrieval R@10", `${report.retrieval["R@10"]} % among ${counted(report.retrieval.images ?? 0, "picture")}`);
  const at = manifest.relevance?.search_text?.measured?.at_cut;
  const first = at?.gate === undefined ? "" : ` if ${manifest.relevance.search_text.found ? "found is" : "the first has"} ${percent(at.gate)}`;
  if (at) fact("minimum relevance", `${percent(at.cut)}${first}; keeps ${percent(at.recall_kept)} of relevant results`);
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

// ---- offline use -------------------------------------------------------------------------------------------------------------------

async function keepOffline() {
  if (!("serviceWorker" in navigator)) return; // plain http from another machine
  // A replaced site has a new service worker, which has not kept anything of this page yet.
  navigator.serviceWorker.addEventListener("controllerchange", () => keepWith(navigator.serviceWorker.controller));
  try {
    await navigator.serviceWorker.register("service-worker.js");
    await keepWith((await navigator.serviceWorker.ready).active);
  } catch (error) {
    console.warn(`This page is not available offline: ${error.message}`);
  }
}

/** Makes a service worker keep what this page loaded, and tells the user. */
async function keepWith(serviceWorker) {
  const loaded = [...opened.loaded, ...performance.getEntriesByType("resource").map((entry) => entry.name)];
  const channel = new MessageChannel();
  const done = new Promise((resolve) => (channel.port1.onmessage = ({ data }) => resolve(data)));
  serviceWorker?.postMessage({ keep: [...new Set(loaded)] }, [channel.port2]);
  const { error, missing = [] } = await done;
  // Without a thumbnail the page still works, for instance where it was opened without a connection.
  const needed = missing.filter((url) => !url.includes(`/${opened.site.thumbnails.folder}/`));
  if (error || needed.length) throw new Error(error ?? `${needed[0]} cannot be fetched`);
  $("offline").textContent = "Everything runs in this page: queries and pictures never leave this device. The page is saved here and works offline.";
  document.documentElement.dataset.offline = "ready";
}

// ---- user input --------------------------------------------------------------------------------------------------------------------

let typed;
$("query").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    const words = $("query").value.trim();
    setAddress(words && String(new URLSearchParams({ q: words })));
    searchByWords();
  }, DEBOUNCE);
});

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typed);
  if (!opened || !$("query").value.trim()) return;
  setAddress(String(new URLSearchParams({ q: $("query").value.trim() })));
  searchByWords();
  if (matchMedia("(pointer: coarse)").matches) $("query").blur(); // closes the keyboard of a phone
});

function clearQuery() {
  setAddress("", true);
  $("query").value = "";
  showGallery();
  if (!$("query").disabled) $("query").focus();
}

$("query-picture-clear").addEventListener("click", clearQuery);
$("clear").addEventListener("click", clearQuery);
$("home").addEventListener("click", (event) => {
  if (!opened || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  scrollTo({ top: 0 });
  clearQuery();
});
$("retry").addEventListener("click", open);
$("show-weaker").addEventListener("click", () => {
  const before = $("results").childElementCount;
  showResult(true);
  // The focused button is gone; the first of the new pictures gets the focus.
  $("results").children[before]?.querySelector("button").focus({ preventScroll: true });
});
addEventListener("popstate", () => opened && searchByAddress());

$("results").addEventListener("click", (event) => {
  const card = event.target.closest("li");
  if (!card || !opened.knowsItems) return;
  const chosen = event.shiftKey ? new URLSearchParams(location.hash.slice(1)).get("like")?.split(",") ?? [] : [];
  setAddress(`like=${[...new Set([...chosen, card.dataset.item])].join(",")}`, true);
  scrollTo({ top: 0 });
  searchByAddress();
});

for (const [button, input] of [["choose", "file"], ["take", "camera"]]) {
  $(button).addEventListener("click", () => $(input).click());
  $(input).addEventListener("change", () => {
    if ($(input).files[0]) searchByPicture($(input).files[0]);
    $(input).value = "";
  });
}

addEventListener("paste", (event) => {
  const picture = [...(event.clipboardData?.files ?? [])].find((file) => file.type.startsWith("image/"));
  if (!picture) return;
  event.preventDefault();
  searchByPicture(picture);
});

// A drag crosses many elements, and each fires its own enter and leave events.
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
  if (file) searchByPicture(file);
});

addEventListener("keydown", (event) => {
  const inQuery = document.activeElement === $("query");
  if (event.key === "/" && !inQuery && !event.ctrlKey && !event.metaKey && !event.altKey) {
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

/** Arrow keys move through the grid as it is laid out; up from the first row moves to the search box. */
function moveInGrid(event) {
  const all = [...$("results").children];
  const at = all.indexOf(document.activeElement.closest("li"));
  const columns = Math.max(1, all.filter((card) => card.offsetTop === all[0].offsetTop).length);
  const next = at + { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  event.preventDefault();
  if (next < 0 && event.key === "ArrowUp" && !$("query").disabled) $("query").focus();
  else all[next]?.querySelector("button").focus();
}

// For the tests, and for debugging in the browser's console.
globalThis.pocketSearcher = { call, opened: () => opened };

open();
