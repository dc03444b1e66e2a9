// What the first answer needs is fetched with progress in bytes, as one sum, and can be cancelled and taken up again.
import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { DIST, deployed, expected, model } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage, classLabel } from "./classify-page.mjs";
import { serve } from "./serve.mjs";

/** As the page writes bytes from a million on. */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const size = async (file) => (await stat(deployed(file))).size;

/** Forwards to `target`; of files that match `slow`, only the first half, until `release` is called. */
async function slowedDown(target, slow) {
  const held = new Set();
  let isReleased = false;
  const server = createServer(async (request, response) => {
    const answer = await fetch(new URL(request.url, target));
    const body = Buffer.from(await answer.arrayBuffer());
    // Neither is there a length when a server compresses as it sends.
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") });
    if (!slow.test(request.url) || isReleased) return response.end(body);
    const half = Math.floor(body.length / 2);
    response.write(body.subarray(0, half));
    const rest = () => response.end(body.subarray(half));
    held.add(rest);
    response.on("close", () => held.delete(rest));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    held: () => held.size,
    release: () => ((isReleased = true), [...held].forEach((rest) => rest())),
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}

describe("the download", () => {
  let origin, site, browser, view;

  before(async () => {
    origin = await serve(DIST);
  });

  after(() => origin?.close());

  beforeEach(async () => {
    browser = await launch();
    site = await slowedDown(origin.url, /\.safetensors$|solstice-cpu-relaxed_bg\.wasm$/);
    view = new ClassifyPage(await browser.context.newPage());
  });

  afterEach(async () => {
    await browser?.close();
    await site?.close();
  });

  /** Half of the model and half of the worker have come. */
  const expectedHalf = async () => {
    const [program, weights] = [await size("solstice-cpu-relaxed_bg.wasm"), await size(`models/${model.file}`)];
    return { half: megabytes(Math.floor(program / 2) + Math.floor(weights / 2)), whole: megabytes(program + weights) };
  };

  test("sizes of all workers are deployed with them", async () => {
    const { bundles } = JSON.parse(await readFile(deployed("bundles.json"), "utf8"));
    assert.deepEqual(bundles.map(({ file }) => file).sort(), ["solstice-cpu-relaxed_bg.wasm", "solstice-cpu_bg.wasm", "solstice-gpu_bg.wasm"]);
    for (const { file, bytes } of bundles) assert.equal(bytes, await size(file), file);
  });

  test("one line sums the bytes of program and model, without a length from the server", async () => {
    const { half, whole } = await expectedHalf();
    await view.open(site.url);
    await view.status.filter({ hasText: `Fetching the model and its program: ${half} of ${whole}` }).waitFor();
    const bar = view.page.getByRole("progressbar");
    const share = await bar.evaluate((bar) => bar.value / bar.max);
    assert.ok(Math.abs(share - 0.5) < 1e-4, `the bar stands at ${share}`);
    site.release();
    await view.waitForDevice("CPU");
    assert.deepEqual(view.errors, []);
  });

  test("cancelled: the transfers end, and Try again brings everything up, the tile that waited included", async () => {
    const tile = expected.tiles[0];
    const { half, whole } = await expectedHalf();
    await view.open(site.url);
    await view.status.filter({ hasText: half }).waitFor();
    await view.drop(deployed(tile.file));
    const cancel = view.page.getByRole("button", { name: "Cancel download" });
    await cancel.focus();
    await view.page.keyboard.press("Enter");
    await view.waitForPhase("failed");
    assert.match(await view.alert.innerText(), new RegExp(`cancelled\\s+${half} of ${whole} had arrived`));
    for (let tries = 0; site.held() > 0 && tries < 50; tries += 1) await view.page.waitForTimeout(100);
    assert.equal(site.held(), 0, "no transfer is left open");
    site.release();
    await view.page.getByRole("button", { name: "Try again" }).click();
    assert.equal(await view.verdict(basename(tile.file)), classLabel(tile.class));
    await view.waitForDevice("CPU");
    assert.deepEqual(view.errors, []);
  });

  test("the gallery comes after the answer, which stays in sight until the one with neighbours replaces it", async () => {
    await site.close();
    site = await slowedDown(origin.url, /\/gallery\/.*\.safetensors$/);
    const tile = expected.tiles[0];
    const name = basename(tile.file);
    await view.open(site.url);
    await view.drop(deployed(tile.file));
    assert.equal(await view.verdict(name), classLabel(tile.class));
    await view.answer(name).getByText("The gallery is still loading").waitFor();
    await view.page.evaluate(() => {
      window.verdicts = new Set();
      const note = () => window.verdicts.add(document.querySelector(".verdict")?.textContent);
      new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    site.release();
    await view.answer(name).getByText(/of \d+ are .*, out of/).waitFor();
    assert.deepEqual(await view.page.evaluate(() => [...window.verdicts]), [classLabel(tile.class)]);
    assert.deepEqual(view.errors, []);
  });
});
