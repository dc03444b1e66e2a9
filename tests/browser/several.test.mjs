// Large pictures that are dropped together each become a map; so does a long strip.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { eurosatTiles } from "./eurosat.mjs";
import { geotiff } from "./large-pictures.mjs";
import { ScenePage } from "./scene-page.mjs";
import { serve } from "./serve.mjs";

const scene = (seed, width, height) => ({
  name: `scene-${seed}.tif`,
  type: "image/tiff",
  bytes: geotiff({
    width, height, bands: 3, names: ["B04", "B03", "B02"], block: [64, 64],
    sample: (x, y, band) => 400 + ((x >> 5) * 37 * seed + (y >> 6) * 61 + band * 211) % 1500 + ((x * 7 + y * 13 + band * 5) % 97),
    geo: { origin: [600_000, 5_300_000], pixel: 10, epsg: 32_632 },
  }),
});
const SCENES = [scene(1, 256, 320), scene(2, 320, 256), scene(3, 1280, 64)];

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

const tab = (name) => view.page.getByRole("list", { name: "Large pictures" }).getByRole("button", { name: new RegExp(`^${name}`) });

test("each is mapped as it would be alone, and kept while another is looked at", async () => {
  const alone = [];
  for (const { name, type, bytes } of SCENES) {
    await view.mapOf(name, bytes, type);
    alone.push(await view.geojson());
  }
  await view.drop(...SCENES);
  for (const { name } of SCENES) await tab(name).getByText("done").waitFor({ timeout: 120_000 });
  for (const turn of [0, 1, 2, 0]) {
    await tab(SCENES[turn].name).click();
    await view.waitForMap(SCENES[turn].name, "done", 2000);
    await view.threshold(0);
    assert.deepEqual(await view.geojson(), alone[turn]);
  }
  await view.clickPatch(1, 1, 4, 5);
  await view.page.getByRole("button", { name: "Find all places like this" }).click();
  await view.page.getByRole("button", { name: /^Patch \d+, similarity/ }).first().waitFor();
  await keep(view.page, "several-scenes", "light");
});

test("small tiles among them are classified beside the maps", async () => {
  const tiles = await eurosatTiles(3);
  await view.drop(SCENES[0], ...tiles, SCENES[1]);
  await view.page.getByText("3 classified").waitFor({ timeout: 120_000 });
  for (const { name } of [SCENES[0], SCENES[1]]) await tab(name).getByText("done").waitFor({ timeout: 120_000 });
  assert.deepEqual(view.errors, []);
});
