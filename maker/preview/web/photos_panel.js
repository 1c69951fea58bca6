// What the page shows of the user's own photos: the button that adds them, how far that is, and what was left out.

import { filesDropped, filesIn, filesOf } from "./photo_files.js";
import { counted } from "./wording.js";

const $ = (id) => document.getElementById(id);
const SHOWN_FAILURES = 500;

/** Shows photos, and passes on what is clicked. */
export class PhotosPanel {
  #photos;
  #title;
  #listed = []; // the failures in the list
  #due = false;
  #wasRunning = false;

  /**
   * @param {import("./photos.js").Photos} photos
   * @param {string} title Of the page, for the names of files.
   */
  constructor(photos, title) {
    this.#photos = photos;
    this.#title = title;
    $("photos-add").hidden = $("photos-open").hidden = false;
    const listen = (id, act, event = "click") => $(id).addEventListener(event, () => Promise.resolve(act()).catch((error) => this.fail(error)));
    listen("photos-add", () => this.#choose());
    listen("photos-folder", () => this.#take(), "change");
    listen("photos-pause", () => (photos.progress.paused ? photos.resume() : photos.pause()));
    listen("photos-cancel", () => photos.cancel());
    listen("photos-continue", () => this.continue());
    listen("photos-again", () => this.#again());
    listen("photos-forget", () => confirm(`Remove ${counted(photos.count || photos.outdated, "photo")} from this page? The files stay where they are.`) && photos.removeAll());
    listen("photos-export", () => this.#export());
    listen("photos-import", () => $("photos-file").click());
    listen("photos-file", () => this.import([...$("photos-file").files][0]), "change");
    this.show();
  }

  async #choose() {
    if (!globalThis.showDirectoryPicker) {
      $("photos-folder").click();
      return;
    }
    let folder;
    try {
      folder = await showDirectoryPicker({ id: "photos", startIn: "pictures" });
    } catch {
      return; // closed without a choice
    }
    await this.#photos.addFolder(folder);
    await this.#addFrom([folder]);
  }

  async #take() {
    const files = filesOf($("photos-folder").files);
    $("photos-folder").value = "";
    await this.#photos.add(files);
  }

  async #addFrom(folders) {
    const files = [];
    for (const folder of folders) {
      const before = files.length;
      files.push(...(await filesIn(folder, (count) => this.#say(`Looking through “${folder.name}”: ${counted(before + count, "file")}`))));
    }
    await this.#photos.add(files);
  }

  /**
   * Goes on where an earlier visit was interrupted.
   * @param {boolean} [asking] Whether the browser may be asked for permission, or for the folder.
   */
  async continue(asking = true) {
    const allowed = [];
    for (const folder of await this.#photos.folders()) {
      const state = await (asking ? folder.requestPermission({ mode: "read" }) : folder.queryPermission({ mode: "read" }));
      if (state === "granted") allowed.push(folder);
    }
    if (allowed.length) await this.#addFrom(allowed);
    else if (asking) await this.#choose();
  }

  /** Indexes what was indexed for another searcher. */
  async #again() {
    const folders = await this.#photos.folders();
    await this.#photos.removeAll();
    for (const folder of folders) await this.#photos.addFolder(folder);
    await this.continue();
  }

  async #export() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await this.#photos.exported()], { type: "application/octet-stream" }));
    link.download = `${this.#title}.overlay`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the download may still read it
  }

  /** Adds photos that were dropped, or opens an overlay file. */
  async drop(transfer) {
    const [file] = transfer.files;
    try {
      if (transfer.files.length === 1 && file.name.endsWith(".overlay")) await this.import(file);
      else await this.#photos.add(await filesDropped(transfer));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Opens an overlay file. */
  async import(file) {
    $("photos-file").value = "";
    const { count } = this.#photos;
    if (count && !confirm(`This takes the place of ${counted(count, "photo")} on this page. Save them as a file first if you want to keep them.`)) return;
    try {
      await this.#photos.import(new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      throw new Error(`“${file.name}” cannot be opened. ${error.message}`);
    }
  }

  /** Shows the state at the next frame. */
  show() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#showNow();
    });
  }

  #showNow() {
    const { progress, count, outdated, unfinished, trouble } = this.#photos;
    const { running, paused, total, done, failed } = progress;
    const shown = { pause: running, cancel: running, progress: running, continue: unfinished && !running, again: outdated, export: count && !running, forget: (count || outdated) && !running };
    for (const [name, visible] of Object.entries(shown)) $(`photos-${name}`).hidden = !visible;
    $("photos").hidden = !running && !count && !outdated && !failed.length && !progress.others && !trouble;
    $("photos").dataset.count = count;
    $("photos-pause").textContent = paused ? "Go on" : "Pause";
    $("photos-progress").max = Math.max(1, total);
    $("photos-progress").value = done;
    $("photos-text").textContent = running ? this.#far() : this.#summary();
    // Said at the beginning and at the end only.
    if (running !== this.#wasRunning) $("photos-said").textContent = running ? `Adding ${counted(total, "photo")}` : this.#summary();
    this.#wasRunning = running;
    this.#showTrouble(trouble);
    this.#showFailures(failed);
  }

  #showFailures(failed) {
    if (failed !== this.#listed) $("photos-failed-list").replaceChildren();
    this.#listed = failed;
    const list = $("photos-failed-list");
    while (list.childElementCount < Math.min(failed.length, SHOWN_FAILURES)) list.append(entryOf(failed[list.childElementCount]));
    $("photos-failed").hidden = !failed.length;
    $("photos-failed-summary").textContent = `${counted(failed.length, "file")} could not be added`;
  }

  #far() {
    const { paused, total, done } = this.#photos.progress;
    const speed = this.#photos.speed;
    const rate = paused ? " · paused" : speed ? ` · ${speed.toFixed(speed < 10 ? 1 : 0)} a second` : "";
    return `${done.toLocaleString("en")} of ${counted(total, "photo")}${rate}`;
  }

  #summary() {
    const { count, outdated, unfinished, progress } = this.#photos;
    if (outdated) return `The searcher of this page has changed. ${counted(outdated, "photo")} of yours ${outdated === 1 ? "was" : "were"} indexed for the one before.`;
    const kept = `${counted(count, "photo")} of yours, kept in this browser`;
    if (unfinished) return `${kept}; ${unfinished.toLocaleString("en")} more ${unfinished === 1 ? "was" : "were"} still to be added`;
    const { others } = progress;
    return others ? `${kept}; ${counted(others, "other file")} left out` : kept;
  }

  #say(text) {
    $("photos").hidden = false;
    $("photos-text").textContent = text;
  }

  /** Shows why something failed. */
  fail(error) {
    $("photos").hidden = false;
    this.#showTrouble(error.message);
  }

  #showTrouble(text) {
    $("photos-trouble").hidden = !text;
    $("photos-trouble").textContent = text ?? "";
  }
}

function entryOf({ path, reason }) {
  const entry = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = path;
  entry.append(name, `: ${reason}`);
  return entry;
}
