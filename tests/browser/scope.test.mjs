// What was asked of something that has changed meanwhile is of no use any more: another device, another model.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, afterEach, before, test } from "node:test";

import { DIST, deployed, expected, model, models, plainModel } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { SeasonsPage } from "./seasons-page.mjs";
import { serve } from "./serve.mjs";

let site, browser, view;

before(async () => {
  site = await serve(DIST);
});

after(() => site?.close());

const start = async (options) => {
  browser = await launch(options);
  view = new SeasonsPage(await browser.context.newPage());
};

afterEach(() => browser?.close());

test("a device that is chosen while another proves itself is the one that answers", async () => {
  await start({ webgpu: true });
  await view.open(site.url);
  await view.waitForDevice("CPU");
  await view.chooseDevice("WebGPU");
  await view.page.locator('.device-row[data-state="waiting"]').first().waitFor({ state: "attached" });
  await view.chooseDevice("CPU");
  // In its own time the other is proven, and is not taken.
  await view.page.waitForFunction(() => document.querySelectorAll('.device-row[data-state="proven"]').length === 2, undefined, { timeout: 240_000 });
  await view.page.waitForTimeout(1000);
  assert.match(await view.waitForDevice("CPU"), /you chose it/);
  const tile = expected.tiles[0];
  await view.drop(deployed(tile.file), deployed(expected.tiles[1].file));
  await view.page.getByText("2 classified").waitFor();
  const { tiles } = JSON.parse(await view.download("Download JSON"));
  assert.deepEqual(tiles.map(({ device }) => device), ["CPU", "CPU"]);
});

test("a model that is changed while places are read leaves nothing of its own behind", async () => {
  await start();
  // A second model in the index, under another name.
  const entry = { ...model, id: "other", file: "other.safetensors", title: "Other", bytes: plainModel.length, sha256: createHash("sha256").update(plainModel).digest("hex") };
  await browser.context.route(/models\/index\.json$/, (route) => route.fulfill({ json: { ...models, models: [...models.models, entry] } }));
  await browser.context.route(/models\/other\.safetensors$/, (route) => route.fulfill({ contentType: "application/octet-stream", body: plainModel }));
  await view.open(site.url, "#/seasons?model=other");
  await view.waitForAll();
  const wanted = await view.similarities();
  const changed = new SeasonsPage(await browser.context.newPage());
  await changed.open(site.url, "#/seasons?workers=1");
  await changed.waitForDevice("CPU");
  // The pictures of the first places are being read.
  await changed.page.evaluate(() => (location.hash = "#/seasons?workers=1&model=other"));
  await changed.waitForAll();
  const found = await changed.similarities();
  assert.deepEqual(Object.keys(found), Object.keys(wanted));
  for (const [dates, similarity] of Object.entries(wanted)) {
    assert.ok(Math.abs(found[dates] - similarity) < 0.002, `${dates}: ${found[dates]} is not ${similarity}`);
  }
  const { area } = await changed.separation();
  assert.ok(Math.abs(area - (await view.separation()).area) < 0.002, "nor among the other places");
  assert.deepEqual([...view.errors, ...changed.errors], []);
});
