// Keeps the user's photos in this browser, in IndexedDB: the overlay, the thumbnails, and what is needed to go on after a reload.

const NAME = `photos of ${new URL("./", location.href).pathname}`; // several sites of a host keep theirs apart
const STATE = "state";
const THUMBNAILS = "thumbnails";

/** What is kept for the searcher of this page. */
export class PhotoStore {
  #database;

  /** Opens the store of the site at this address. */
  static async open() {
    const store = new PhotoStore();
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(STATE);
      request.result.createObjectStore(THUMBNAILS);
    };
    store.#database = await done(request);
    return store;
  }

  /**
   * Makes this the one tab that may change what is kept.
   * @param {() => void} later Is called when that becomes possible, if another tab still is the one.
   * @returns {Promise<boolean>} Whether it is possible now.
   */
  claim(later) {
    const held = new Promise(() => {}); // until the tab is closed
    return new Promise((resolve) => {
      navigator.locks.request(NAME, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        if (lock) return held;
        navigator.locks.request(NAME, () => {
          later();
          return held;
        });
      });
    });
  }

  /** A value of the state; undefined if there is none. */
  get(name) {
    return done(this.#database.transaction(STATE).objectStore(STATE).get(name));
  }

  /** Keeps values of the state, all or none of them. */
  set(values) {
    const change = this.#database.transaction(STATE, "readwrite");
    for (const [name, value] of Object.entries(values)) change.objectStore(STATE).put(value, name);
    return finished(change);
  }

  /** The thumbnail of an item, a Blob; undefined if there is none. */
  thumbnail(item) {
    return done(this.#database.transaction(THUMBNAILS).objectStore(THUMBNAILS).get(item));
  }

  /** Keeps the thumbnail of an item, which takes the place of one that an interrupted run left. */
  setThumbnail(item, blob) {
    const change = this.#database.transaction(THUMBNAILS, "readwrite");
    change.objectStore(THUMBNAILS).put(blob, item);
    return finished(change);
  }

  removeThumbnail(item) {
    return this.#removeThumbnails(item);
  }

  /** Removes the thumbnails of an item and of those after it. */
  removeThumbnailsFrom(item) {
    return this.#removeThumbnails(IDBKeyRange.lowerBound(item));
  }

  #removeThumbnails(key) {
    const change = this.#database.transaction(THUMBNAILS, "readwrite");
    change.objectStore(THUMBNAILS).delete(key);
    return finished(change);
  }

  /** Forgets everything. */
  clear() {
    const change = this.#database.transaction([STATE, THUMBNAILS], "readwrite");
    change.objectStore(STATE).clear();
    change.objectStore(THUMBNAILS).clear();
    return finished(change);
  }
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(change) {
  return new Promise((resolve, reject) => {
    change.oncomplete = () => resolve();
    change.onerror = change.onabort = () => reject(change.error ?? new Error("it was aborted"));
  });
}
