// What the page shows of the user's own photos: the button that adds them, how far that is, and what was left out.

import { filesIn, filesOf } from "./photo_files.js";
import { counted } from "./wording.js";

const $ = (id) => document.getElementById(id);
const SHOWN_FAILURES = 500;

/** Shows photos, and passes on what is clicked. */
export class PhotosPanel {
  #photos;
  #listed = 0; // failures in the list
  #due = false;

  /** @param {import("./photos.js").Photos} photos */
  constructor(photos) {
    this.#photos = photos;
    $("photos-add").hidden = false;
    $("photos-add").addEventListener("click", () => this.#choose());
    $("photos-folder").addEventListener("change", () => {
      const files = filesOf($("photos-folder").files);
      $("photos-folder").value = "";
      photos.add(files);
    });
    $("photos-pause").addEventListener("click", () => (photos.progress.paused ? photos.resume() : photos.pause()));
    $("photos-cancel").addEventListener("click", () => photos.cancel());
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
    const files = await filesIn(folder, (count) => this.#say(`Looking through “${folder.name}”: ${counted(count, "file")}`));
    await this.#photos.add(files);
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
    const { progress, count } = this.#photos;
    const { running, paused, total, done, failed } = progress;
    $("photos").hidden = !running && !count && !failed.length && !progress.others;
    $("photos").dataset.count = count;
    $("photos-pause").hidden = $("photos-cancel").hidden = $("photos-progress").hidden = !running;
    $("photos-pause").textContent = paused ? "Go on" : "Pause";
    $("photos-progress").max = Math.max(1, total);
    $("photos-progress").value = done;
    this.#say(running ? this.#far() : this.#summary());
    if (failed.length < this.#listed) $("photos-failed-list").replaceChildren();
    this.#listed = Math.min(this.#listed, $("photos-failed-list").childElementCount);
    for (; this.#listed < Math.min(failed.length, SHOWN_FAILURES); this.#listed++) $("photos-failed-list").append(entryOf(failed[this.#listed]));
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
    const { others } = this.#photos.progress;
    const kept = `${counted(this.#photos.count, "photo")} of yours`;
    return others ? `${kept}; ${counted(others, "file")} that are no pictures ${others === 1 ? "was" : "were"} left out` : kept;
  }

  #say(text) {
    $("photos").hidden = false;
    $("photos-text").textContent = text;
  }
}

function entryOf({ path, reason }) {
  const entry = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = path;
  entry.append(name, `: ${reason}`);
  return entry;
}
