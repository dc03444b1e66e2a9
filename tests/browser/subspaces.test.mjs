// A model that carries projection heads: the page offers their spaces, says what each means, and measures in them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { keep } from "./appearance.mjs";
import { project, withHeads } from "./artifact.mjs";
import { DIST, deployed, plainModel, replaceModel } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { cosine } from "./season-maths.mjs";
import { SeasonsPage } from "./seasons-page.mjs";
import { serve } from "./serve.mjs";

const { places } = JSON.parse(await readFile(deployed("seasons/index.json"), "utf8"));
// A year, month by month.
const PLACE = places.find(({ dates }) => dates.length === 12);
const WIDTH = 256;

// SeCo's three names. Each head is another one, so that none can stand in for another: differences of neighbours, of
// values further apart, and a layer with a ReLU under a second one.
const rows = (count, entries) => Array.from({ length: count }, (_, i) => Array.from({ length: WIDTH }, (_, j) => entries(i, j)));
const differences = (apart) => ({
  weight: rows(32, (i, j) => (j === 4 * i) - (j === (4 * i + apart) % WIDTH)),
  bias: Array.from({ length: 32 }, (_, i) => (i % 5) / 64),
});
const HEADS = {
  invariant: [differences(1)],
  "seasonal-invariant": [differences(101)],
  "augmentation-invariant": [
    differences(7),
    { weight: Array.from({ length: 8 }, (_, i) => Array.from({ length: 32 }, (_, j) => (j % 8 === i) - (j % 8 === (i + 3) % 8))), bias: Array(8).fill(0.125) },
  ],
};
const TITLES = {
  Everything: null,
  "Ignore season and appearance": "invariant",
  "Ignore season": "seasonal-invariant",
  "Ignore appearance": "augmentation-invariant",
};

describe("subspaces", () => {
  let site, browser, view, embeddings;

  before(async () => {
    const file = withHeads(plainModel, HEADS);
    site = await serve(DIST);
    browser = await launch();
    await replaceModel(browser.context, file);
    view = new SeasonsPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    await view.drop(...PLACE.dates.map((date) => deployed(`seasons/${PLACE.id}/${date}.jpg`)));
    await view.page.getByText("12 classified").waitFor();
    await view.waitForPhase("ready");
    embeddings = JSON.parse(await view.download("Download JSON")).tiles.map(({ embedding }) => embedding);
    await view.page.getByRole("link", { name: "Seasons" }).click();
    await view.page.getByRole("button", { name: PLACE.name }).click();
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  for (const [title, name] of Object.entries(TITLES)) {
    test(`${title}: cosines of the projections`, async () => {
      await view.page.getByRole("radio", { name: new RegExp(`^${title}(?! and)`) }).check();
      const vectors = name ? embeddings.map((embedding) => project(HEADS[name], embedding)) : embeddings;
      const expected = cosine(vectors[0], vectors[6]);
      await view.page.getByText(`Similarity of Jan 2004 and Jul 2004: ${expected.toFixed(3)}`).waitFor();
      const found = await view.similarities();
      for (const [i, j] of [[0, 3], [2, 6], [1, 11], [5, 8]]) {
        const value = Object.values(found)[i * 12 + j];
        assert.ok(Math.abs(value - cosine(vectors[i], vectors[j])) < 0.0006, `${i}, ${j}: ${value}`);
      }
      assert.equal((await view.parameters()).space, name ?? undefined);
    });
  }

  test("each space says what it means, and the address keeps the choice", async () => {
    const group = view.page.getByRole("group", { name: "What counts as alike" });
    const text = await group.innerText();
    assert.match(text, /same place is alike in snow and in summer/);
    assert.match(text, /time of year does not count/);
    assert.match(text, /what the season does to the place still does/);
    await view.page.reload();
    await view.waitForAll();
    assert.equal(await view.page.getByRole("radio", { name: /^Ignore appearance/ }).isChecked(), true);
    await keep(view.page, "seasons-subspaces", "light");
  });
});
