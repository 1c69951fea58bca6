// Calls from the page to a worker.

/** A worker whose functions are called by name. */
export class Calls {
  #worker;
  #replies = new Map();

  /** Whether the worker failed as a whole. */
  stopped = false;

  /**
   * @param {Worker} worker
   * @param {(share: number) => void} [progress] Is told which part of the searcher is loaded, from 0 to 1.
   */
  constructor(worker, progress) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (data.progress !== undefined) {
        progress?.(data.progress);
        return;
      }
      const { resolve, reject } = this.#replies.get(data.id);
      this.#replies.delete(data.id);
      if (data.error === undefined) resolve(data.result);
      else reject(new Error(data.error));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.stopped = true;
      const error = new Error(event.message || "The searcher stopped.");
      for (const { reject } of this.#replies.values()) reject(error);
      this.#replies.clear();
    };
  }

  /** Calls a function of the worker. */
  call(name, ...values) {
    return this.callWith([], name, ...values);
  }

  /** Calls a function of the worker, and hands buffers over to it. */
  callWith(buffers, name, ...values) {
    return new Promise((resolve, reject) => {
      const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
      this.#replies.set(id, { resolve, reject });
      this.#worker.postMessage({ id, call: name, values }, buffers);
    });
  }

  /** Ends the worker; calls that it has not answered stay open. */
  end() {
    this.#worker.terminate();
  }
}

let searcher;

/**
 * Starts the worker that has the searcher, or starts it again.
 * @param {(share: number) => void} progress Is told which part of the searcher is loaded, from 0 to 1.
 */
export function startWorker(progress) {
  searcher?.end();
  searcher = new Calls(globalThis.firstWorker ?? new Worker("worker.js"), progress);
  globalThis.firstWorker = null;
}

/** Calls a function of the worker that has the searcher. */
export const call = (name, ...values) => searcher.call(name, ...values);
