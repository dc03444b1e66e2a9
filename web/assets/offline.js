// The service worker: keeps the page on this device, so that it opens without a network, and never a mixture of two
// releases. The build writes `FILES` in front of this, every file of the page with its SHA-256, so that a release is kept
// whole or not at all; and `VERSION`, the list's own. Models and galleries are not its business: the page keeps those itself, by checksum.
const SCOPE = new URL("./", location.href);
const PAGE = `solstice-page ${SCOPE.pathname} ${VERSION}`;
const DATA = `solstice-data-v1 ${SCOPE.pathname}`;
// A function of one relaxed SIMD instruction, as in `capability.rs`: browsers that know it use the other CPU bundle.
const RELAXED = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0],
  ...[65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11],
);
// Of use to other browsers, or large and of use to some machines only: kept when it is first used.
const LATER = WebAssembly.validate(RELAXED) ? /^solstice-(gpu|cpu[._])/ : /^solstice-(gpu|cpu-relaxed)/;
const DATA_FOLDERS = /^(models|gallery|samples|seasons|scenes|basemap)\//;
// What workers may do, on hosts that send no such header: those that see the user's pictures ask nobody but this site; the
// one that reads files at addresses which the user typed asks the others, and sees no picture.
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
const POLICIES = { "worker.js": POLICY, "reader.js": `${POLICY} https: http:` };

/** Where a file of the page is; servers know the page itself by its folder. */
const address = (name) => new URL(name === "index.html" ? "./" : name, SCOPE).href;

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Some hosts write scripts of their own into the page, which its policy stops: it is of this release if it names its files. */
function isPageOfRelease(name, bytes) {
  if (name !== "index.html") return false;
  const text = new TextDecoder().decode(bytes);
  const named = Object.keys(FILES).filter((file) => /^[\w-]+-[0-9a-f]{8,}[._]/.test(file));
  return named.length > 0 && named.every((file) => text.includes(file));
}

/** Keeps the file if it is the one that this release was built with, or with `mayDiffer` the page as the host hands it out. */
async function keepOfPage(name, response, mayDiffer = false) {
  const bytes = await response.arrayBuffer();
  const isOfRelease = (await sha256(bytes)) === FILES[name] || (mayDiffer && isPageOfRelease(name, bytes));
  if (!response.ok || !isOfRelease) return false;
  const headers = { "content-type": response.headers.get("content-type") ?? "" };
  if (name in POLICIES) headers["content-security-policy"] = POLICIES[name];
  await (await caches.open(PAGE)).put(address(name), new Response(bytes, { headers }));
  return true;
}

async function install() {
  for (const name of Object.keys(FILES).filter((name) => !LATER.test(name))) {
    // The browser has most of them at hand; what it has may be of another release.
    const isKept =
      (await keepOfPage(name, await fetch(address(name)))) ||
      (await keepOfPage(name, await fetch(address(name), { cache: "reload" }), true));
    if (!isKept) throw new Error(`${name} is not of this release`);
  }
}

async function activate() {
  for (const cache of await caches.keys()) {
    if (cache.startsWith(`solstice-page ${SCOPE.pathname} `) && cache !== PAGE) await caches.delete(cache);
  }
  await clients.claim();
}

/** A file of the page: the kept one, or the network's, which is then kept if it belongs to this release. */
async function ofPage(event, name) {
  const kept = await caches.match(address(name), { cacheName: PAGE });
  if (kept) return kept;
  const response = await fetch(event.request);
  // A full disk only means that it is fetched again.
  event.waitUntil(keepOfPage(name, response.clone()).catch(() => false));
  return bound(name, response);
}

/** The answer with the policy that binds a worker. */
function bound(name, response) {
  if (!(name in POLICIES)) return response;
  const headers = new Headers(response.headers);
  headers.set("content-security-policy", POLICIES[name]);
  return new Response(response.body, { status: response.status, headers });
}

/** Index files and pictures may change under the same name: the network's, or without one the kept ones. */
async function ofData(event) {
  const { request } = event;
  try {
    const response = await fetch(request);
    event.waitUntil(keepData(request.url, response.clone()).catch(() => false));
    return response;
  } catch (error) {
    const kept = await caches.match(request.url, { cacheName: DATA });
    if (kept) return kept;
    throw error;
  }
}

async function keepData(url, response) {
  // Some servers answer every unknown address with a web page.
  const isPage = (response.headers.get("content-type") ?? "").startsWith("text/html");
  if (response.ok && !isPage) await (await caches.open(DATA)).put(url, response);
}

/** The number of the last wish to keep something; an older one is given up. */
let wishes = 0;

/** Fetches what a later visit without network will need, one after the other, and says when it is done. */
async function keepAll(names, client) {
  const wish = (wishes += 1);
  for (const name of names.filter((name) => DATA_FOLDERS.test(name))) {
    const { href } = new URL(name, SCOPE);
    if (await caches.match(href, { cacheName: DATA })) continue;
    try {
      const response = await fetch(href);
      if (wish !== wishes) return;
      await keepData(href, response);
    } catch {
      // The network is gone already: what is kept is kept.
    }
  }
  client?.postMessage({ kind: "kept" });
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(activate()));

addEventListener("message", (event) => {
  const { kind, names } = event.data;
  if (kind === "take over") event.waitUntil(skipWaiting());
  if (kind === "keep") event.waitUntil(keepAll(names, event.source));
});

addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(SCOPE.href)) return;
  const name = decodeURIComponent(url.pathname.slice(SCOPE.pathname.length)) || "index.html";
  if (Object.hasOwn(FILES, name)) {
    event.respondWith(ofPage(event, name));
  } else if (DATA_FOLDERS.test(name) && !name.endsWith(".safetensors")) {
    event.respondWith(ofData(event));
  }
});
