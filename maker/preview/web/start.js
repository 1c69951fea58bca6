// A classic script, so that it runs before anything else, and also where a page opened from disk may not load modules.
if (location.protocol === "file:") {
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("said").textContent =
      "Browsers do not let a page opened from disk load its parts. Serve this folder, for example with: maker preview … --serve";
    document.getElementById("loading").hidden = true;
  });
} else {
  // It opens the searcher while the page is still being read; app.js asks it.
  globalThis.firstWorker = new Worker("worker.js");
}
