// Calls from the page to the worker that has the searcher.

let worker;
const replies = new Map();

/**
 * Starts the worker, or starts it again.
 * @param {(share: number) => void} progress Is told which part of the searcher is loaded, from 0 to 1.
 */
export function startWorker(progress) {
  worker?.terminate();
  worker = globalThis.firstWorker ?? new Worker("worker.js");
  globalThis.firstWorker = null;
  worker.onmessage = ({ data }) => {
    if (data.progress !== undefined) {
      progress(data.progress);
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

/** Calls a function of the worker. */
export function call(name, ...values) {
  return new Promise((resolve, reject) => {
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    replies.set(id, { resolve, reject });
    worker.postMessage({ id, call: name, values });
  });
}
