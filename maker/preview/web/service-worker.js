// Keeps the page, the searcher and the thumbnails that were shown, so that the page works offline.

// `maker preview` fills in the list of files, and a version that changes with any of them.
const SITE = { version: "development", files: [] };
const SHELL = `shell-${SITE.version}`;
const SHOWN = `shown-${SITE.version}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const shell = await caches.open(SHELL);
      await Promise.all(
        SITE.files.map(async (file) => {
          const response = await fetch(new Request(file, { cache: "no-cache" }));
          if (!response.ok) throw new Error(`${file}: ${response.status}`);
          await shell.put(file, response);
        }),
      );
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name !== SHELL && name !== SHOWN) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  // Players ask for parts of large files, which the browser itself keeps as it sees fit.
  if (["audio", "video"].includes(request.destination)) return;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || !url.href.startsWith(registration.scope)) return;
  const page = request.mode === "navigate" && ["", "index.html"].includes(url.href.slice(registration.scope.length).split(/[?#]/)[0]);
  event.respondWith(respond(request, page ? "./" : request));
});

// The page lists what it loaded before this worker existed: the wasm build for this browser, and the first thumbnails.
self.addEventListener("message", (event) => {
  const { keep } = event.data;
  const done = (async () => {
    const shown = await caches.open(SHOWN);
    const missing = [];
    await Promise.all(
      keep.filter((url) => url.startsWith(registration.scope)).map(async (url) => {
        if (await caches.match(url, { ignoreSearch: true })) return;
        try {
          const response = await fetch(url, { cache: "no-cache" });
          if (!response.ok) throw new Error(response.status);
          await shown.put(url, response); // fails if the connection ends within the file
        } catch {
          missing.push(url);
        }
      }),
    );
    event.ports[0]?.postMessage({ missing });
  })();
  event.waitUntil(done.catch((error) => event.ports[0]?.postMessage({ error: String(error) })));
});

async function respond(request, key) {
  const cached = await caches.match(key, { ignoreSearch: true });
  if (cached) return cached;
  const response = await fetch(request);
  if (response.status === 200) {
    const copy = response.clone();
    // Respond even if the disk is full.
    caches.open(SHOWN).then((shown) => shown.put(request, copy)).catch(() => {});
  }
  return response;
}
