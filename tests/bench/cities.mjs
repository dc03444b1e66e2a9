// What the page makes of whole cities: the class map of each picture `FOLDER/<city>/pair/img1.png` (the Onera set's layout, 8 bits),
// and, where `FOLDER/<city>/imgs_1` holds the bands, how many patches of their 16 bits get the same class.
//
//   node tests/bench/cities.mjs oscd/images OUT            a table, and a screenshot of each map in OUT
//
// Nobody knows the right class of every patch: the table and the pictures are for a reader who knows the city.
import { mkdir, readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const BROWSER = join(dirname(fileURLToPath(import.meta.url)), "../browser");
const { DIST } = await import(join(BROWSER, "built.mjs"));
const { launch } = await import(join(BROWSER, "chromium.mjs"));
const { ScenePage } = await import(join(BROWSER, "scene-page.mjs"));
const { serve } = await import(join(BROWSER, "serve.mjs"));

const [folder, out] = process.argv.slice(2);
if (!folder || !out) {
  console.error("a folder of cities and one for pictures are needed\nhint: node tests/bench/cities.mjs oscd/images out");
  process.exit(2);
}
await mkdir(out, { recursive: true });
const UNSURE_UNDER = 50;
const SHOWN = 4;

const site = await serve(DIST);
const browser = await launch();

/** The map's patches, and how many of them are unsure. */
async function mapped(files, name, picture) {
  const view = new ScenePage(await browser.context.newPage());
  await view.open(site.url);
  await view.waitForDevice("CPU");
  await view.drop(...files);
  await view.waitForMap(name);
  await view.threshold(0);
  const { features } = await view.geojson();
  if (picture) await view.page.screenshot({ path: join(out, picture), fullPage: true });
  await view.page.close();
  return features.map(({ properties }) => properties);
}

/** The three bands that the page maps a scene from, as one drop. */
async function bands(city) {
  const path = join(folder, city, "imgs_1");
  const names = await readdir(path).catch(() => []);
  const wanted = names.filter((name) => /_B0[234]\.tif$/.test(name)).sort();
  return Promise.all(wanted.map(async (name) => ({ name, type: "image/tiff", bytes: await readFile(join(path, name)) })));
}

const percent = (part, whole) => `${((100 * part) / whole).toFixed(0)} %`;
console.log(`| city | patches | classes, by share | under ${UNSURE_UNDER} % | same class from 16 bits |\n|---|---:|---|---:|---:|`);
for (const city of (await readdir(folder)).sort()) {
  const bytes = await readFile(join(folder, city, "pair/img1.png")).catch(() => null);
  if (!bytes) continue;
  const patches = await mapped([{ name: `${city}.png`, type: "image/png", bytes }], `${city}.png`, `${city}.png`);
  const counts = Map.groupBy ? Map.groupBy(patches, (patch) => patch.class) : patches.reduce((map, patch) => map.set(patch.class, [...(map.get(patch.class) ?? []), patch]), new Map());
  const shares = [...counts].sort((a, b) => b[1].length - a[1].length).slice(0, SHOWN);
  const classes = shares.map(([name, own]) => `${name} ${percent(own.length, patches.length)}`).join(", ");
  const unsure = patches.filter(({ probability }) => probability < UNSURE_UNDER / 100).length;
  const files = await bands(city);
  let agreement = "";
  if (files.length === 3) {
    const other = await mapped(files, files[0].name.replace(/_B0\d\.tif$/, ""), null).catch((error) => String(error).split("\n")[0]);
    agreement =
      typeof other === "string" || other.length !== patches.length
        ? `not compared: ${typeof other === "string" ? other : `${other.length} patches`}`
        : percent(patches.filter((patch, i) => patch.class === other[i].class).length, patches.length);
  }
  console.log(`| ${city} | ${patches.length} | ${classes} | ${percent(unsure, patches.length)} | ${agreement} |`);
}
await browser.close();
await site.close();
