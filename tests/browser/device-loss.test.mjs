// A graphics device that goes away in the middle of its work: tried once more on a fresh one, then the CPU answers. The
// user's tiles stay, and every one of them is answered.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { DIST, deployed, expected } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage } from "./classify-page.mjs";
import { mosaic } from "./large-pictures.mjs";
import { decoded, png } from "./pictures.mjs";
import { serve } from "./serve.mjs";

// Runs in the worker before its own code: destroys the worker's device a moment after it was asked for something of a
// `kind`. `destroy` is what the standard gives for this; the browser then reports the device lost.
const losingDevice = (kind) => `
{
  const request = GPUAdapter.prototype.requestDevice;
  let device;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    return (device = await request.apply(this, options));
  };
  addEventListener("message", ({ data }) => {
    if ("${kind}" in JSON.parse(data.head)) setTimeout(() => device.destroy(), 0);
  });
}
`;
const TILES = expected.tiles.slice(0, 2);

describe("device loss, WebGPU on SwiftShader", () => {
  let site, browser, view, workers;

  before(async () => {
    site = await serve(DIST);
  });

  after(() => site?.close());

  beforeEach(async () => {
    browser = await launch({ webgpu: true });
    view = new ClassifyPage(await browser.context.newPage());
  });

  afterEach(() => browser?.close());

  /** Opens the page; the nth worker loses its device at its first question of the kind `losses[n]`. */
  const open = async (losses) => {
    workers = 0;
    await browser.context.route(/worker\.js\?bundle=solstice-gpu$/, async (route) => {
      const kind = losses[workers++];
      const answer = await route.fetch();
      const body = (kind ? losingDevice(kind) : "") + (await answer.text());
      await route.fulfill({ response: answer, body, headers: { ...answer.headers(), "content-length": String(Buffer.byteLength(body)) } });
    });
    await view.open(site.url, "#/classify?device=webgpu");
    await view.waitForDevice("WebGPU");
  };

  const dropAll = async () => {
    await view.drop(...TILES.map((tile) => deployed(tile.file)));
    await view.page.getByText(`${TILES.length} classified`).waitFor({ timeout: 240_000 });
    await view.waitForPhase("ready");
    return JSON.parse(await view.download("Download JSON")).tiles;
  };

  const assertAnswered = (answers, device) => {
    assert.deepEqual(answers.map(({ file }) => file), TILES.map(({ file }) => basename(file)), "the user's tiles are still there");
    assert.deepEqual(answers.map((answer) => answer.class), TILES.map((tile) => tile.class));
    assert.deepEqual(answers.map((answer) => answer.device), TILES.map(() => device));
  };

  test("lost now and then: a fresh device answers each time, on the Seasons page too", async () => {
    await open(["classify", "embed"]);
    assertAnswered(await dropAll(), "WebGPU");
    assert.equal(workers, 2, "one fresh device was opened");
    await view.page.getByRole("link", { name: "Seasons" }).click();
    const matrix = view.page.getByRole("grid", { name: "Every date with every date" });
    await matrix.waitFor({ timeout: 240_000 });
    const [{ dates }] = JSON.parse(await readFile(deployed("seasons/index.json"), "utf8")).places;
    assert.equal(await matrix.getByRole("button").count(), dates.length ** 2);
    assert.equal(workers, 3, "and another one, since the last had proven itself in its work");
    assert.match(await view.waitForDevice("WebGPU"), /you chose it/);
  });

  test("lost again on the fresh device: the CPU answers, and the page says why", async () => {
    await open(["classify", "classify"]);
    assertAnswered(await dropAll(), "CPU");
    assert.equal(workers, 2, "a fresh device was tried once, and no more");
    assert.match(await view.waitForDevice("CPU"), /you chose WebGPU, but The device failed: It was lost/);
  });

  test("lost while a class map is made: it is made on the CPU, all of it", async () => {
    await open(["scene_encode", "scene_encode"]);
    const tile = await decoded(view.page, TILES[0].file);
    const { width, height, rgb } = mosaic([tile], Array(4).fill(Array(4).fill(0)));
    await view.drop({ name: "map.png", type: "image/png", bytes: png({ width, height, rgb: [...rgb] }) });
    await view.answer("map.png").locator('[data-scene="done"]').waitFor({ timeout: 240_000 });
    const { features } = JSON.parse(await view.download("Download GeoJSON"));
    assert.deepEqual(features.map(({ properties }) => properties.class), Array(16).fill(TILES[0].class));
    assert.equal(workers, 2, "a fresh device was tried once, and no more");
    await view.waitForDevice("CPU");
  });
});
