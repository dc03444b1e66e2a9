// A GeoTIFF at an address: the same map as from disk, from parts of the file, and nothing else asked of anybody.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { geotiff } from "./large-pictures.mjs";
import { serveFile } from "./range-server.mjs";
import { ScenePage } from "./scene-page.mjs";
import { serve } from "./serve.mjs";

const [WIDTH, HEIGHT] = [384, 2048];
// Fields of a few sizes and greys, with texture, in three bands.
const sample = (x, y, band) => 400 + ((x >> 5) * 37 + (y >> 6) * 61 + band * 211) % 1500 + ((x * 7 + y * 13 + band * 5) % 97);
const scene = (width, height) => geotiff({
  width,
  height,
  bands: 3,
  sample,
  names: ["B04", "B03", "B02"],
  block: [128, 128],
  geo: { origin: [600_000, 5_300_000], pixel: 10, epsg: 32_632 },
});
const FILE = scene(WIDTH, HEIGHT);

let site, browser, view;

before(async () => {
  site = await serve(DIST);
  browser = await launch();
  view = new ScenePage(await browser.context.newPage());
  await view.open(site.url);
  await view.waitForDevice("CPU");
});

after(async () => {
  await browser?.close();
  await site?.close();
});

async function type(address) {
  const summary = view.page.getByText("Or map a GeoTIFF on the web");
  const field = view.page.getByLabel("Address of a GeoTIFF");
  if (!(await field.isVisible())) await summary.click();
  await field.fill(address);
  await view.page.keyboard.press("Enter");
}

const answers = (document) => document.features.map(({ geometry, properties }) => [geometry, properties]);

describe("a GeoTIFF at an address", () => {
  let fromDisk;

  before(async () => {
    await view.mapOf("disk.tif", FILE, "image/tiff");
    fromDisk = answers(await view.geojson());
    assert.equal(fromDisk.length, (WIDTH / 64) * (HEIGHT / 64));
  });

  for (const { title, options } of [
    { title: "a server that tells the length", options: {} },
    { title: "a server that does not", options: { told: false } },
    { title: "a server that fails now and then", options: { fails: (count) => count % 4 === 2 } },
  ]) {
    test(`${title}: the map of the file on disk, from its parts`, async () => {
      const other = await serveFile(FILE, options);
      const before = view.requests.length;
      await type(other.url);
      await view.waitForMap("scene.tif");
      await view.threshold(0);
      assert.deepEqual(answers(await view.geojson()), fromDisk);
      // All of it was needed once; before that, five of its sixteen rows of blocks were looked at, with what is read ahead.
      assert.ok(other.sent() < FILE.length * 1.8, `${other.sent()} bytes of ${FILE.length}`);
      assert.ok(other.seen.every(({ method, cookie }) => method === "GET" && cookie === undefined));
      assert.ok(other.seen.every(({ from, to }) => to - from < FILE.length || from === 0), "parts, not the whole");
      const line = await view.page.getByText(/^Fetched from its address: /).innerText();
      assert.equal(Number(line.match(/in (\d+) requests/)[1]), other.seen.length);
      const elsewhere = view.requests.slice(before).filter((url) => !url.startsWith(site.url) && !url.startsWith("blob:"));
      assert.deepEqual([...new Set(elsewhere)].filter((url) => url !== other.url), [], "nobody else was asked");
      await other.close();
    });
  }

  test("the field says what it does", async () => {
    await view.page.getByText(/This is the one thing that this page ever asks another site for/).waitFor();
    await keep(view.page, "address", "light");
    assert.equal(await view.page.getByRole("button", { name: "Classify as one tile" }).count(), 0);
  });

  for (const { title, options, says } of [
    { title: "whole files only", options: { ranges: false }, says: /sends whole files only/ },
    { title: "no other sites", options: { cors: false }, says: /does not let other sites read its files/ },
    { title: "nothing but failures", options: { fails: () => true }, says: /The server answered 503/ },
    { title: "failures after the beginning", options: { fails: (count) => count > 2 }, says: /asked for bytes \d+ to \d+ of the file; it answered 503/ },
  ]) {
    test(`${title}: said in words`, async () => {
      const other = await serveFile(FILE, options);
      await type(other.url);
      await view.waitForMap("scene.tif", "failed");
      assert.match(await view.card.getByRole("alert").innerText(), says);
      await other.close();
    });
  }

  test("no such file, another kind of file, no address", async () => {
    const other = await serveFile(Buffer.from("\x89PNG\r\n\x1a\n and no more of it".padEnd(200), "latin1"));
    await type(other.url.replace("scene.tif", "other.tif"));
    await view.waitForMap("other.tif", "failed");
    assert.match(await view.card.getByRole("alert").innerText(), /The server answered 404/);
    await type(other.url);
    await view.waitForMap("scene.tif", "failed");
    assert.match(await view.card.getByRole("alert").innerText(), /Only TIFFs can be read in parts/);
    await type("ftp://example.org/scene.tif");
    await view.page.getByText(/does not begin with https/).waitFor();
    await other.close();
    // The browser itself writes of answers that are none, and of what it keeps from the page.
    assert.deepEqual(view.errors.filter((text) => !/Failed to load resource|CORS policy/.test(text)), []);
  });
});

test("several workers share a map, and one alone paints the same", async () => {
  const maps = {};
  for (const count of [1, 3]) {
    const page = new ScenePage(await browser.context.newPage());
    await page.open(site.url, `#/classify?workers=${count}`);
    await page.waitForDevice("CPU");
    await page.drop({ name: "shared.tif", type: "image/tiff", bytes: scene(512, 384) });
    await page.waitForMap("shared.tif");
    await page.page.getByRole("combobox", { name: /A patch every/ }).selectOption("16");
    await page.waitForMap("shared.tif");
    await page.threshold(0);
    const crew = (await page.page.locator(".scene-progress").innerText()).match(/on CPU(?: \((\d) workers\))?\./);
    assert.equal(Number(crew[1] ?? 1), count);
    maps[count] = (await page.geojson()).features;
    await page.clickPatch(3, 3, 29, 21);
    await page.page.getByRole("button", { name: "Find all places like this" }).click();
    const alike = page.page.getByRole("button", { name: /^Patch \d+, similarity/ });
    await alike.first().waitFor();
    maps[`alike ${count}`] = await alike.evaluateAll((buttons) => buttons.map((button) => Number(button.getAttribute("aria-label").match(/-?[\d.]+$/)[0])));
    assert.deepEqual(page.errors, []);
    await page.page.close();
  }
  assert.equal(maps[1].length, 29 * 21);
  maps[1].forEach((patch, i) => {
    assert.deepEqual(maps[3][i].geometry, patch.geometry);
    assert.ok(Math.abs(maps[3][i].properties.probability - patch.properties.probability) < 2e-4, `patch ${i}`);
  });
  maps["alike 1"].forEach((similarity, i) => assert.ok(Math.abs(similarity - maps["alike 3"][i]) < 2e-3));
});
