// What the model cannot know is said to be so: in the headline, in the table at every width, in the files, on maps.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ofPixelSize, said, strange } from "./doubt.mjs";
import { eurosatTiles } from "./eurosat.mjs";
import { geotiff } from "./large-pictures.mjs";
import { ScenePage } from "./scene-page.mjs";
import { serve } from "./serve.mjs";

let site, browser, view;

before(async () => {
  site = await serve(DIST);
  browser = await launch();
  view = new ScenePage(await browser.context.newPage());
  await view.open(site.url);
  await view.waitForDevice("CPU");
  await view.waitForGallery();
});

after(async () => {
  await browser?.close();
  await site?.close();
});

for (const [kind, tiles] of Object.entries(strange())) {
  test(`${kind}: caught, all of them`, async () => {
    const answers = await said(view, tiles);
    assert.deepEqual(answers.filter(({ doubts }) => doubts.length === 0).map(({ file }) => file), []);
    await view.page.getByText(`, ${tiles.length} unlike anything known`).waitFor();
    await view.page.getByText("a guess: unlike anything known").waitFor();
    assert.equal(await view.page.getByText("Probabilities are calibrated").count(), 0);
    await view.page.getByText("Probabilities mean nothing here").waitFor();
  });
}

test("EuroSAT's own tiles are not refused by any rule on pixels", async () => {
  const answers = await said(view, await eurosatTiles(200));
  assert.deepEqual(answers.filter(({ doubts }) => doubts.length > 0).map(({ file }) => file), []);
  assert.ok(answers.filter(({ isUnlike }) => isUnlike).length <= 10, "nor more than a few by the gallery");
  await view.page.getByText("Probabilities are calibrated").waitFor();
});

test("the size of a pixel is said when it is another than the model learned from", async () => {
  const answers = await said(view, [ofPixelSize(0.5), ofPixelSize(10), ofPixelSize(30)]);
  assert.deepEqual(answers.map(({ doubts }) => doubts.map(({ kind, metres }) => `${kind} ${metres}`)), [["pixel_size 0.5"], [], ["pixel_size 30"]]);
  await view.page.getByText("A pixel is 0.5 m wide; the model learned from pixels of 10 m").waitFor();
  for (const [width, height] of [[1280, 800], [390, 844]]) {
    await view.page.setViewportSize({ width, height });
    const guess = view.page.locator(".row-guess").first();
    await guess.scrollIntoViewIfNeeded();
    const { x, width: wide } = await guess.boundingBox();
    assert.ok(x >= 0 && x + wide <= width, `the guess is in view at ${width}`);
    for (const colorScheme of ["light", "dark"]) {
      await view.page.emulateMedia({ colorScheme });
      await keep(view.page, `doubt-${width}`, colorScheme);
    }
  }
  await view.page.emulateMedia({ colorScheme: "light" });
  await view.page.setViewportSize({ width: 1280, height: 800 });
  const lines = (await view.download("Download CSV")).split("\n");
  assert.match(lines[0], /,unlike_known,why_unlike,/);
  assert.match(lines[1], /,true,pixels of 0\.5 m,/);
});

test("a map of other pixels, with a flat corner: both are said", async () => {
  const bytes = geotiff({
    width: 256, height: 256, bands: 3, names: ["B04", "B03", "B02"], block: [128, 128],
    // The first patch is one value.
    sample: (x, y, band) => (x < 64 && y < 64 ? 700 : 400 + ((x >> 3) * 37 + (y >> 4) * 61 + band * 211) % 1500 + ((x * 7 + y * 13) % 97)),
    geo: { origin: [600_000, 5_300_000], pixel: 2, epsg: 32_632 },
  });
  await view.mapOf("sharp.tif", bytes, "image/tiff");
  await view.page.getByText("The model knows nothing like this.").waitFor();
  await view.page.getByText("A pixel is 2 m wide").waitFor();
  const legend = await view.legend();
  assert.ok(legend["Unlike anything known"].patches >= 1);
  await view.clickPatch(0, 0, 4, 4);
  await view.page.getByRole("heading", { name: /^Unlike anything known; a guess: / }).waitFor();
  const { solstice, features } = await view.geojson();
  assert.match(solstice.warnings[0], /A pixel is 2 m wide/);
  assert.equal(features.find(({ properties }) => properties.row === 0 && properties.column === 0).properties.unlike_known, true);
  assert.deepEqual(view.errors, []);
});
