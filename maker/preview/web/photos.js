// The user's own photos: added one by one while everything else goes on, kept in this browser, and removed.

import { Calls } from "./calls.js";
import { isPicture, reasonOf } from "./photo_files.js";

const AT_ONCE = 2; // photos: while one is embedded, the browser decodes the next
const SPEED = 10_000; // milliseconds over which photos a second are counted

/** Indexes photos, and knows which there are. */
export class Photos {
  #call;
  #store;
  #changed;
  #worker = null;
  #waiting = []; // files that are not indexed yet
  #resume = null; // goes on after a pause
  #paused = null; // resolves then
  #finished = []; // times at which the latest photos were done
  #known = new Map(); // by path: item, size and time of change

  /** How far the indexing is. */
  progress = { running: false, paused: false, total: 0, done: 0, added: 0, unchanged: 0, others: 0, failed: [] };

  /**
   * @param {(name: string, ...values: *) => Promise<*>} call Of the worker that searches.
   * @param {import("./photo_store.js").PhotoStore} store
   * @param {() => void} changed Is called after every change.
   */
  constructor(call, store, changed) {
    this.#call = call;
    this.#store = store;
    this.#changed = changed;
  }

  /** The number of photos. */
  get count() {
    return this.#known.size;
  }

  /** Photos a second, over the last seconds. */
  get speed() {
    const now = performance.now();
    this.#finished = this.#finished.filter((time) => now - time < SPEED);
    return this.#finished.length > 1 ? (1000 * (this.#finished.length - 1)) / (this.#finished.at(-1) - this.#finished[0]) : 0;
  }

  /**
   * Adds photos. Those that are known and have not changed stay as they are.
   * @param {{path: string, read: () => Promise<File>}[]} files Also others than pictures, which are counted.
   */
  async add(files) {
    const pictures = files.filter(({ path }) => isPicture(path)).sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
    const others = files.length - pictures.length;
    this.#waiting.push(...pictures);
    if (this.progress.running) {
      this.progress.total += pictures.length;
      this.progress.others += others;
      return;
    }
    this.progress = { running: true, paused: false, total: this.#waiting.length, done: 0, added: 0, unchanged: 0, others, failed: [] };
    this.#finished = [];
    this.#changed();
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, () => this.#work()));
    } finally {
      this.#worker?.end();
      this.#worker = null;
      this.progress = { ...this.progress, running: false, paused: false };
      this.#changed();
    }
  }

  async #work() {
    for (let file; (await this.#paused, (file = this.#waiting.shift())); ) {
      await this.#index(file);
      this.progress.done += 1;
      this.#changed();
    }
  }

  async #index({ path, read }) {
    let file;
    try {
      file = await read();
    } catch {
      this.#reject(path, "it is not there any more, or this page may not read it");
      return;
    }
    const known = this.#known.get(path);
    if (known && known.size === file.size && known.modified === file.lastModified) {
      this.progress.unchanged += 1;
      return;
    }
    let photo;
    try {
      if (!file.size) throw new Error("empty");
      photo = await (await this.#embedder()).call("embed", file);
    } catch (error) {
      if (this.#worker?.stopped) this.#worker = null; // the next photo gets a new one
      const reason = await reasonOf(file).catch(() => "it cannot be read");
      this.#reject(path, this.#worker ? reason : error.message);
      return;
    }
    const item = await this.#call("addItem", photo.vector, path);
    await this.#store.setThumbnail(item, photo.thumbnail);
    if (known) await this.#forget(known.item);
    this.#known.set(path, { item, size: file.size, modified: file.lastModified });
    this.progress.added += 1;
    this.#finished.push(performance.now());
  }

  /** The worker that embeds; started for the first photo. */
  async #embedder() {
    if (!this.#worker) {
      const worker = (this.#worker = new Calls(new Worker("photo-worker.js")));
      this.#worker.ready = this.#call("embedder").then(({ model, preparation }) => worker.call("start", model, preparation));
    }
    const worker = this.#worker;
    await worker.ready;
    return worker;
  }

  #reject(path, reason) {
    this.progress.failed.push({ path, reason });
  }

  pause() {
    if (!this.progress.running || this.#paused) return;
    this.#paused = new Promise((resolve) => (this.#resume = resolve));
    this.progress.paused = true;
    this.#finished = [];
    this.#changed();
  }

  resume() {
    this.#paused = null;
    this.progress.paused = false;
    this.#resume?.();
    this.#changed();
  }

  /** Stops; what was added stays. */
  cancel() {
    this.#waiting = [];
    this.resume();
  }

  /** Removes a photo. */
  async remove(item) {
    const [path] = [...this.#known].find(([, known]) => known.item === item) ?? [];
    this.#known.delete(path);
    await this.#forget(item);
    this.#changed();
  }

  async #forget(item) {
    await this.#call("removeItem", item);
    await this.#store.removeThumbnail(item);
  }

  /** The thumbnail of a photo, as the address of an image; null if there is none. */
  async thumbnail(item) {
    const blob = await this.#store.thumbnail(item);
    return blob ? URL.createObjectURL(blob) : null;
  }
}
