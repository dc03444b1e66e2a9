// Pictures that no model of the page can know, made here: what the page must say of them, and what it must not say of
// EuroSAT's own held-out tiles. `node doubt.mjs` prints the shares.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

import { png, tiff } from "./pictures.mjs";

const SIDE = 64;
const picture = (name, value) => ({
  name: `${name}.png`,
  type: "image/png",
  bytes: png({ width: SIDE, height: SIDE, rgb: Array.from({ length: SIDE * SIDE * 3 }, (_, i) => value(Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE), i % 3)) }),
});

/** A scramble without a period, 0 to 255. */
const noise = (x, y) => ((Math.imul(x * 374761393 + y * 668265263, 1274126177) >>> 13) & 255);

/** Kinds of pictures that are no satellite tiles, each with some of them. */
export function strange() {
  const shades = [0, 40, 90, 127, 160, 200, 230, 255];
  const colours = [[200, 30, 30], [20, 140, 60], [30, 60, 200], [240, 220, 90], [120, 90, 60], [10, 90, 110], [250, 250, 245], [60, 20, 90]];
  const each = (count, make) => Array.from({ length: count }, (_, i) => make(i));
  return {
    "black, white and grey": shades.map((shade, i) => picture(`grey-${i}`, () => shade)),
    "one colour, nearly": colours.map((colour, i) => picture(`colour-${i}`, (x, y, band) => Math.min(255, colour[band] + (noise(x, y) & 1)))),
    "one band three times": each(8, (i) => picture(`band-${i}`, (x, y) => Math.round(110 + 60 * Math.sin(x / (3 + i)) + 40 * Math.cos(y / (2 + i)) + (noise(x, y) % 20)))),
    "screenshots and drawings": each(8, (i) =>
      picture(`screen-${i}`, (x, y, band) => {
        const isText = y % 9 < 5 && x > 6 && x < 58 && noise(x >> 1, (y >> 1) + i) % 3 === 0;
        const isBar = y < 8 + i;
        return isText ? 20 : isBar ? [30, 90 + 10 * i, 200][band] : 252;
      }),
    ),
  };
}

/** A GeoTIFF of 8 bits whose pixels are `metres` wide. */
export function ofPixelSize(metres, value = (x, y, band) => 60 + band * 20 + (noise(x, y) % 70)) {
  const samples = Array.from({ length: SIDE * SIDE * 3 }, (_, i) => value(Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE), i % 3));
  const bytes = tiff({ width: SIDE, height: SIDE, bands: 3, bits: 8, samples, geo: true });
  // The helper writes pixels of 10 m: two numbers in the file, as doubles.
  const ten = Buffer.alloc(8);
  ten.writeDoubleLE(10);
  const at = bytes.indexOf(Buffer.concat([ten, ten]));
  if (at < 0) throw new Error("no pixel size in the file");
  bytes.writeDoubleLE(metres, at);
  bytes.writeDoubleLE(metres, at + 8);
  return { name: `pixels-of-${metres}.tif`, type: "image/tiff", bytes };
}

/** Everything the page says of the tiles, in their order. */
export async function said(view, tiles) {
  await view.drop(...tiles);
  await view.page.getByText(new RegExp(`^${tiles.length} classified`)).waitFor({ timeout: 300_000 });
  await view.waitForPhase("ready");
  const document = JSON.parse(await view.download("Download JSON"));
  return document.tiles.map((tile) => ({ ...tile, isUnlike: tile.unlike_gallery === true || tile.doubts.length > 0 }));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { DIST } = await import("./built.mjs");
  const { launch } = await import("./chromium.mjs");
  const { ClassifyPage } = await import("./classify-page.mjs");
  const { serve } = await import("./serve.mjs");
  const { entries } = await import("./tar.mjs");
  const { readdir } = await import("node:fs/promises");
  const site = await serve(DIST);
  const browser = await launch();
  const view = new ClassifyPage(await browser.context.newPage());
  await view.open(site.url);
  await view.waitForDevice("CPU");
  await view.waitForGallery();
  const demo = new URL("../../public/demo/", import.meta.url);
  const heldOut = (await readFile(new URL("eurosat_test.csv", demo), "utf8")).match(/[\w]+\/[\w]+\.jpg/g);
  const all = entries(await readFile(new URL("eurosat.tar", demo)));
  const kinds = {
    ...strange(),
    "pixels of 0.5 m": [ofPixelSize(0.5)],
    "pixels of 30 m": [ofPixelSize(30)],
    "EuroSAT, held out": all.filter(({ name }) => heldOut.some((path) => name.endsWith(path))).map(({ name, bytes }) => ({ name: name.split("/").pop(), type: "image/jpeg", bytes })),
  };
  // Folders with further pictures: `node doubt.mjs photographs=FOLDER …`.
  for (const [kind, folder] of process.argv.slice(2).map((argument) => argument.split("="))) {
    const names = (await readdir(folder)).filter((name) => /\.(png|jpe?g)$/.test(name));
    kinds[kind] = await Promise.all(names.map(async (name) => ({ name, type: "", bytes: await readFile(`${folder}/${name}`) })));
  }
  console.log("| pictures | number | said to be unlike anything known | by pixels and size | by the gallery |\n|---|---|---|---|---|");
  for (const [kind, tiles] of Object.entries(kinds)) {
    const answers = await said(view, tiles.length > 1 ? tiles : [...tiles, { ...tiles[0], name: `again-${tiles[0].name}` }]);
    const of = (test) => `${((answers.filter(test).length / answers.length) * 100).toFixed(1)} %`;
    console.log(`| ${kind} | ${tiles.length} | ${of(({ isUnlike }) => isUnlike)} | ${of(({ doubts }) => doubts.length)} | ${of((tile) => tile.unlike_gallery)} |`);
  }
  await browser.close();
  await site.close();
}
