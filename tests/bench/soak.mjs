// Thousands of tiles through Classify in one tab: memory after every round, errors, and how smooth the page was.
//
//   node tests/bench/soak.mjs [--tiles 5000] [--round 1000] [--workers 2]
//
// Rounds of `--round` tiles are dropped one after the other, until there were `--tiles`; then all at once. Memory is that
// of the JavaScript heap after a collection, of the workers' WebAssembly as the header says it, and of the renderer's
// process as Linux says it (resident; it holds the pictures and the page's own WebAssembly as well).
import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const BROWSER = join(dirname(fileURLToPath(import.meta.url)), "../browser");
const { DIST } = await import(join(BROWSER, "built.mjs"));
const { launch } = await import(join(BROWSER, "chromium.mjs"));
const { ClassifyPage } = await import(join(BROWSER, "classify-page.mjs"));
const { eurosatTiles } = await import(join(BROWSER, "eurosat.mjs"));
const { memoryOf, watchFrames } = await import(join(BROWSER, "memory.mjs"));
const { serve } = await import(join(BROWSER, "serve.mjs"));

const { values: options } = parseArgs({
  options: {
    tiles: { type: "string", default: "5000" },
    round: { type: "string", default: "1000" },
    workers: { type: "string" },
  },
});
const [total, round] = [Number(options.tiles), Number(options.round)];

/** Resident megabytes of the largest renderer below this process; undefined where there is no /proc. */
async function renderer() {
  try {
    const all = [];
    for (const id of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      try {
        const [command, status] = await Promise.all(["cmdline", "status"].map((file) => readFile(`/proc/${id}/${file}`, "utf8")));
        const number = (key) => Number(status.match(new RegExp(`^${key}:\\s+(\\d+)`, "m"))?.[1]);
        all.push({ id: Number(id), parent: number("PPid"), isRenderer: command.includes("--type=renderer"), resident: number("VmRSS") / 1000 });
      } catch {
        // It has ended meanwhile.
      }
    }
    const isOurs = (entry) => entry && (entry.id === process.pid || isOurs(all.find(({ id }) => id === entry.parent)));
    return Math.max(...all.filter((entry) => entry.isRenderer && isOurs(entry)).map(({ resident }) => resident));
  } catch {
    return undefined;
  }
}

const site = await serve(DIST);
const browser = await launch();
try {
  const view = new ClassifyPage(await browser.context.newPage());
  await view.open(site.url, options.workers ? `#/classify?workers=${options.workers}` : "");
  await view.waitForDevice("CPU");
  await view.waitForGallery();
  const classified = async (tiles) => {
    const drop = await view.readyToDrop(view.page.getByText("Drop tiles here"), ...tiles);
    const frames = await watchFrames(view.page);
    await drop();
    // An earlier round says the same until this one begins.
    await view.waitForPhase("running");
    await view.page.getByText(`${tiles.length} classified in`).waitFor({ timeout: 3_600_000 });
    await view.waitForPhase("ready", 3_600_000);
    const time = (await view.page.locator(".batch-summary").innerText()).replace(/^\d+ classified in /, "");
    return { time, ...(await frames()) };
  };
  console.log("| tiles so far | JavaScript heap, MB | workers' WebAssembly, MB | renderer, MB | 95 % of frames within, ms | longest task, ms | time |");
  console.log("|---:|---:|---:|---:|---:|---:|---|");
  const report = async (done, tiles) => {
    const { time, p95, longestTask } = await classified(tiles);
    const { heap, workers } = await memoryOf(view.page);
    const resident = (await renderer())?.toFixed(0) ?? "";
    console.log(`| ${done + tiles.length} | ${heap.toFixed(1)} | ${workers.toFixed(1)} | ${resident} | ${p95.toFixed(0)} | ${longestTask.toFixed(0)} | ${time} |`);
  };
  let done = 0;
  for (; done < total; done += round) await report(done, await eurosatTiles(Math.min(round, total - done)));
  await report(done, await eurosatTiles(total));
  console.log(view.errors.length === 0 ? "\nno uncaught error" : `\nerrors: ${view.errors.join("\n")}`);
  process.exitCode = view.errors.length === 0 ? 0 : 1;
} finally {
  await browser.close();
  await site.close();
}
