// A batch on the CPU is shared by several workers: everybody computes, every answer lands in its row, and neither a
// worker's death nor a cancel loses or mixes anything.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { assertAccessible } from "./appearance.mjs";
import { DIST, model } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage } from "./classify-page.mjs";
import { eurosatTiles } from "./eurosat.mjs";
import { SeasonsPage } from "./seasons-page.mjs";
import { serve } from "./serve.mjs";

const TOLERANCE = 1e-3;
const TILES = await eurosatTiles(160);
let site, browser, view, started;

before(async () => {
  site = await serve(DIST);
});

after(() => site?.close());

beforeEach(async () => {
  browser = await launch();
  view = new ClassifyPage(await browser.context.newPage());
  started = 0;
  view.page.on("worker", () => (started += 1));
});

afterEach(() => browser?.close());

/** Runs in a worker before its own code: throws as it is asked to classify for the `nth` time. */
const dying = (nth) => `
{
  let asked = 0;
  addEventListener("message", ({ data }) => {
    if (data.head && "classify" in JSON.parse(data.head) && ++asked === ${nth}) throw new Error("out of luck");
  });
}
`;

/** Opens the page; the worker that is started as number `n` dies at its `deaths[n]`th question. */
async function open(hash, deaths = {}) {
  let count = 0;
  await browser.context.route(/worker\.js\?bundle=solstice-cpu/, async (route) => {
    const nth = deaths[count++];
    const answer = await route.fetch();
    const body = (nth ? dying(nth) : "") + (await answer.text());
    await route.fulfill({ response: answer, body, headers: { ...answer.headers(), "content-length": String(Buffer.byteLength(body)) } });
  });
  await view.open(site.url, hash);
  await view.waitForDevice("CPU");
  await view.waitForGallery();
}

async function classified(tiles) {
  await view.drop(...tiles);
  await view.page.getByText(`${tiles.length} classified in`).waitFor({ timeout: 120_000 });
  await view.waitForPhase("ready");
  return JSON.parse(await view.download("Download JSON")).tiles;
}

let alone;

/** What one worker answers; computed once. */
async function answersOfOne() {
  if (!alone) {
    const other = await launch();
    const before = view;
    view = new ClassifyPage(await other.context.newPage());
    await view.open(site.url, "#/classify?workers=1");
    await view.waitForDevice("CPU");
    await view.waitForGallery();
    alone = await classified(TILES);
    assert.doesNotMatch(await view.page.locator(".batch-summary").innerText(), /workers/);
    view = before;
    await other.close();
  }
  return alone;
}

async function assertSameAnswers(answers) {
  const reference = await answersOfOne();
  assert.deepEqual(answers.map(({ file }) => file), TILES.map(({ name }) => name));
  for (const [index, { file, embedding, class: name, neighbours }] of answers.entries()) {
    const expected = reference[index];
    const largest = Math.max(...expected.embedding.map(Math.abs));
    const difference = Math.max(...embedding.map((value, i) => Math.abs(value - expected.embedding[i])));
    assert.ok(difference <= TOLERANCE * largest, `${file}: embedding differs by ${difference} of ${largest}`);
    assert.equal(name, expected.class, file);
    assert.equal(neighbours.length, expected.neighbours.length, file);
  }
}

test("several workers share a batch: same answers in the same rows, and nothing is downloaded twice", async () => {
  await open("#/classify?workers=3");
  assert.equal(started, 1, "nothing is started before it is needed");
  await view.drop(...TILES.slice(0, 20));
  await view.page.getByText("20 classified in").waitFor();
  assert.equal(started, 1, "a single chunk is the first worker's");
  const answers = await classified(TILES);
  assert.equal(started, 3);
  await assertSameAnswers(answers);
  assert.match(await view.page.locator(".batch-summary").innerText(), /by [23] workers$/);
  assert.match(await view.deviceChip(), /CPU · 3 workers/);
  assert.match(await view.deviceChip(), /\d MB/);
  const fetched = (pattern) => view.requests.filter((url) => pattern.test(url)).length;
  assert.equal(fetched(/solstice-cpu-relaxed_bg\.wasm$/), 1, "the program was fetched once");
  assert.equal(fetched(new RegExp(`${model.file}$`)), 1, "the model was fetched once");
  assert.equal(fetched(/gallery\.safetensors$/), 1, "the gallery was fetched once");
  assert.deepEqual(view.errors, []);
  await view.page.locator(".device-menu summary").click();
  await view.page.getByText(/^Memory of 3 workers: \d/).waitFor();
  await assertAccessible(view.page, "device menu with three workers");
});

test("as many workers as cores, and no more than eight", async () => {
  await browser.context.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, "hardwareConcurrency", { get: () => 32 });
    Object.defineProperty(Navigator.prototype, "deviceMemory", { get: () => 32 });
  });
  await open("#/classify");
  await classified(await eurosatTiles(300));
  await view.page.locator(".device-menu summary").click();
  await view.page.getByText(/^Memory of 8 workers: \d/).waitFor();
  assert.equal(started, 8);
});

test("little memory: fewer workers than cores", async () => {
  await browser.context.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, "hardwareConcurrency", { get: () => 8 });
    Object.defineProperty(Navigator.prototype, "deviceMemory", { get: () => 0.25 });
  });
  await open("#/classify");
  await classified(TILES);
  assert.ok(started < 4, `${started} workers`);
});

for (const { name, deaths, workers } of [
  { name: "a worker that dies is replaced, and its tiles are answered by others", deaths: { 1: 1 }, workers: 3 },
  { name: "the first worker's death is no different", deaths: { 0: 2 }, workers: 3 },
  { name: "nor is the death of the only one", deaths: { 0: 1 }, workers: 2 },
]) {
  test(name, async () => {
    await open(`#/classify?workers=${workers - 1}`, deaths);
    await assertSameAnswers(await classified(TILES));
    assert.equal(started, workers, "one was started in the place of the dead one");
    assert.equal(await view.page.getByRole("alert").count(), 0);
  });
}

test("tiles that bring down every worker end in one clear message, not in a loop", async () => {
  await open("#/classify?workers=1", { 0: 1, 1: 1, 2: 1, 3: 1 });
  await view.drop(...TILES.slice(0, 40));
  await view.waitForPhase("failed");
  assert.match(await view.alert.innerText(), /The CPU worker stopped\s+Error: out of luck/);
  assert.ok(started <= 3, `${started} workers were tried`);
});

test("cancelled: all workers stop, what is answered stays, and the next batch is not mixed up with it", async () => {
  await open("#/classify?workers=2");
  await view.drop(...(await eurosatTiles(600)));
  const summary = view.page.locator(".batch-summary");
  const count = async () => Number((await summary.innerText()).match(/^(\d+) classified/)[1]);
  await view.page.waitForFunction(() => Number(document.querySelector(".batch-summary")?.textContent.match(/^\d+/)) > 64);
  await view.page.getByRole("button", { name: "Cancel", exact: true }).click();
  await view.waitForPhase("ready");
  const left = await count();
  assert.ok(left >= 64 && left < 600, `${left} were answered`);
  await view.page.waitForTimeout(500);
  assert.equal(await count(), left, "nothing arrives after a cancel");
  await assertSameAnswers(await classified(TILES));
  assert.deepEqual(view.errors, []);
});

describe("the Seasons page", () => {
  test("shares its places among the workers too", async () => {
    const seasons = new SeasonsPage(view.page);
    await open("#/seasons?workers=2");
    await seasons.waitForAll();
    assert.equal(started, 2);
  });
});
