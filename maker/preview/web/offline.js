// Keeps the page for use without a connection.

/**
 * Starts the service worker.
 * @param {{loaded: string[], site: object}} opened What the worker knows: the files that it loaded, and `site.json`.
 */
export async function keepOffline(opened) {
  if (!("serviceWorker" in navigator)) return; // plain http from another machine
  const warn = (error) => console.warn(`This page is not available offline: ${error.message}`);
  // A replaced site has a new service worker, which has not kept anything of this page yet.
  navigator.serviceWorker.addEventListener("controllerchange", () => keepWith(navigator.serviceWorker.controller, opened).catch(warn));
  try {
    await navigator.serviceWorker.register("service-worker.js");
    await keepWith((await navigator.serviceWorker.ready).active, opened);
  } catch (error) {
    warn(error);
  }
}

/** Makes a service worker keep what this page loaded, and tells the user. */
async function keepWith(serviceWorker, opened) {
  const loaded = [...opened.loaded, ...performance.getEntriesByType("resource").filter(({ initiatorType }) => !["audio", "video"].includes(initiatorType)).map(({ name }) => name)];
  const channel = new MessageChannel();
  const done = new Promise((resolve) => (channel.port1.onmessage = ({ data }) => resolve(data)));
  serviceWorker?.postMessage({ keep: [...new Set(loaded)] }, [channel.port2]);
  const { error, missing = [] } = await done;
  // Without a thumbnail the page still works, for instance where it was opened without a connection.
  const needed = missing.filter((url) => !url.includes(`/${opened.site.thumbnails.folder}/`));
  if (error || needed.length) throw new Error(error ?? `${needed[0]} cannot be kept`);
  document.getElementById("offline").textContent = "Everything runs in this page: queries and pictures never leave this device. The page is saved here and works offline.";
  document.documentElement.dataset.offline = "ready";
}
