// Classes of the user's own on a map: patches are marked on it, and the whole map is classified anew with what was marked. What is learned
// is learned once more by other code (label-maths.mjs), from the embeddings that the page exports for the same tiles.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { learn } from "./label-maths.mjs";
import { mosaic } from "./large-pictures.mjs";
import { decoded, png } from "./pictures.mjs";
import { ScenePage } from "./scene-page.mjs";
import { serve } from "./serve.mjs";

const [COLUMNS, ROWS] = [8, 6];
const PLACES = Array.from({ length: ROWS }, (_, row) => Array.from({ length: COLUMNS }, (_, column) => (row * COLUMNS + column) * 7 % 20));
const PATCHES = PLACES.flat();
// Probabilities are written with four decimals; patches and tiles are embedded in other batches.
const TOLERANCE = 2e-3;

let site, browser, view, answers;

before(async () => {
  site = await serve(DIST);
  browser = await launch();
  view = new ScenePage(await browser.context.newPage());
  await view.open(site.url);
  await view.waitForDevice("CPU");
  const { samples } = await view.page.evaluate(async () => (await fetch("samples/index.json")).json());
  const tiles = [];
  for (const { file } of samples) tiles.push(await decoded(view.page, `samples/${file}`));
  await view.drop(...tiles.map((tile, i) => ({ name: `tile-${i}.png`, type: "image/png", bytes: png(tile) })));
  await view.page.getByText(`${tiles.length} classified`).waitFor();
  await view.waitForPhase("ready");
  ({ tiles: answers } = JSON.parse(await view.download("Download JSON")));
  const picture = mosaic(tiles, PLACES);
  await view.mapOf("mosaic.png", png({ ...picture, rgb: [...picture.rgb] }));
});

after(async () => {
  await browser?.close();
  await site?.close();
});

const detail = (name) => view.page.getByRole("group", { name: "Mark this patch as" }).getByRole("button", { name });
const place = (patch) => [patch % COLUMNS, Math.floor(patch / COLUMNS), COLUMNS, ROWS];
/** The first `count` patches whose tiles the model calls one of `names`, no tile twice. */
const patchesOf = (names, count) =>
  PATCHES.map((tile, patch) => [tile, patch])
    .filter(([tile], at) => names.includes(answers[tile].class) && PATCHES.indexOf(tile) === at)
    .slice(0, count)
    .map(([, patch]) => patch);

const MARKS = { Water: ["SeaLake", "River"], Land: ["Forest", "Industrial", "Residential", "Highway"] };
const marked = Object.fromEntries(Object.entries(MARKS).map(([name, classes]) => [name, null]));

async function addClass(name) {
  await view.page.getByRole("textbox", { name: "Name of a new class" }).fill(name);
  await view.page.keyboard.press("Enter");
}

/** Every patch's class is that of a head learned by other code from the same marks. */
async function assertLearned(names) {
  const order = names.flatMap((name, label) => marked[name].map((patch) => ({ patch, label })));
  const head = learn(order.map(({ patch }) => answers[PATCHES[patch]].embedding), order.map(({ label }) => label), names.length);
  const { features, solstice } = await view.geojson();
  assert.match(solstice.model, /classes of the user's own/);
  assert.equal(features.length, PATCHES.length);
  features.forEach(({ properties }, patch) => {
    const shares = head(answers[PATCHES[patch]].embedding);
    const top = Math.max(...shares);
    assert.ok(shares[names.indexOf(properties.class)] >= top - TOLERANCE, `patch ${patch}: ${properties.class}`);
    assert.ok(Math.abs(properties.probability - top) < TOLERANCE, `patch ${patch}: ${properties.probability}, not ${top}`);
  });
}

test("patches are marked with the pointer, on the map, and by key; the whole map follows", async () => {
  for (const name of Object.keys(MARKS)) marked[name] = patchesOf(MARKS[name], 3);
  await view.clickPatch(...place(marked.Water[0]));
  await view.page.getByRole("button", { name: "Mark patches with classes of your own" }).click();
  await addClass("Water");
  await addClass("Land");
  for (const name of ["Water", "Land"]) {
    for (const [at, patch] of marked[name].slice(0, 2).entries()) {
      await view.clickPatch(...place(patch));
      if (at === 0) await detail(name).click();
      else await view.page.keyboard.press(String(["Water", "Land"].indexOf(name) + 1));
      await detail(name).and(view.page.locator('[aria-pressed="true"]')).waitFor();
    }
  }
  await view.page.locator(".legend-line").filter({ hasText: "Water" }).waitFor();
  const [all, whole] = [marked.Water, marked.Land];
  [marked.Water, marked.Land] = [all.slice(0, 2), whole.slice(0, 2)];
  await view.page.getByText("Leave-one-out accuracy").waitFor();
  await assertLearned(["Water", "Land"]);
  const legend = await view.legend();
  assert.equal(legend.Water.patches + legend.Land.patches + legend.Unsure.patches, PATCHES.length);
  // A further mark, and it follows again.
  await view.clickPatch(...place(all[2]));
  await detail("Water").click();
  marked.Water = all;
  await view.page.getByText(/^Learned 2 classes from 5 tiles/).waitFor();
  await assertLearned(["Water", "Land"]);
  for (const scheme of ["light", "dark"]) {
    await view.page.emulateMedia({ colorScheme: scheme });
    await keep(view.page, "scene-labels", scheme);
  }
});

test("the model's classes come back, and the user's again", async () => {
  await view.page.getByRole("button", { name: "The model's classes" }).click();
  await view.page.locator(".legend-line").filter({ hasText: "Forest" }).waitFor();
  const { features } = await view.geojson();
  features.forEach(({ properties }, patch) => assert.equal(properties.class, answers[PATCHES[patch]].class));
  await view.page.getByRole("button", { name: "Your classes" }).click();
  await view.page.locator(".legend-line").filter({ hasText: "Water" }).waitFor();
  await assertLearned(["Water", "Land"]);
});

test("several examples, wanted and not: similarities are those of their direction", async () => {
  await view.page.getByRole("button", { name: "The model's classes" }).click();
  const distinct = PATCHES.map((tile, patch) => [tile, patch]).filter(([tile], at) => PATCHES.indexOf(tile) === at).map(([, patch]) => patch);
  const [one, two, not] = [distinct[0], distinct[3], distinct[6]];
  await view.clickPatch(...place(one));
  await view.page.getByRole("button", { name: "Find all places like this" }).click();
  await view.page.getByRole("heading", { name: `Most like patch ${one + 1}` }).waitFor();
  await view.clickPatch(...place(two));
  await view.page.getByRole("button", { name: "More like this" }).click();
  await view.page.getByRole("heading", { name: "Most like 2 patches" }).waitFor();
  await view.clickPatch(...place(not));
  await view.page.getByRole("button", { name: "Less like this" }).click();
  await view.page.getByRole("heading", { name: "Most like 2, and unlike 1" }).waitFor();
  const unit = (vector) => {
    const length = Math.hypot(...vector);
    return vector.map((value) => value / length);
  };
  const of = (patch) => unit(answers[PATCHES[patch]].embedding);
  const query = unit(of(one).map((value, i) => (value + of(two)[i]) / 2 - of(not)[i] / 2));
  const expected = PATCHES.map((_, patch) => [of(patch).reduce((sum, value, i) => sum + value * query[i], 0), patch])
    .filter(([, patch]) => ![one, two, not].includes(patch))
    .sort((a, b) => b[0] - a[0]);
  const found = await view.page.getByRole("button", { name: /^Patch \d+, similarity/ }).evaluateAll((buttons) => buttons.map((button) => button.getAttribute("aria-label")));
  assert.equal(found.length, 12);
  found.forEach((label, at) => {
    const [, patch, similarity] = label.match(/^Patch (\d+), similarity (-?[\d.]+)$/);
    assert.ok(Math.abs(Number(similarity) - expected[at][0]) < TOLERANCE, `${label}, not ${expected[at]}`);
    assert.ok(![one, two, not].includes(Number(patch) - 1), label);
  });
  await view.page.getByRole("button", { name: "Back to the classes" }).click();
  await view.page.getByRole("button", { name: "Your classes" }).click();
});

test("a mark is taken away where it was made", async () => {
  await view.clickPatch(...place(marked.Water[2]));
  await detail("Water").click();
  marked.Water = marked.Water.slice(0, 2);
  await view.page.getByText(/^Learned 2 classes from 4 tiles/).waitFor();
  await assertLearned(["Water", "Land"]);
  assert.deepEqual(view.errors, []);
});
