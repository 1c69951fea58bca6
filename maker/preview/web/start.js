// A classic script: it runs first, and it also runs in a page opened from disk, which may not load modules.
if (location.protocol === "file:") {
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("message").textContent =
      "Browsers do not let a page that was opened from disk load its files. Serve this folder, for example with: maker preview … --serve";
    document.getElementById("loading").hidden = true;
  });
} else {
  // The worker opens the searcher while the page is still loading; app.js sends it queries.
  globalThis.firstWorker = new Worker("worker.js");
}
