// A graphics device that goes away in the middle of its work: tried once more on a fresh one, then the CPU answers. The
// user's tiles stay, and every one of them is answered.
import assert from "node:assert/strict";
import { basename } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { DIST, deployed, expected } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage, classLabel } from "./classify-page.mjs";
import { serve } from "./serve.mjs";

// Runs in the worker before its own code: destroys the worker's device once it has been asked to classify `questions`
// times, a moment into the work. `destroy` is what the standard gives for this; the browser then reports it lost.
const losingDevice = (questions) => `
{
  const request = GPUAdapter.prototype.requestDevice;
  let device, asked = 0;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    return (device = await request.apply(this, options));
  };
  addEventListener("message", ({ data }) => {
    if (JSON.parse(data.head).kind === "classify" && ++asked === ${questions}) setTimeout(() => device.destroy(), 0);
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

  /** Opens the page; the nth worker loses its device at its `losses[n]`th question. */
  const open = async (losses) => {
    workers = 0;
    await browser.context.route(/worker\.js\?bundle=solstice-gpu$/, async (route) => {
      const questions = losses[workers++];
      const answer = await route.fetch();
      const body = (questions ? losingDevice(questions) : "") + (await answer.text());
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

  test("lost once, after it had worked: a fresh device answers", async () => {
    await open([2]);
    await view.drop(deployed(TILES[0].file));
    assert.equal(await view.verdict(basename(TILES[0].file)), classLabel(TILES[0].class));
    await view.waitForPhase("ready");
    assert.equal(workers, 1);
    assertAnswered(await dropAll(), "WebGPU");
    assert.equal(workers, 2, "one fresh device was opened");
    assert.match(await view.waitForDevice("WebGPU"), /you chose it/);
  });

  test("lost again on the fresh device: the CPU answers, and the page says why", async () => {
    await open([1, 1]);
    assertAnswered(await dropAll(), "CPU");
    assert.equal(workers, 2, "a fresh device was tried once, and no more");
    assert.match(await view.waitForDevice("CPU"), /you chose WebGPU, but The device failed: It was lost/);
  });
});
