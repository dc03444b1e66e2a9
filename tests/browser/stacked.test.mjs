// Band files that are dropped together: those of one scene are mapped as one file with these bands would be; what does not fit is said.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { geotiff } from "./large-pictures.mjs";
import { ScenePage } from "./scene-page.mjs";
import { serve } from "./serve.mjs";

const PLACE = { origin: [600_000, 5_300_000], pixel: 10, epsg: 32_631 };
const ORDER = ["B02", "B03", "B04", "B08"];

/** A value of a scene; scenes differ by `seed`. */
const value = (seed, band) => (x, y) =>
  400 + (((x >> 5) * 37 * seed + (y >> 6) * 61 + ORDER.indexOf(band) * 211) % 1500) + ((x * 7 + y * 13 + ORDER.indexOf(band) * 5) % 97);

const file = (name, layout) => ({ name, type: "image/tiff", bytes: geotiff({ bands: 1, block: [64, 64], deflate: true, geo: PLACE, ...layout }) });
const band = (name, band, { seed = 1, ...layout } = {}) => file(name, { width: 320, height: 256, sample: value(seed, band), ...layout });

/** All bands of a scene in one file. */
const whole = (seed, names = ["B02", "B03", "B04"]) =>
  file(`whole-${seed}.tif`, { width: 320, height: 256, bands: names.length, names, sample: (x, y, at) => value(seed, names[at])(x, y) });

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

async function mapOfWhole(seed) {
  const { name, bytes, type } = whole(seed);
  await view.mapOf(name, bytes, type);
  return features();
}

/** The map's patches: all of the file but its name. */
const features = async () => (await view.geojson()).features;

test("the bands of a Sentinel-2 scene become one map, whatever their order; others are left out with the reason", async () => {
  const expected = await mapOfWhole(1);
  const scene = "T31TCJ_20210315T105031";
  await view.drop(
    band(`${scene}_B04_10m.tif`, "B04"),
    file(`${scene}_B05_20m.tif`, { width: 160, height: 128, sample: value(1, "B02") }),
    band(`${scene}_B02_10m.tif`, "B02"),
    band(`${scene}_B08_10m.tif`, "B08", { geo: { ...PLACE, origin: [700_000, 5_300_000] } }),
    band(`${scene}_B03_10m.tif`, "B03"),
  );
  await view.waitForMap(`${scene}.tif`);
  await view.threshold(0);
  assert.deepEqual(await features(), expected);
  assert.equal(await view.page.getByRole("article", { name: /^Answer for/ }).count(), 1);
  await view.card.getByText("Bands B04, B03, B02 (named in the file).").waitFor();
  const said = await view.page.getByText(/files became one scene/).innerText();
  assert.equal(
    said,
    `3 files became one scene, ${scene}: B02, B03, B04. Left out of it: ${scene}_B05_20m.tif (it has 160 × 128 pixels, not 320 × 256); ` +
      `${scene}_B08_10m.tif (it lies in another place).`,
  );
  await keep(view.page, "stacked", "light");
});

test("folders of plain names are scenes of their own; a band in strips, not packed, is no obstacle", async () => {
  const expected = [await mapOfWhole(2), await mapOfWhole(3)];
  const strips = { block: [320, 50], deflate: false };
  await view.drop(
    ...["B02", "B03", "B04"].flatMap((name) => [
      band(`2021-03-15_${name}.tif`, name, { seed: 2, ...strips }),
      band(`2021-04-20_${name}.tif`, name, { seed: 3 }),
    ]),
  );
  for (const [at, name] of ["2021-03-15", "2021-04-20"].entries()) {
    const tab = view.page.getByRole("list", { name: "Large pictures" }).getByRole("button", { name });
    await tab.getByText("done").waitFor({ timeout: 120_000 });
    await tab.click();
    await view.waitForMap(`${name}.tif`, "done", 2000);
    await view.threshold(0);
    assert.deepEqual(await features(), expected[at], name);
  }
});

test("small ones become one tile, and files that are no bands stay as they are", async () => {
  const small = { width: 64, height: 64 };
  const tile = ["B02", "B03", "B04"].map((name) => band(`${name}.tif`, name, small));
  await view.drop(...tile, { ...whole(1), name: "B8.tif" });
  assert.match(await view.verdict("B02 B03 B04.tif"), /\w/);
  await view.waitForMap("B8.tif");
  assert.deepEqual(view.errors, []);
});
