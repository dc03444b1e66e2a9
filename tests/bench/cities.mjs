// What the page makes of whole scenes, as it opens them: fitted to the model's look, neighbours with a say.
//
//   node tests/bench/cities.mjs oscd/images OUT            the class map of each `FOLDER/<city>/pair/img1.png`: a table, and screenshots
//   node tests/bench/cities.mjs FOLDER OUT --same          FOLDER as `stretches.py` wrote it: how many patches have the same class in
//                                                          16 and in 8 bits; the mean over the scenes, and the least
//
// `--address 'stretch=eurosat&neighbours=off'` opens the page otherwise. Nobody knows the right class of every patch: the first table
// and its pictures are for a reader who knows the city.
import { mkdir, readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const BROWSER = join(dirname(fileURLToPath(import.meta.url)), "../browser");
const { DIST } = await import(join(BROWSER, "built.mjs"));
const { ClassifyPage } = await import(join(BROWSER, "classify-page.mjs"));
const { launch } = await import(join(BROWSER, "chromium.mjs"));
const { ScenePage } = await import(join(BROWSER, "scene-page.mjs"));
const { serve } = await import(join(BROWSER, "serve.mjs"));

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { same: { type: "boolean", default: false }, address: { type: "string", default: "" } },
});
const [folder, out] = positionals;
if (!folder || !out) {
  console.error("a folder of scenes and one for pictures are needed\nhint: node tests/bench/cities.mjs oscd/images out");
  process.exit(2);
}
await mkdir(out, { recursive: true });
const UNSURE_UNDER = 50;
const SHOWN = 4;

const site = await serve(DIST);
const browser = await launch();

/** The map's patches; a screenshot of it where a name is given. */
async function mapped(path, screenshot) {
  const name = path.split("/").at(-1);
  const view = new ScenePage(await browser.context.newPage());
  await ClassifyPage.prototype.open.call(view, site.url, `#/classify${options.address && `?${options.address}`}`);
  await view.waitForDevice("CPU");
  await view.drop({ name, type: name.endsWith(".tif") ? "image/tiff" : "image/png", bytes: await readFile(path) });
  await view.waitForMap(name);
  await view.threshold(0);
  const { features } = await view.geojson();
  if (screenshot) await view.page.screenshot({ path: join(out, screenshot), fullPage: true });
  await view.page.close();
  return features.map(({ properties }) => properties);
}

const percent = (part, whole) => `${((100 * part) / whole).toFixed(0)} %`;

async function cities() {
  console.log(`| city | patches | classes, by share | under ${UNSURE_UNDER} % |\n|---|---:|---|---:|`);
  for (const city of (await readdir(folder)).sort()) {
    const patches = await mapped(join(folder, city, "pair/img1.png"), `${city}.png`).catch((error) => {
      if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
    });
    if (!patches) continue;
    const counts = patches.reduce((counts, { class: name }) => counts.set(name, (counts.get(name) ?? 0) + 1), new Map());
    const shares = [...counts].sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
    const unsure = patches.filter(({ probability }) => probability < UNSURE_UNDER / 100).length;
    const classes = shares.map(([name, count]) => `${name} ${percent(count, patches.length)}`).join(", ");
    console.log(`| ${city} | ${patches.length} | ${classes} | ${percent(unsure, patches.length)} |`);
  }
}

async function same() {
  const shares = new Map();
  for (const scene of (await readdir(folder)).sort()) {
    const reference = await mapped(join(folder, scene, "16.tif"), `${scene}.png`);
    for (const file of (await readdir(join(folder, scene))).filter((name) => name.endsWith(".png")).sort()) {
      const patches = await mapped(join(folder, scene, file), null);
      const alike = patches.filter((patch, i) => patch.class === reference[i].class).length / reference.length;
      shares.set(file, [...(shares.get(file) ?? []), alike]);
    }
  }
  console.log("| written in 8 bits as | same class as in 16, mean | least |\n|---|---:|---:|");
  for (const [file, values] of shares) {
    const mean = values.reduce((a, b) => a + b) / values.length;
    console.log(`| ${file.replace(/\.png$/, "")} | ${percent(mean, 1)} | ${percent(Math.min(...values), 1)} |`);
  }
}

await (options.same ? same() : cities());
await browser.close();
await site.close();
