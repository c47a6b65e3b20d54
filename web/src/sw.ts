// SPDX-License-Identifier: MIT
// The service worker: opens the page when the server is away.  It asks the server first, so that what
// is shown is never older than the server, and another program at the same address is left alone.
// Requests of the API never come through here.
declare const VERSION: string; // a hash of all assets, set by the build
declare const ASSETS: string[];
const worker = self as unknown as ServiceWorkerGlobalScope;
const CACHE = `hadal-${VERSION}`;

worker.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(ASSETS.map((path) => new Request(path, { cache: "reload" }))))
      .then(() => worker.skipWaiting()),
  );
});

worker.addEventListener("activate", (event) => {
  const drop_old = caches
    .keys()
    .then((names) =>
      Promise.all(
        names
          .filter((name) => name.startsWith("hadal-") && name !== CACHE)
          .map((name) => caches.delete(name)),
      ),
    );
  event.waitUntil(drop_old.then(() => worker.clients.claim()));
});

async function from_server_or_cache(request: Request, path: string): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await (await caches.open(CACHE)).match(path);
    if (kept) return kept;
    throw error;
  }
}

worker.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== worker.location.origin) return;
  if (ASSETS.includes(url.pathname))
    event.respondWith(from_server_or_cache(event.request, url.pathname));
});
