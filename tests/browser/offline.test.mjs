// After the first visit the page opens without a network, under a sub-path too, and does what it did before. A new build
// takes the old one's place whole, or not at all.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { assertAccessible, keep } from "./appearance.mjs";
import { DIST, deployed, expected } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { classLabel } from "./classify-page.mjs";
import { ExplorePage } from "./explore-page.mjs";
import { SeasonsPage } from "./seasons-page.mjs";
import { serve } from "./serve.mjs";

const WEB = join(dirname(fileURLToPath(import.meta.url)), "../../web");
const PREFIX = "/some/where/";
let site, browser, view;

beforeEach(async () => {
  browser = await launch({ serviceWorkers: "allow" });
  view = new SeasonsPage(await browser.context.newPage());
});

afterEach(async () => {
  await browser?.close();
  await site?.close();
  site = undefined;
});

/** Everything that is kept, `{ cache: [address below the page] }`. */
const kept = () =>
  view.page.evaluate(async () => {
    const all = {};
    for (const name of await caches.keys()) {
      const requests = await (await caches.open(name)).keys();
      all[name] = requests.map(({ url }) => url.replace(document.baseURI.split("#")[0], ""));
    }
    return all;
  });

/** Opens the page and waits until it has kept everything: the last picture of the last place comes last. */
async function visit(folder = DIST) {
  const { places } = JSON.parse(await readFile(deployed("seasons/index.json"), "utf8"));
  const last = `seasons/${places.at(-1).id}/${places.at(-1).dates.at(-1)}.jpg`;
  site = await serve(folder, { prefix: PREFIX });
  await view.open(site.url);
  await view.waitForDevice("CPU");
  for (let tries = 0; !Object.values(await kept()).flat().includes(last); tries += 1) {
    assert.ok(tries < 300, `${last} was never kept`);
    await view.page.waitForTimeout(100);
  }
}

const isPictureThere = (image) => image.evaluate((image) => image.decode().then(() => image.naturalWidth > 0));

test("with the server gone: the page opens, classifies a sample, and shows Seasons and Explore", async () => {
  await visit();
  await site.close();
  site = undefined;
  view.errors.length = 0;
  await view.page.reload();
  await view.waitForDevice("CPU");
  const tile = expected.tiles.find(({ file }) => file.startsWith("samples/"));
  const sample = view.page.getByRole("button", { name: /^Sample tile/ });
  await sample.first().waitFor();
  assert.ok(await isPictureThere(sample.first().locator("img")));
  await view.page.evaluate((name) => (location.hash = `#/classify?sample=${name}`), basename(tile.file));
  await view.page.reload();
  assert.equal(await view.verdict(basename(tile.file)), classLabel(tile.class));
  await view.page.getByRole("img", { name: /similarity/ }).first().waitFor();
  await view.page.getByRole("link", { name: "Seasons" }).click();
  await view.waitForAll();
  const [{ dates }] = JSON.parse(await readFile(deployed("seasons/index.json"), "utf8")).places;
  assert.equal(await view.matrix.getByRole("button").count(), dates.length ** 2);
  const picture = view.page.getByRole("list", { name: "Dates" }).locator("img").first();
  assert.ok(await isPictureThere(picture));
  const explore = new ExplorePage(view.page);
  await view.page.getByRole("link", { name: "Explore" }).click();
  await explore.waitForTiles();
  const index = JSON.parse(await readFile(deployed("gallery/index.json"), "utf8"));
  const sheets = Object.values(await kept()).flat().filter((name) => /^gallery\/thumbnails-\d+\.jpg$/.test(name));
  assert.ok(index.galleries.length > 0 && sheets.length > 1, "thumbnails are kept");
  await view.page.getByRole("link", { name: "Classify" }).click();
  const scene = view.page.locator(".scene-samples button").first();
  assert.ok(await isPictureThere(scene.locator("img")));
  await scene.click();
  await view.page.locator('[data-scene="done"]').waitFor({ timeout: 120_000 });
});

test("a host that writes a script into the page is no reason to do without, and its script does not run", async () => {
  // As some do for statistics.
  const folder = await mkdtemp(join(tmpdir(), "solstice-host-"));
  await cp(DIST, folder, { recursive: true });
  const page = await readFile(join(folder, "index.html"), "utf8");
  await writeFile(join(folder, "index.html"), page.replace("</body>", "<script>window.isCounted = true</script></body>"));
  await visit(folder);
  assert.ok(Object.entries(await kept()).some(([name, files]) => name.startsWith("solstice-page") && files.includes("")), "the page is kept");
  assert.equal(await view.page.evaluate(() => window.isCounted), undefined);
  await rm(folder, { recursive: true, force: true });
});

test("models and galleries are kept once, by checksum, and the page beside them; Clear removes all", async () => {
  await visit();
  const all = await kept();
  const page = Object.keys(all).filter((name) => name.startsWith("solstice-page"));
  assert.equal(page.length, 1);
  for (const name of ["", "boot.js", "worker.js", "solstice-cpu-relaxed.js", "solstice-cpu-relaxed_bg.wasm", "manifest.webmanifest"]) {
    assert.ok(all[page[0]].includes(name), `${name || "the page"} is kept`);
  }
  assert.ok(!all[page[0]].includes("solstice-cpu_bg.wasm"), "the bundle for browsers without relaxed SIMD is of no use here");
  assert.ok(all[page[0]].some((name) => /^solstice-[0-9a-f]+_bg\.wasm$/.test(name)));
  const binaries = Object.values(all).flat().filter((name) => name.includes(".safetensors"));
  assert.equal(binaries.length, 2, binaries.join(" "));
  assert.ok(binaries.every((name) => /\?sha256=[0-9a-f]{64}$/.test(name)), binaries.join(" "));

  await view.page.locator(".device-menu summary").click();
  const line = view.page.getByText(/^Kept on this device, for visits without network: [\d.]+ MB\.$/);
  await line.waitFor();
  const megabytes = Number((await line.innerText()).match(/([\d.]+) MB/)[1]);
  assert.ok(megabytes > 8 && megabytes < 40, `${megabytes} MB`);
  await assertAccessible(view.page, "device menu with kept files");
  const clear = view.page.getByRole("button", { name: "Clear what is kept on this device" });
  await clear.focus();
  await view.page.keyboard.press("Enter");
  await view.page.getByText("Nothing is kept on this device.").waitFor();
  assert.deepEqual(Object.values(await kept()).flat(), []);
  assert.deepEqual(view.errors, []);
});

test("it can be installed: a manifest with relative addresses, and icons of the sizes it names", async () => {
  await visit();
  const manifest = await view.page.evaluate(async () => {
    const { href } = document.querySelector("link[rel=manifest]");
    const manifest = await (await fetch(href)).json();
    const icons = manifest.icons.map(async ({ src, sizes }) => {
      const image = await createImageBitmap(await (await fetch(new URL(src, href))).blob());
      return [sizes, `${image.width}x${image.height}`];
    });
    return { ...manifest, href, start: new URL(manifest.start_url, href).href, icons: await Promise.all(icons) };
  });
  assert.equal(manifest.start, site.url);
  assert.equal(manifest.display, "standalone");
  assert.deepEqual(manifest.icons.map(([claimed]) => claimed), ["192x192", "512x512", "512x512"]);
  for (const [claimed, found] of manifest.icons) assert.equal(found, claimed);
  const client = await browser.context.newCDPSession(view.page);
  const { installabilityErrors } = await client.send("Page.getInstallabilityErrors");
  assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
});

test("nothing of another origin goes through the service worker", async () => {
  const other = createServer((_, response) => response.writeHead(200, { "access-control-allow-origin": "*" }).end("elsewhere"));
  await new Promise((done) => other.listen(0, "127.0.0.1", done));
  try {
    await visit();
    // A page of the same site without a policy of its own, which would forbid the request.
    const plain = await browser.context.newPage();
    await plain.goto(`${site.url}bundles.json`);
    assert.ok(await plain.evaluate(() => navigator.serviceWorker.controller !== null), "it is served by the worker");
    const url = `http://127.0.0.1:${other.address().port}/`;
    const [response] = await Promise.all([
      plain.waitForResponse(url),
      plain.evaluate((url) => fetch(url).then((response) => response.text()), url),
    ]);
    assert.equal(response.fromServiceWorker(), false);
    const own = await Promise.all([plain.waitForResponse(/boot\.js$/), plain.evaluate(() => fetch("boot.js"))]);
    assert.equal(own[0].fromServiceWorker(), true);
  } finally {
    await new Promise((done) => (other.closeAllConnections(), other.close(done)));
  }
});

describe("a new build", () => {
  let folder, script;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "solstice-site-"));
    await cp(DIST, folder, { recursive: true });
    script = await readFile(join(folder, "boot.js"), "utf8");
  });

  after(() => rm(folder, { recursive: true, force: true }));

  /** What the page gets when it asks for the boot script: the first line of it that says which build it is. */
  const build = () => view.page.evaluate(async () => (await (await fetch("boot.js")).text()).match(/\/\/ build (\d+)/)?.[1] ?? "0");
  const notice = () => view.page.getByText("A new version is ready.");

  const deploy = async (number) => {
    await writeFile(join(folder, "boot.js"), `${script}// build ${number}\n`);
    execFileSync("sh", ["service-worker.sh"], { cwd: WEB, env: { ...process.env, TRUNK_STAGING_DIR: folder } });
  };

  test("is announced, takes the place of the old one on request, and nothing of the old one stays", async () => {
    await visit(folder);
    const before = Object.keys(await kept()).find((name) => name.startsWith("solstice-page"));
    await deploy(1);
    await view.page.reload();
    await view.waitForDevice("CPU");
    await notice().waitFor();
    assert.equal(await build(), "0", "until the user says so, the page stays whole");
    await keep(view.page, "update-ready", "light");
    await view.page.getByRole("button", { name: "Reload" }).click();
    await notice().waitFor({ state: "detached" });
    await view.waitForDevice("CPU");
    assert.equal(await build(), "1");
    assert.equal(await notice().count(), 0);
    const pages = Object.keys(await kept()).filter((name) => name.startsWith("solstice-page"));
    assert.equal(pages.length, 1);
    assert.notEqual(pages[0], before);
    assert.deepEqual(view.errors, []);
  });

  test("that is only half deployed is left alone", async () => {
    await visit(folder);
    const number = await build();
    const whole = await readFile(join(folder, "worker.js"));
    await deploy(2);
    await appendFile(join(folder, "worker.js"), "// of another build\n");
    await view.page.reload();
    await view.waitForDevice("CPU");
    await view.page.waitForTimeout(2000);
    assert.equal(await notice().count(), 0);
    assert.equal(await build(), number);
    await writeFile(join(folder, "worker.js"), whole);
    await view.page.reload();
    await view.waitForDevice("CPU");
    await notice().waitFor();
  });
});
