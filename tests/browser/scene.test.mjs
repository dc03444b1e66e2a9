// A large picture becomes a class map: a mosaic of known tiles must get, patch by patch, the answers of those tiles.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { classLabel } from "./classify-page.mjs";
import { geotiff, mosaic } from "./large-pictures.mjs";
import { decoded, png } from "./pictures.mjs";
import { ScenePage } from "./scene-page.mjs";
import { serve } from "./serve.mjs";
import { directories, pixelOf } from "./tiff-tags.mjs";

const [COLUMNS, ROWS, SIDE] = [8, 6, 64];
// Every tile occurs at least twice, in no order that a row or column would show.
const PLACES = Array.from({ length: ROWS }, (_, row) => Array.from({ length: COLUMNS }, (_, column) => (row * COLUMNS + column) * 7 % 20));
const PATCHES = PLACES.flat();
// The page writes four decimals; batches are put together in another order.
const PROBABILITY_TOLERANCE = 2e-4;
const GEO = { origin: [600_000, 5_300_000], pixel: 10, epsg: 32_632 };
// EuroSAT's white is at a reflectance of 0.275: digital numbers that a 16-bit file of the same tile would have.
const toDigitalNumber = (grey) => Math.round((grey / 255) * 2750);

let site, browser, view, picture, answers, classes;

before(async () => {
  site = await serve(DIST);
  browser = await launch();
  view = new ScenePage(await browser.context.newPage());
  await view.open(site.url);
  await view.waitForDevice("CPU");
  const { samples } = await view.page.evaluate(async () => (await fetch("samples/index.json")).json());
  const tiles = [];
  for (const { file } of samples) tiles.push(await decoded(view.page, `samples/${file}`));
  picture = mosaic(tiles, PLACES);
  await view.drop(...tiles.map((tile, i) => ({ name: `tile-${i}.png`, type: "image/png", bytes: png(tile) })));
  await view.page.getByText(`${tiles.length} classified`).waitFor();
  await view.waitForPhase("ready");
  ({ tiles: answers, classes } = JSON.parse(await view.download("Download JSON")));
});

after(async () => {
  await browser?.close();
  await site?.close();
});

const top = (tile) => Math.max(...answers[tile].probabilities);
const counted = (classes) => classes.reduce((counts, name) => ({ ...counts, [name]: (counts[name] ?? 0) + 1 }), {});
const asPng = () => png({ ...picture, rgb: [...picture.rgb] });

/** Every patch's class and probability are those of its tile; its polygon, `read`, is where `corner(x, y)` says. */
function assertMap(document, corner, tolerance = PROBABILITY_TOLERANCE, read = (place) => place) {
  assert.equal(document.features.length, PATCHES.length);
  document.features.forEach(({ properties, geometry }, i) => {
    const [row, column] = [Math.floor(i / COLUMNS), i % COLUMNS];
    assert.deepEqual([properties.row, properties.column], [row, column]);
    // Its own class, or one that is as probable as far as can be told.
    const share = answers[PATCHES[i]].probabilities[classes.indexOf(properties.class)];
    assert.ok(share >= top(PATCHES[i]) - tolerance, `patch ${i} is ${answers[PATCHES[i]].class}, not ${properties.class}`);
    const difference = Math.abs(properties.probability - top(PATCHES[i]));
    assert.ok(difference <= tolerance, `patch ${i}: probability off by ${difference}`);
    const at = (right, down) => corner((column + right) * SIDE, (row + down) * SIDE);
    assert.deepEqual(geometry.coordinates.map((ring) => ring.map(read)), [[at(0, 0), at(0, 1), at(1, 1), at(1, 0), at(0, 0)]]);
  });
}

const inPixels = (x, y) => [x, y];
const onGround = (x, y) => [GEO.origin[0] + x * GEO.pixel, GEO.origin[1] - y * GEO.pixel];
/** Longitude and latitude in UTM zone 32, to the centimetre: Snyder, Map Projections (USGS 1395), equations 8-9 and 8-10. */
function inUtm32([longitude, latitude]) {
  const [phi, east] = [latitude, longitude - 9].map((degrees) => (degrees * Math.PI) / 180);
  const e2 = (1 / 298.257223563) * (2 - 1 / 298.257223563);
  const ep2 = e2 / (1 - e2);
  const n = 6378137 / Math.sqrt(1 - e2 * Math.sin(phi) ** 2);
  const [t, c, a] = [Math.tan(phi) ** 2, ep2 * Math.cos(phi) ** 2, east * Math.cos(phi)];
  const m =
    6378137 *
    ((1 - e2 / 4 - (3 * e2 ** 2) / 64 - (5 * e2 ** 3) / 256) * phi -
      ((3 * e2) / 8 + (3 * e2 ** 2) / 32 + (45 * e2 ** 3) / 1024) * Math.sin(2 * phi) +
      ((15 * e2 ** 2) / 256 + (45 * e2 ** 3) / 1024) * Math.sin(4 * phi) -
      ((35 * e2 ** 3) / 3072) * Math.sin(6 * phi));
  const x = n * (a + ((1 - t + c) * a ** 3) / 6 + ((5 - 18 * t + t ** 2 + 72 * c - 58 * ep2) * a ** 5) / 120);
  const y =
    m +
    n *
      Math.tan(phi) *
      (a ** 2 / 2 + ((5 - t + 9 * c + 4 * c ** 2) * a ** 4) / 24 + ((61 - 58 * t + t ** 2 + 600 * c - 330 * ep2) * a ** 6) / 720);
  return [500000 + 0.9996 * x, 0.9996 * y].map((metres) => Math.round(metres * 100) / 100);
}
const bandOf = { B04: 0, B03: 1, B02: 2 };
const grey = (x, y, channel) => picture.rgb[(y * picture.width + x) * 3 + channel];

describe("a mosaic of known tiles", () => {
  before(() => view.mapOf("mosaic.png", asPng()));

  test("every patch gets its tile's class and probability, in pixels, as the file says", async () => {
    const document = await view.geojson();
    assertMap(document, inPixels);
    assert.equal(document.crs, undefined);
    assert.match(document.solstice.coordinates, /pixels/);
    await view.page.getByText("the polygons are in pixels").waitFor();
  });

  test("patches are painted in the legend's colours, and its counts add up", async () => {
    const painted = await view.painted(COLUMNS, ROWS);
    const colours = {};
    for (const { class: name } of answers) colours[name] ??= [...(await view.colour(classLabel(name))), 255];
    painted.forEach((pixel, i) => assert.deepEqual(pixel, colours[answers[PATCHES[i]].class], `patch ${i}`));
    const legend = await view.legend();
    for (const [name, count] of Object.entries(counted(PATCHES.map((tile) => answers[tile].class)))) {
      assert.equal(legend[classLabel(name)].patches, count, name);
      assert.equal(legend[classLabel(name)].share, `${((count / PATCHES.length) * 100).toFixed(1)} %`);
    }
  });

  test("the picture under the classes has the mosaic's pixels", async () => {
    const pixels = await view.page.locator("canvas.scene-picture").evaluate((canvas) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      return { width, height, rgb: [...data].filter((_, i) => i % 4 !== 3) };
    });
    assert.deepEqual([pixels.width, pixels.height], [picture.width, picture.height]);
    assert.deepEqual(pixels.rgb, [...picture.rgb]);
  });

  test("what the model is not sure of is left unpainted, in the map, the legend and the file", async () => {
    await view.threshold(90);
    const unsure = PATCHES.filter((tile) => top(tile) < 0.9).length;
    assert.ok(unsure > 0 && unsure < PATCHES.length, "the threshold parts the tiles");
    assert.equal((await view.legend()).Unsure.patches, unsure);
    assert.equal((await view.painted(COLUMNS, ROWS)).filter(([, , , opacity]) => opacity === 0).length, unsure);
    assert.equal((await view.geojson()).features.length, PATCHES.length - unsure);
    await view.threshold(0);
  });

  test("a class that is switched off is neither painted nor written", async () => {
    const name = answers[PATCHES[0]].class;
    const line = view.page.getByRole("button", { name: classLabel(name), exact: true });
    await line.click();
    assert.equal(await line.getAttribute("aria-pressed"), "false");
    const left = PATCHES.filter((tile) => answers[tile].class !== name).length;
    assert.equal((await view.geojson()).features.length, left);
    assert.equal((await view.painted(COLUMNS, ROWS)).filter(([, , , opacity]) => opacity > 0).length, left);
    await view.page.getByRole("button", { name: "Show all classes" }).click();
    assert.equal((await view.geojson()).features.length, PATCHES.length);
  });

  test("a click shows a patch's bars; all places like it are found, the same tile first", async () => {
    const own = 2 * COLUMNS + 3;
    await view.clickPatch(3, 2, COLUMNS, ROWS);
    const { class: name, embedding } = answers[PATCHES[own]];
    await view.page.locator(".patch-class").filter({ hasText: classLabel(name) }).waitFor();
    assert.equal(await view.page.locator(".patch .bars li").count(), 10);
    await view.page.getByRole("button", { name: "Find all places like this" }).click();
    // A plain loop over the tiles' own embeddings.
    const norm = (v) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
    const cosine = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0) / norm(a) / norm(b);
    const expected = PATCHES.map((tile, patch) => [patch, cosine(embedding, answers[tile].embedding)])
      .filter(([patch]) => patch !== own)
      .sort((a, b) => b[1] - a[1])
      .slice(0, 12);
    const list = view.page.getByRole("button", { name: /^Patch \d+, similarity/ });
    await list.first().waitFor();
    const found = (await list.evaluateAll((buttons) => buttons.map((button) => button.getAttribute("aria-label")))).map((label) =>
      label.match(/-?[\d.]+/g).map(Number),
    );
    assert.equal(found.length, 12);
    found.forEach(([, similarity], i) => assert.ok(Math.abs(similarity - expected[i][1]) < 2e-3, `${similarity}, not ${expected[i][1]}`));
    assert.equal(PATCHES[found[0][0] - 1], PATCHES[own], "the same tile, elsewhere in the mosaic");
    assert.equal(await view.page.locator(".scene-mark").count(), 12);
    const heat = await view.painted(COLUMNS, ROWS);
    assert.deepEqual(heat[own], [253, 231, 37, 255], "the place itself is the brightest");
    await list.first().click();
    await view.page.getByRole("button", { name: "Back to the classes" }).click();
    assert.deepEqual((await view.painted(COLUMNS, ROWS))[own].slice(0, 3), await view.colour(classLabel(name)));
  });

  test("by keyboard alone: to a patch, to places like it, and back", async () => {
    await view.map.focus();
    await view.page.keyboard.press("Escape");
    await view.page.keyboard.press("ArrowRight");
    await view.page.locator(".patch").getByText("Row 4, column 5").waitFor();
    await view.page.keyboard.press("ArrowUp");
    await view.page.keyboard.press("ArrowLeft");
    await view.page.locator(".patch").getByText("Row 3, column 4").waitFor();
    await view.page.keyboard.press("Enter");
    await view.page.getByText("Most like patch 20").waitFor();
    await view.page.keyboard.press("Escape");
    await view.page.getByText("Most like patch 20").waitFor({ state: "detached" });
  });

  test("the PNG shows what the page shows", async () => {
    await view.page.getByRole("slider", { name: /^Opacity/ }).fill("100");
    const bytes = await view.downloadBytes("Download PNG");
    const base64 = bytes.toString("base64");
    const pixel = await view.page.evaluate(async (base64) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))]));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      canvas.drawImage(bitmap, 0, 0);
      return [bitmap.width, bitmap.height, ...canvas.getImageData(32, 32, 1, 1).data];
    }, base64);
    // The legend stands under the picture, two classes in a row of 26 pixels.
    const legend = (classes.length / 2 + 0.5) * 26;
    assert.deepEqual(pixel, [picture.width, picture.height + legend, ...(await view.colour(classLabel(answers[PATCHES[0]].class))), 255]);
    await view.page.getByRole("slider", { name: /^Opacity/ }).fill("60");
  });

  test("a finer stride can be stopped and taken up again; every pixel is counted once", async () => {
    await view.page.getByRole("combobox", { name: /A patch every/ }).selectOption("16");
    await view.waitForMap("mosaic.png", "running");
    await view.page.getByRole("button", { name: "Stop" }).click();
    await view.page.getByText(/^Stopped after/).waitFor();
    await view.page.getByRole("button", { name: "Go on" }).click();
    await view.waitForMap("mosaic.png");
    const count = ((COLUMNS - 1) * 4 + 1) * ((ROWS - 1) * 4 + 1);
    const legend = await view.legend();
    assert.equal(Object.values(legend).reduce((sum, { patches }) => sum + patches, 0), count);
    const { features } = await view.geojson();
    const area = features.reduce((sum, { geometry: { coordinates: [[[left, top], , [right, bottom]]] } }) => sum + (right - left) * (bottom - top), 0);
    assert.equal(area, picture.width * picture.height);
    // Where a patch lies on a tile, it is that tile.
    const whole = features.filter(({ properties: { row, column } }) => row % 4 === 0 && column % 4 === 0);
    whole.forEach(({ properties }, i) => assert.equal(properties.class, answers[PATCHES[i]].class));
    await view.page.getByRole("combobox", { name: /A patch every/ }).selectOption("64");
    await view.waitForMap("mosaic.png");
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`looks, ${colorScheme}`, async () => {
      await view.page.emulateMedia({ colorScheme });
      await view.clickPatch(3, 2, COLUMNS, ROWS);
      await keep(view.page, "class-map", colorScheme);
      await view.page.getByRole("button", { name: "Find all places like this" }).click();
      await view.page.getByRole("button", { name: /^Patch \d+, similarity/ }).first().waitFor();
      await keep(view.page, "class-map-similar", colorScheme);
      await view.page.getByRole("button", { name: "Back to the classes" }).click();
    });
  }

  test("nothing went wrong unseen", () => assert.deepEqual(view.errors, []));
});

describe("GeoTIFF", () => {
  const names = ["B02", "B03", "B04", "B08"];
  const sample = (x, y, band) => (names[band] === "B08" ? 3000 : toDigitalNumber(grey(x, y, bandOf[names[band]])));
  const file = (options) => geotiff({ width: picture.width, height: picture.height, bands: 4, sample, geo: GEO, names, ...options });
  // Half a step of a digital number in every pixel.
  const STEP_TOLERANCE = 0.005;

  for (const { title, options } of [
    { title: "tiles, deflated, bands interleaved", options: () => ({ block: [128, 80], deflate: true }) },
    { title: "tiles, a band after the other", options: () => ({ block: [96, 112], planar: true }) },
    { title: "strips, deflated", options: () => ({ block: [picture.width, 37], deflate: true }) },
    { title: "one uncompressed strip", options: () => ({ block: [picture.width, picture.height] }) },
  ]) {
    test(`16-bit, ${title}: the tiles' classes at their exact coordinates`, async () => {
      await view.mapOf(`${title}.tif`, file(options()), "image/tiff");
      const document = await view.geojson();
      assertMap(document, onGround, STEP_TOLERANCE, inUtm32);
      assert.equal(document.crs, undefined, "degrees of WGS 84, as RFC 7946 has it");
      assert.match(document.solstice.coordinates, /EPSG:32632/);
      const total = Object.values(await view.legend()).reduce((sum, { area }) => sum + Number(area), 0);
      const square = (picture.width * picture.height * GEO.pixel ** 2) / 1e6;
      assert.ok(Math.abs(total - square) < 0.05, `${total} km², not ${square}`);
      await view.card.getByText("64 px = 640 m on the ground (10 m a pixel, EPSG:32632)").waitFor();
      await view.card.getByText("Bands B04, B03, B02 of 4 (named in the file).").waitFor();
    });
  }

  test("it leaves as a GeoTIFF, as areas, as KML, and with a world file", async () => {
    await view.mapOf("mosaic.tif", file({ block: [128, 64] }), "image/tiff");
    const tiff = await view.downloadBytes(/^GeoTIFF$/);
    const [map, half] = directories(tiff);
    assert.deepEqual([map[256], map[257], half[256]], [[picture.width], [picture.height], [picture.width / 2]]);
    assert.deepEqual([map[33550], map[33922]], [[GEO.pixel, GEO.pixel, 0], [0, 0, 0, ...GEO.origin, 0]]);
    assert.ok(map[34735].join(" ").includes(`3072 0 1 ${GEO.epsg}`));
    assert.equal(map[42113], "0");
    const { features } = await view.geojson();
    for (const [i, { properties }] of features.entries()) {
      const [x, y] = [(i % COLUMNS) * SIDE + SIDE / 2, Math.floor(i / COLUMNS) * SIDE + SIDE / 2];
      const value = pixelOf(tiff, map, x, y);
      if (properties.unlike_known) assert.equal(value, 0);
      else assert.equal(classes[value - 1], properties.class, `patch ${i}`);
      assert.equal(pixelOf(tiff, half, x / 2, y / 2), value, "the overview shows the same");
    }
    const value = pixelOf(tiff, map, SIDE / 2, SIDE / 2);
    const rgb = await view.colour(classLabel(classes[value - 1]));
    assert.deepEqual([0, 1, 2].map((band) => map[320][band * 256 + value] / 257), rgb, "the palette is the page's");

    const areas = JSON.parse(await view.download("GeoJSON of areas"));
    const known = features.filter(({ properties }) => !properties.unlike_known);
    assert.deepEqual(
      areas.features.reduce((sums, { properties: { class: name, patches } }) => ({ ...sums, [name]: (sums[name] ?? 0) + patches }), {}),
      counted(known.map(({ properties }) => properties.class)),
    );
    const corners = new Set(features.flatMap(({ geometry }) => geometry.coordinates[0].map(String)));
    assert.ok(areas.features.every(({ geometry }) => geometry.coordinates.flat().every((corner) => corners.has(String(corner)))));
    const kml = await view.download("KML");
    assert.equal(kml.match(/<Placemark>/g).length, areas.features.length);
    const [longitude, latitude] = kml.match(/<coordinates>([\d.]+),([\d.]+)/).slice(1).map(Number);
    assert.ok(Math.abs(longitude - 10.33659) < 0.1 && Math.abs(latitude - 47.84556) < 0.1);
    const world = (await view.download("World file")).trim().split("\n").map(Number);
    assert.deepEqual(world, [10, 0, 0, -10, GEO.origin[0] + 5, GEO.origin[1] - 5]);
  });

  test("thirteen nameless bands are taken as Sentinel-2's, with the offset that the values show", async () => {
    const order = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"];
    const shifted = (x, y, band) => 1000 + (order[band] in bandOf ? toDigitalNumber(grey(x, y, bandOf[order[band]])) : 2000);
    const bytes = file({ bands: 13, sample: shifted, names: undefined, block: [picture.width, 16] });
    await view.mapOf("thirteen.tif", bytes, "image/tiff");
    assertMap(await view.geojson(), onGround, STEP_TOLERANCE, inUtm32);
    await view.card.getByText(/assumed to be Sentinel-2 L1C, thirteen bands/).waitFor();
    await view.card.getByText(/\(value − 1000\) \/ 10 000: nothing is darker than/).waitFor();
    // The wrong offset is the user's to choose, and changes what the model sees.
    await view.page.getByRole("combobox", { name: "Offset" }).selectOption({ label: "0" });
    await view.waitForMap("thirteen.tif");
    await view.card.getByText("Reflectance = value / 10 000: you chose it.").waitFor();
    const found = (await view.geojson()).features.map(({ properties }) => properties.class);
    assert.notDeepEqual(found, PATCHES.map((tile) => answers[tile].class));
  });

  test("an offset in the metadata is believed", async () => {
    const metadata = '<Item name="OFFSET" sample="0" role="offset">-0.1</Item><Item name="SCALE" sample="0" role="scale">0.0001</Item>';
    await view.mapOf("offset.tif", file({ sample: (x, y, band) => sample(x, y, band) + 1000, metadata, block: [picture.width, 16] }), "image/tiff");
    await view.card.getByText(/the file's metadata says so/).waitFor();
    assertMap(await view.geojson(), onGround, STEP_TOLERANCE, inUtm32);
  });

  test("five nameless bands are asked about; the map follows the answer", async () => {
    const order = ["B02", "x", "B04", "y", "B03"];
    const values = (x, y, band) => (order[band] in bandOf ? toDigitalNumber(grey(x, y, bandOf[order[band]])) : 100);
    await view.drop({ name: "five.tif", type: "image/tiff", bytes: file({ bands: 5, sample: values, names: undefined, block: [picture.width, 16] }) });
    await view.waitForMap("five.tif", "failed");
    assert.match(await view.card.getByRole("alert").innerText(), /It has 5, without names; the model wants 3/);
    for (const [label, band] of [["Red (B04)", 2], ["Green (B03)", 4], ["Blue (B02)", 0]]) {
      await view.page.getByRole("combobox", { name: label }).selectOption(String(band));
      await view.waitForMap("five.tif");
    }
    await view.threshold(0);
    assertMap(await view.geojson(), onGround, STEP_TOLERANCE, inUtm32);
  });

  test("where there is no data, nothing is claimed", async () => {
    // The left half of the mosaic is missing.
    const values = (x, y, band) => (x < picture.width / 2 ? 0 : sample(x, y, band));
    await view.mapOf("half.tif", file({ sample: values, block: [128, 128], deflate: true }), "image/tiff");
    assert.equal((await view.legend())["No data"].patches, PATCHES.length / 2);
    assert.equal((await view.geojson()).features.length, PATCHES.length / 2);
    await view.clickPatch(0, 0, COLUMNS, ROWS);
    await view.page.locator(".patch-class").filter({ hasText: "No data" }).waitFor();
  });

  test("a whole granule, 10 980 × 10 980 in 16 bits, is read as it is painted, and can be stopped", async () => {
    // Unpacked it has 964 MB, of which a row of blocks is held.
    const side = 10_980;
    const bytes = file({ width: side, height: side, block: [512, 384], deflate: true, repeated: true });
    await view.drop({ name: "granule.tif", type: "image/tiff", bytes });
    await view.waitForMap("granule.tif", "running");
    const progress = view.page.getByRole("progressbar", { name: "Patches classified" });
    const columns = Math.ceil((side - SIDE) / SIDE) + 1;
    assert.equal(Number(await progress.getAttribute("max")), columns ** 2);
    await view.page.waitForFunction((count) => document.querySelector(".scene-progress progress")?.value > count, columns);
    await view.page.getByText(/a second · .+ left$/).waitFor();
    await view.page.getByRole("button", { name: "Stop" }).click();
    await view.waitForMap("granule.tif", "stopped");
    await view.threshold(0);
    const { features } = await view.geojson();
    assert.ok(features.length > columns && features.length < columns ** 2, `${features.length} patches`);
    // The block is the mosaic's beginning: its patches are known.
    for (const { properties } of features.filter(({ properties: { row, column } }) => row === 0 && column < COLUMNS)) {
      assert.equal(properties.class, answers[PATCHES[properties.column]].class);
    }
    const { width, height } = await view.page.locator("canvas.scene-picture").evaluate(({ width, height }) => ({ width, height }));
    assert.ok(Math.max(width, height) <= 2048, "the preview is bounded");
  });

  test("a damaged one is said to be, with what was painted kept", async () => {
    const bytes = file({ block: [picture.width, 64], deflate: true });
    // Of six strips, at least one loses its beginning.
    bytes.fill(0x55, Math.floor(bytes.length * 0.4), Math.floor(bytes.length * 0.6));
    await view.drop({ name: "broken.tif", type: "image/tiff", bytes });
    await view.waitForMap("broken.tif", "failed");
    assert.match(await view.card.getByRole("alert").innerText(), /damaged/);
    assert.deepEqual(view.errors, []);
  });
});

describe("ways in and out", () => {
  test("a picture of two tiles is one answer, and a map when the user wants one", async () => {
    const small = mosaic([0, 1].map((tile) => crop(PATCHES.indexOf(tile))), [[0, 1], [1, 0]]);
    await view.drop({ name: "small.png", type: "image/png", bytes: png({ ...small, rgb: [...small.rgb] }) });
    await view.verdict("small.png");
    await view.page.getByRole("button", { name: "Make a class map" }).click();
    await view.waitForMap("small.png");
    await view.threshold(0);
    const found = (await view.geojson()).features.map(({ properties }) => properties.class);
    assert.deepEqual(found, [0, 1, 1, 0].map((tile) => answers[tile].class));
    await view.page.getByRole("button", { name: "Classify as one tile" }).click();
    await view.verdict("small.png");
  });

  test("new files take the place of a map that is still in work", async () => {
    await view.drop({ name: "mosaic.png", type: "image/png", bytes: asPng() });
    await view.page.locator("[data-scene]").waitFor();
    await view.drop({ name: "tile.png", type: "image/png", bytes: png(crop(0)) });
    assert.equal(await view.verdict("tile.png"), classLabel(answers[PATCHES[0]].class));
    assert.equal(await view.page.locator("[data-scene]").count(), 0);
    assert.deepEqual(view.errors, []);
  });

  test("the map is still there after a look at another page", async () => {
    await view.mapOf("mosaic.png", asPng());
    const before = await view.painted(COLUMNS, ROWS);
    await view.page.getByRole("link", { name: "Seasons" }).click();
    await view.page.getByRole("link", { name: "Classify" }).click();
    await view.waitForMap("mosaic.png");
    assert.deepEqual(await view.painted(COLUMNS, ROWS), before);
  });
});

/** A patch of the mosaic as a picture. */
function crop(patch) {
  const [left, top] = [(patch % COLUMNS) * SIDE, Math.floor(patch / COLUMNS) * SIDE];
  const rgb = Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return grey(left + (pixel % SIDE), top + Math.floor(pixel / SIDE), i % 3);
  });
  return { width: SIDE, height: SIDE, rgb };
}
