// What files say of their bands and numbers, and what is made of it: colours that GDAL writes, Landsat's numbers, scales, and names of
// other bands. The answers are those of the same reflectance in the plainest file.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { DIST } from "./built.mjs";
import { ClassifyPage } from "./classify-page.mjs";
import { launch } from "./chromium.mjs";
import { geotiff } from "./large-pictures.mjs";
import { serve } from "./serve.mjs";

const [B02, B03, B04, B08] = [0, 1, 2, 3];
/** Digital numbers of a tile, by band: no two alike. */
const dn = (x, y, band) => 500 + ((x * 5 + y * 3) % 160) * [3, 5, 8, 11][band] + ((x ^ y) & 15) * 20;
const tile = (name, layout) => ({ name, type: "image/tiff", bytes: geotiff({ width: 64, height: 64, block: [64, 64], ...layout }) });
const item = (name, band, text) => `<Item name="${name}" sample="${band}" role="${name.toLowerCase()}">${text}</Item>`;
const each = (count, name, text) => Array.from({ length: count }, (_, band) => item(name, band, text)).join("");
const of = (...order) => (x, y, band) => dn(x, y, order[band]);
const plain = tile("plain.tif", { bands: 3, names: ["B04", "B03", "B02"], sample: of(B04, B03, B02) });

let site, browser, view;

before(async () => {
  site = await serve(DIST);
  browser = await launch();
  view = new ClassifyPage(await browser.context.newPage());
  await view.open(site.url);
  await view.waitForDevice("CPU");
});

after(async () => {
  await browser?.close();
  await site?.close();
});

/** The embeddings of the tiles, and what the page says of the last one. */
async function embeddings(...tiles) {
  await view.drop(...tiles);
  await view.page.getByText(`${tiles.length} classified`).waitFor();
  const answers = JSON.parse(await view.download("Download JSON")).tiles;
  return tiles.map(({ name }) => answers.find(({ file }) => file === name).embedding);
}

function assertAlike(found, expected, tolerance, what) {
  const far = Math.max(...found.map((value, i) => Math.abs(value - expected[i])));
  const size = Math.max(...expected.map(Math.abs));
  assert.ok(far <= tolerance * size, `${what}: ${far} of ${size}`);
}

const facts = async (name) => {
  await view.page.getByRole("button", { name, exact: false }).first().click();
  return view.answer(name).locator(".reading-facts").innerText();
};

test("colours that GDAL writes are read, whatever their order", async () => {
  const colours = ["Blue", "Green", "Red", "NIR"].map((colour, band) => item("COLORINTERP", band, colour)).join("");
  const coloured = tile("coloured.tif", { bands: 4, metadata: colours, sample: of(B02, B03, B04, B08) });
  const turned = ["NIR", "Red", "Green", "Blue"].map((colour, band) => item("COLORINTERP", band, colour)).join("");
  const other = tile("turned.tif", { bands: 4, metadata: turned, sample: of(B08, B04, B03, B02) });
  const [expected, found, again] = await embeddings(plain, coloured, other);
  assert.deepEqual(found, expected);
  assert.deepEqual(again, expected);
  assert.match(await facts("turned.tif"), /Bands Red, Green, Blue of 4 \(named in the file\)/);
});

test("Landsat 5's and 7's bands are taken by its own numbers", async () => {
  const names = ["B1", "B2", "B3", "B4", "B5", "B7"];
  const landsat = tile("landsat.tif", { bands: 6, names, sample: of(B02, B03, B04, B08, B08, B08) });
  const [expected, found] = await embeddings(plain, landsat);
  assert.deepEqual(found, expected);
  assert.match(await facts("landsat.tif"), /Bands B3, B2, B1 of 6 \(named in the file, by the numbers of Landsat 4, 5 and 7\)/);
});

test("a scale multiplies, and is said", async () => {
  const names = ["B04", "B03", "B02"];
  const sample = (x, y, band) => Math.round((dn(x, y, 2 - band) / 10_000 + 0.2) / 2.75e-5);
  const metadata = each(3, "SCALE", "2.75e-05") + each(3, "OFFSET", "-0.2");
  const scaled = tile("scaled.tif", { bands: 3, names, metadata, sample });
  const [expected, found] = await embeddings(plain, scaled);
  // Stored numbers are rounded to whole ones: 0.0000138 of reflectance.
  assertAlike(found, expected, 0.01, "scaled");
  assert.match(await facts("scaled.tif"), /Reflectance = value × 0\.0000275 − 0\.2, as the file says\./);
});

test("a false-colour file that names its bands is asked about, not taken for true colours", async () => {
  const names = ["B08", "B04", "B03"];
  await view.drop(tile("false-colour.tif", { bands: 3, names, sample: of(B08, B04, B03) }));
  const card = view.page.getByRole("alert").filter({ hasText: "wrong bands" });
  await card.waitFor();
  assert.match(await card.innerText(), /It has 3 \(B08, B04, B03\); the model wants 3 \(B04, B03, B02\)/);
});

test("names that nobody knows are not called the file's word", async () => {
  await embeddings(plain, tile("unknown.tif", { bands: 3, names: ["one", "two", "three"], sample: of(B04, B03, B02) }));
  assert.match(await facts("unknown.tif"), /the file's names for them are none that are known: taken as the model's, in its order/);
  assert.deepEqual(view.errors, []);
});
