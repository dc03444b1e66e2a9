// What can go wrong is provoked, and the page must say what, why, and what to do.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { DIST, OUT, deployed, expected, model } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage, classLabel } from "./classify-page.mjs";
import { pngAround } from "./pictures.mjs";
import { serve } from "./serve.mjs";

const MODEL = new RegExp(`/models/${model.file.replaceAll(".", "\\.")}$`);
let site, browser, view;

before(async () => {
  site = await serve(DIST);
});

after(() => site?.close());

beforeEach(async () => {
  browser = await launch();
  view = new ClassifyPage(await browser.context.newPage());
});

afterEach(() => browser?.close());

const openBroken = async (route, pattern = MODEL) => {
  await browser.context.route(pattern, route);
  await view.open(site.url);
  await view.waitForPhase("failed");
  return view.alert.innerText();
};

describe("a model that does not arrive", () => {
  test("404", async () => {
    const text = await openBroken((route) => route.fulfill({ status: 404, body: "no" }));
    assert.match(text, /is not there/);
    assert.match(text, /404/);
    await view.page.screenshot({ path: join(OUT, "failed-404-1280-light.png") });
  });

  test("a web page in its place", async () => {
    const text = await openBroken((route) => route.fulfill({ contentType: "text/html", body: "<h1>Hello</h1>" }));
    assert.match(text, /something else in place/);
    assert.match(text, /text\/html/);
  });

  test("cut short", async () => {
    const bytes = await readFile(deployed(`models/${model.file}`));
    const body = bytes.subarray(0, bytes.length / 2);
    const text = await openBroken((route) => route.fulfill({ contentType: "application/octet-stream", body }));
    assert.match(text, /did not arrive whole/);
    assert.match(text, new RegExp(String(model.bytes)));
  });

  test("one bit flipped; a retry with the good file cures it", async () => {
    const body = await readFile(deployed(`models/${model.file}`));
    body[Math.floor(body.length / 2)] ^= 1;
    const text = await openBroken((route) => route.fulfill({ contentType: "application/octet-stream", body }));
    assert.match(text, /is damaged/);
    await browser.context.unroute(MODEL);
    await view.page.getByRole("button", { name: "Try again" }).click();
    await view.waitForDevice("CPU");
  });

  test("from a later release", async () => {
    const text = await openBroken(
      (route) => route.fulfill({ json: { format_version: 99, default: "x", models: [] } }),
      /\/models\/index\.json$/,
    );
    assert.match(text, /different releases/);
  });

  test("the worker's own file missing", async () => {
    const text = await openBroken((route) => route.fulfill({ status: 404, body: "no" }), /solstice-cpu-relaxed_bg\.wasm$/);
    assert.match(text, /CPU worker stopped/);
  });
});

describe("pictures that are none", () => {
  const good = () => deployed(expected.tiles[0].file);

  for (const { name, file, expects } of [
    { name: "a text file named .png", file: { name: "notes.png", type: "image/png", bytes: "dear diary" }, expects: /text, whatever its name says/ },
    { name: "an empty file", file: { name: "empty.png", type: "image/png", bytes: "" }, expects: /file is empty/ },
    { name: "a PNG that claims to be 30 000 × 30 000: a bomb if anyone believed it", file: { name: "huge.png", type: "image/png", bytes: pngAround(30_000, 30_000, Buffer.alloc(1000)) }, expects: /30000 × 30000/ },
  ]) {
    test(name, async () => {
      await view.open(site.url);
      await view.waitForDevice("CPU");
      await view.drop(file);
      const alert = view.answer(file.name).getByRole("alert");
      await alert.waitFor();
      assert.match(await alert.innerText(), expects);
    });
  }

  test("a truncated JPEG among good tiles is named, and the others are classified", async () => {
    await view.open(site.url);
    await view.waitForDevice("CPU");
    const bytes = await readFile(good());
    await view.drop(good(), { name: "cut.jpg", type: "image/jpeg", bytes: bytes.subarray(0, 300) }, deployed(expected.tiles[1].file));
    await view.page.getByText("2 classified").waitFor();
    await view.page.getByText("1 not readable").waitFor();
    await view.page.screenshot({ path: join(OUT, "batch-with-a-bad-file-1280-light.png"), fullPage: true });
    await view.page.getByRole("button", { name: "cut.jpg" }).click();
    assert.match(await view.answer("cut.jpg").getByRole("alert").innerText(), /damaged/);
  });
});

describe("devices", () => {
  test("WebGPU wished for where there is none: the CPU answers, and the page says so", async () => {
    await view.open(site.url, "#/classify?device=webgpu");
    const sentence = await view.waitForDevice("CPU");
    assert.match(sentence, /you chose WebGPU, but/);
    await view.drop(deployed(expected.tiles[0].file));
    assert.equal(await view.verdict(basename(expected.tiles[0].file)), classLabel(expected.tiles[0].class));
  });

  test("without a gallery, tiles are classified all the same", async () => {
    await browser.context.route(/\/gallery\//, (route) => route.fulfill({ status: 404, body: "no" }));
    await view.open(site.url);
    await view.waitForDevice("CPU");
    await view.drop(deployed(expected.tiles[0].file));
    assert.equal(await view.verdict(basename(expected.tiles[0].file)), classLabel(expected.tiles[0].class));
    await view.page.getByText(/No gallery/).waitFor();
  });
});
