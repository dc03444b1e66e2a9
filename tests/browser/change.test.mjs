// The change map of the Seasons page: squares are cut once more here, by other code, classified as tiles of their own, and
// compared by a slow loop.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { keep } from "./appearance.mjs";
import { project, withHeads } from "./artifact.mjs";
import { DIST, deployed, plainModel, replaceModel } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { geotiff } from "./large-pictures.mjs";
import { png } from "./pictures.mjs";
import { cosine } from "./season-maths.mjs";
import { SeasonsPage } from "./seasons-page.mjs";
import { serve } from "./serve.mjs";

const { places } = JSON.parse(await readFile(deployed("seasons/index.json"), "utf8"));
const PLACE = places.find(({ name }) => name.startsWith("Gulf of Riga"));
const DATES = [PLACE.dates[0], PLACE.dates[6]];
// 64 pixels: five squares of 32 a side, 8 apart.
const [SIDE, STEP, ALONG] = [32, 8, 5];
const CELLS = Array.from({ length: ALONG * ALONG }, (_, i) => ({ row: Math.floor(i / ALONG), column: i % ALONG }));
const WIDTH = 256;
// The distance that has the last colour, whatever the pair.
const FULL_DISTANCE = 0.5;
// The squares' JPEG is decoded by the browser here, by the worker there: a step of 255 now and then.
const DISTANCE_TOLERANCE = 0.003;
const HEAD = [
  {
    weight: Array.from({ length: 32 }, (_, i) => Array.from({ length: WIDTH }, (_, j) => (j === 8 * i) - (j === (8 * i + 3) % WIDTH))),
    bias: Array.from({ length: 32 }, (_, i) => (i % 3) / 32),
  },
];

describe("the change map", () => {
  let site, browser, view, squares;

  before(async () => {
    const file = withHeads(plainModel, { "seasonal-invariant": HEAD });
    site = await serve(DIST);
    browser = await launch();
    await replaceModel(browser.context, file);
    view = new SeasonsPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    squares = await embeddedSquares();
    await view.page.evaluate(([place, left, right]) => {
      location.hash = `#/seasons?place=${place}&left=${left}&right=${right}`;
    }, [PLACE.id, ...DATES]);
    await view.page.getByRole("button", { name: "Show the change map" }).click();
    await grid().waitFor();
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  const grid = () => view.page.getByRole("grid", { name: "Squares of the place" });
  const card = () => view.page.getByRole("article", { name: "Where has it changed?" });

  /** Embeddings of all squares of both dates, `[date][square]`. */
  async function embeddedSquares() {
    const files = [];
    for (const date of DATES) {
      const cut = await view.page.evaluate(
        async ([path, side, step, cells]) => {
          const bitmap = await createImageBitmap(await (await fetch(path)).blob());
          const parts = cells.map(async ({ row, column }) => {
            const canvas = new OffscreenCanvas(side, side);
            canvas.getContext("2d").drawImage(bitmap, column * step, row * step, side, side, 0, 0, side, side);
            const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
            return btoa(String.fromCharCode(...bytes));
          });
          return Promise.all(parts);
        },
        [`seasons/${PLACE.id}/${date}.jpg`, SIDE, STEP, CELLS],
      );
      files.push(...cut.map((base64, i) => ({ name: `${date} ${i}.png`, type: "image/png", bytes: Buffer.from(base64, "base64") })));
    }
    await view.drop(...files);
    await view.page.getByText(`${files.length} classified in`).waitFor();
    await view.waitForPhase("ready");
    const { tiles } = JSON.parse(await view.download("Download JSON"));
    const embeddings = tiles.map(({ embedding }) => embedding);
    return [embeddings.slice(0, CELLS.length), embeddings.slice(CELLS.length)];
  }

  const distances = (space = (embedding) => embedding) => CELLS.map((_, i) => 1 - cosine(space(squares[0][i]), space(squares[1][i])));

  async function assertShown(expected) {
    const labels = await grid().getByRole("gridcell").evaluateAll((cells) => cells.map((cell) => cell.getAttribute("aria-label")));
    assert.equal(labels.length, expected.length);
    for (const [i, label] of labels.entries()) {
      const [, row, column, value] = label.match(/^Row (\d+), column (\d+): (\d\.\d{3})$/);
      assert.deepEqual([Number(row), Number(column)], [CELLS[i].row + 1, CELLS[i].column + 1]);
      assert.ok(Math.abs(Number(value) - expected[i]) < DISTANCE_TOLERANCE, `${label} is not ${expected[i]}`);
    }
    const most = await card().getByText(/, the most here$/).innerText();
    assert.ok(Math.abs(parseFloat(most) - Math.max(...expected)) < DISTANCE_TOLERANCE, most);
  }

  test("every square's distance is 1 − the cosine of its two dates", () => assertShown(distances()));

  test("painted is the mean of the squares over a pixel, on the scale of the legend", async () => {
    const expected = distances();
    const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
    for (const [x, y] of [[2, 2], [33, 20], [61, 40], [30, 62]]) {
      const over = CELLS.map(({ row, column }, i) => [column * STEP, row * STEP, expected[i]]).filter(
        ([left, top]) => left <= x && x < left + SIDE && top <= y && y < top + SIDE,
      );
      const place = Math.min(1, over.reduce((sum, [, , value]) => sum + value, 0) / over.length / FULL_DISTANCE) * 4;
      const stop = Math.min(3, Math.floor(place));
      const colour = stops[stop].map((value, i) => value + (stops[stop + 1][i] - value) * (place - stop));
      const found = await card().locator("canvas").evaluate(
        (canvas, [x, y]) => [...canvas.getContext("2d").getImageData(((x + 0.5) * canvas.width) / 64, ((y + 0.5) * canvas.height) / 64, 1, 1).data],
        [x, y],
      );
      found.slice(0, 3).forEach((value, i) => assert.ok(Math.abs(value - colour[i]) <= 3, `${x}, ${y}: ${found} is not ${colour}`));
    }
  });

  test("a square is chosen by mouse or arrow keys, and shown at both dates; opacity can be changed", async () => {
    await grid().getByRole("gridcell").nth(6).click();
    const expected = distances();
    const shown = async () => Number((await card().getByText(/^Distance /).innerText()).match(/[\d.]+/)[0]);
    assert.ok(Math.abs((await shown()) - expected[6]) < DISTANCE_TOLERANCE);
    await view.page.keyboard.press("ArrowRight");
    await view.page.keyboard.press("ArrowDown");
    assert.ok(Math.abs((await shown()) - expected[12]) < DISTANCE_TOLERANCE);
    assert.equal(await grid().getByRole("gridcell", { selected: true }).getAttribute("aria-label").then((label) => label.slice(0, 15)), "Row 3, column 3");
    assert.equal(await card().getByRole("img", { name: /^The square in / }).count(), 2);
    const slider = card().getByRole("slider", { name: "Opacity" });
    await slider.focus();
    await view.page.keyboard.press("Home");
    assert.equal(await card().locator("canvas").evaluate((canvas) => getComputedStyle(canvas).opacity), "0");
    await slider.fill("70");
    for (const colorScheme of ["light", "dark"]) {
      await view.page.emulateMedia({ colorScheme });
      await keep(view.page, "seasons-change", colorScheme);
    }
  });

  test("measured in a subspace of the model", async () => {
    await view.page.getByRole("radio", { name: /^Ignore season(?! and)/ }).check();
    await assertShown(distances((embedding) => project(HEAD, embedding)));
    await view.page.getByRole("radio", { name: /^Everything/ }).check();
    await assertShown(distances());
  });

  test("other dates are compared at once; the same date twice has not changed", async () => {
    await view.page.getByRole("combobox", { name: "Right" }).selectOption(DATES[0]);
    await card().getByText("0.000, the most here").waitFor();
    const colours = await card().locator("canvas").evaluate((canvas) => {
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return [...new Set(Array.from({ length: pixels.length / 4 }, (_, i) => pixels.slice(i * 4, i * 4 + 3).join(" ")))];
    });
    assert.deepEqual(colours, ["68 1 84"], "one colour, that of no change");
    const cell = view.page.getByRole("grid", { name: "Every date with every date" }).locator('[data-cell="0-0"]');
    assert.equal(await cell.evaluate((cell) => cell.style.backgroundColor), "rgb(253, 231, 37)", "equal dates are the most alike");
  });

  test("pictures of different sizes are refused in words", async () => {
    const picture = (width, height, shade) => png({ width, height, rgb: Array.from({ length: width * height * 3 }, (_, i) => (i * shade) % 251) });
    await view.dropSeries(
      { name: "field_2021-03-01.png", type: "image/png", bytes: picture(64, 64, 7) },
      { name: "field_2021-09-01.png", type: "image/png", bytes: picture(80, 64, 11) },
    );
    const alert = card().getByRole("alert");
    await alert.waitFor();
    assert.match(await alert.innerText(), /do not lie over each other\s+One has 64 × 64 pixels, the other 80 × 64/);
    assert.deepEqual(view.errors, []);
  });
});

describe("a series of GeoTIFFs", () => {
  const [LENGTH, SQUARE] = [128, 32];
  const GEO = { origin: [600_000, 5_300_000], pixel: 10, epsg: 32_632 };
  // Fields with texture; from 64 on to the right, the second date is another land.
  const sample = (date) => (x, y, band) => {
    const isOther = date === 1 && x >= 64;
    return 300 + ((x >> 4) * 37 + (y >> 4) * 61 + band * (isOther ? 431 : 211)) % (isOther ? 2100 : 900) + ((x * 7 + y * 13) % 61);
  };
  const file = (date, shift = 0, [left, top, side] = [0, 0, LENGTH]) =>
    geotiff({
      width: side, height: side, bands: 3, names: ["B04", "B03", "B02"], block: [side, side],
      sample: (x, y, band) => sample(date)(x + left, y + top, band),
      geo: { ...GEO, origin: [GEO.origin[0] + shift, GEO.origin[1]] },
    });
  let site, browser, view;

  before(async () => {
    site = await serve(DIST);
    browser = await launch();
    view = new SeasonsPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  const card = () => view.page.getByRole("article", { name: "Where has it changed?" });
  const series = (shift) => [0, 1].map((date) => ({ name: `farm_${2019 + date}-06-0${date + 1}.tif`, type: "image/tiff", bytes: file(date, date * shift) }));

  test("squares are those of the files themselves, and the swipe shows every pixel", async () => {
    // Some squares as files of their own, by the Classify page.
    const places = [[0, 0], [40, 64], [96, 8], [88, 96]];
    const squares = [0, 1].flatMap((date) => places.map(([left, top]) => ({ name: `${date}-${left}-${top}.tif`, type: "image/tiff", bytes: file(date, 0, [left, top, SQUARE]) })));
    await view.drop(...squares);
    await view.page.getByText(`${squares.length} classified in`).waitFor();
    await view.waitForPhase("ready");
    const { tiles } = JSON.parse(await view.download("Download JSON"));
    await view.page.evaluate(() => (location.hash = "#/seasons"));
    await view.dropSeries(...series(0));
    await view.page.getByRole("button", { name: "Show the change map" }).click();
    const cells = card().getByRole("gridcell");
    await cells.first().waitFor();
    const labels = await cells.evaluateAll((cells) => cells.map((cell) => cell.getAttribute("aria-label")));
    const along = Math.sqrt(labels.length);
    assert.equal(along, (LENGTH - SQUARE) / 8 + 1);
    places.forEach(([left, top], i) => {
      const found = Number(labels[(top / 8) * along + left / 8].match(/[\d.]+$/)[0]);
      const wanted = 1 - cosine(tiles[i].embedding, tiles[places.length + i].embedding);
      assert.ok(Math.abs(found - wanted) < 0.002, `${left}, ${top}: ${found} is not ${wanted}`);
      if (left < 40) assert.ok(found < 0.001, "the same land has not changed");
    });
    const picture = view.page.locator(".swipe img").first();
    await view.page.waitForFunction((picture) => picture.naturalWidth === 128, await picture.elementHandle());
    assert.deepEqual(await view.dates(), ["1 Jun 2019, left", "2 Jun 2020, right"]);
    assert.match(await view.page.getByRole("list", { name: "Dates" }).innerText(), /1 Jun\s+2019[\s\S]+2 Jun\s+2020/);
    await keep(view.page, "seasons-geotiff", "light");
  });

  test("files of other ground are refused in words", async () => {
    await view.dropSeries(...series(640));
    assert.match(await card().getByRole("alert").innerText(), /do not lie over each other\s+One begins at 600000, 5300000 \(EPSG:32632\), the other at 600640/);
    assert.deepEqual(view.errors, []);
  });
});
