// The user's own photos: added one by one while everything else goes on, kept in this browser, and removed.

import { Calls } from "./calls.js";
import { isPicture, reasonOf } from "./photo_files.js";

const AT_ONCE = 2; // photos: while one is embedded, the browser decodes the next one
const SPEED = 10_000; // milliseconds over which photos a second are counted
const SAVE_AFTER = { photos: 16, share: 0.02, milliseconds: 10_000 };
const IDLE = { running: false, paused: false, total: 0, done: 0, added: 0, unchanged: 0, others: 0, failed: [] };

/** Indexes photos, and knows which there are. */
export class Photos {
  #call;
  #base;
  #store;
  #changed;
  #worker = null;
  #waiting = []; // files that are not indexed yet
  #paused = null; // what to wait for, and how it ends
  #finished = []; // times at which the latest photos were done
  #known = new Map(); // by path: item, size and time of change
  #arriving = new Map(); // by item: until its thumbnail is kept
  #unsaved = { photos: 0, since: 0 };
  #saving = Promise.resolve();

  /** How far the indexing is; `failed` are the files that could not be added, each with its `path` and `reason`. */
  progress = IDLE;

  /** How many photos an interrupted run still had to add; 0 if none was interrupted. */
  unfinished = 0;

  /** How many photos are kept that were indexed for another searcher; 0 if none are. */
  outdated = 0;

  /** Whether another tab of this page is the one that may change photos. */
  elsewhere = false;

  /** Why photos cannot be kept; null if they can. */
  trouble = null;

  /**
   * @param {(name: string, ...values: *) => Promise<*>} call Of the worker that searches.
   * @param {string} base The fingerprint of the searcher.
   * @param {import("./photo_store.js").PhotoStore} store
   * @param {(anew?: boolean) => void} changed Is called after every change; `anew` says that ids are given from the first on again.
   */
  constructor(call, base, store, changed) {
    this.#call = call;
    this.#base = base;
    this.#store = store;
    this.#changed = changed;
  }

  /** Takes over what was kept in this browser. */
  async open() {
    const again = async () => {
      this.elsewhere = false;
      await this.#call("forgetChanges");
      await this.#load();
      this.#changed(true);
    };
    this.elsewhere = !(await this.#store.claim(() => again().catch((error) => this.#stop(error))));
    await this.#load();
  }

  async #load() {
    const kept = await this.#store.get("overlay");
    if (!kept) return;
    if (kept.base !== this.#base) {
      this.outdated = kept.files.size;
      return;
    }
    await this.#call("loadOverlay", kept.bytes);
    await this.#know(kept.files);
    if (!this.elsewhere) await this.#store.removeThumbnailsFrom(kept.nextId); // an interrupted run left them
    this.unfinished = (await this.#store.get("unfinished")) ?? 0;
  }

  /** Finds out which photos the overlay has; `files` says how they were when they were indexed. */
  async #know(files) {
    const items = await this.#call("addedItems");
    const paths = await this.#call("items", items);
    this.#known = new Map(paths.map((path, i) => [path, files.get(path)?.item === items[i] ? files.get(path) : { item: items[i] }]));
  }

  #requireClaim() {
    if (this.elsewhere) throw new Error("Another tab has this page open and may be adding photos. Close it to change your photos here.");
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
    this.#requireClaim();
    const pictures = files.filter(({ path }) => isPicture(path)).sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
    const others = files.length - pictures.length;
    this.#waiting.push(...pictures);
    if (this.progress.running) {
      this.progress.total += pictures.length;
      this.progress.others += others;
      return;
    }
    this.progress = { ...IDLE, running: true, total: pictures.length, others, failed: [] };
    this.trouble = null;
    this.#finished = [];
    this.#unsaved = { photos: 0, since: performance.now() };
    this.#changed();
    navigator.storage?.persist?.(); // asks the browser not to forget them where room is short
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.#work()));
    this.#worker?.end();
    this.#worker = null;
    this.unfinished = 0;
    await this.#save();
    this.progress = { ...this.progress, running: false, paused: false };
    this.#changed();
  }

  async #work() {
    for (let file; (await this.#paused?.promise, (file = this.#waiting.shift())); ) {
      try {
        await this.#index(file);
      } catch (error) {
        this.#stop(error);
        return;
      }
      this.progress.done += 1;
      this.#changed();
      if (this.#isTimeToSave()) await this.#save();
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
    const photo = await this.#embedded(path, file);
    if (!photo) return;
    const item = await this.#call("addItem", photo.vector, path);
    const arriving = this.#store.setThumbnail(item, photo.thumbnail);
    this.#arriving.set(item, arriving);
    await arriving;
    this.#arriving.delete(item);
    if (known) await this.#forget(known.item);
    this.#known.set(path, { item, size: file.size, modified: file.lastModified });
    this.progress.added += 1;
    this.#unsaved.photos += 1;
    this.#finished.push(performance.now());
  }

  /** The embedding and the thumbnail of a photo; null if it cannot be read. */
  async #embedded(path, file) {
    const worker = file.size ? await this.#embedder() : null;
    try {
      if (worker) return await worker.call("embed", file);
    } catch (error) {
      if (worker.stopped) {
        this.#worker = null; // the next photo gets a new one
        this.#reject(path, `the decoder stopped (${error.message})`);
        return null;
      }
    }
    this.#reject(path, await reasonOf(file).catch(() => "it cannot be read"));
    return null;
  }

  /** The worker that embeds; started for the first photo. */
  async #embedder() {
    if (!this.#worker) {
      const worker = (this.#worker = new Calls(new Worker("photo-worker.js")));
      worker.ready = this.#call("embedder").then(({ model, preparation }) => worker.callWith([model.buffer], "start", model, preparation));
    }
    const worker = this.#worker;
    await worker.ready;
    return worker;
  }

  #reject(path, reason) {
    this.progress.failed.push({ path, reason });
  }

  #stop(error) {
    this.trouble = error.name === "QuotaExceededError" ? "This browser has no room for more photos." : error.message;
    this.#waiting = [];
  }

  #isTimeToSave() {
    const { photos, since } = this.#unsaved;
    return photos > 0 && (photos >= Math.max(SAVE_AFTER.photos, SAVE_AFTER.share * this.count) || performance.now() - since > SAVE_AFTER.milliseconds);
  }

  /** Keeps what there is, after what is being kept already. */
  #save() {
    this.#unsaved = { photos: 0, since: performance.now() };
    this.#saving = this.#saving.then(async () => {
      const { bytes, nextId } = await this.#call("saveOverlay");
      const unfinished = this.#waiting.length;
      await this.#store.set({ overlay: { base: this.#base, bytes, nextId, files: this.#known }, unfinished });
    }).catch((error) => this.#stop(error));
    return this.#saving;
  }

  pause() {
    if (!this.progress.running || this.#paused) return;
    this.#paused = {};
    this.#paused.promise = new Promise((resolve) => (this.#paused.end = resolve));
    this.progress.paused = true;
    this.#finished = [];
    this.#changed();
  }

  resume() {
    this.#paused?.end();
    this.#paused = null;
    this.progress.paused = false;
    this.#changed();
  }

  /** Stops; what was added stays. */
  cancel() {
    this.#waiting = [];
    this.resume();
  }

  /** Removes a photo. */
  async remove(item) {
    this.#requireClaim();
    const [path] = [...this.#known].find(([, known]) => known.item === item) ?? [];
    this.#known.delete(path);
    await this.#forget(item);
    await this.#save();
    this.#changed();
  }

  async #forget(item) {
    await this.#call("removeItem", item);
    await this.#store.removeThumbnail(item);
  }

  /** Removes all photos, those that were indexed for another searcher, too. */
  async removeAll() {
    this.#requireClaim();
    await this.#saving;
    await this.#store.clear();
    await this.#call("forgetChanges");
    this.#known = new Map();
    this.outdated = this.unfinished = 0;
    this.progress = IDLE;
    this.#changed(true);
  }

  /** All photos as an overlay file. */
  async exported() {
    return (await this.#call("saveOverlay")).bytes;
  }

  /** Takes over an overlay file, in the place of all photos. */
  async import(bytes) {
    this.#requireClaim();
    await this.#call("loadOverlay", bytes);
    await this.#store.clear();
    await this.#know(new Map());
    this.outdated = this.unfinished = 0;
    this.progress = IDLE;
    await this.#save();
    this.#changed(true);
  }

  /** The folders that photos were added from, where the browser can open them again. */
  async folders() {
    return (await this.#store.get("folders")) ?? [];
  }

  async addFolder(folder) {
    const others = [];
    for (const known of await this.folders()) if (!(await known.isSameEntry(folder))) others.push(known);
    await this.#store.set({ folders: [...others, folder] });
  }

  /** The thumbnail of a photo, as the address of an image; null if there is none. */
  async thumbnail(item) {
    await this.#arriving.get(item);
    const blob = await this.#store.thumbnail(item);
    return blob ? URL.createObjectURL(blob) : null;
  }
}
