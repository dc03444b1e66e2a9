// From the first request to the first classification, nothing cached: our page beside onnxruntime-web with the same network,
// in the same Chromium, the server throttled, everything but pictures sent as gzip.
//
//   node tests/bench/first.mjs --onnx FILE [--mbit 10] [--runs 3]
//
// Ours is the whole page, by a link to a sample; the clock stops when its classes stand on the page.
// onnxruntime-web gets an empty page: library, model (fetched at once, side by side) and one tile; the clock stops at its
// logits. `trainer export --onnx` writes the file; it should be the shipped model's.
import { dirname, basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const HERE = dirname(fileURLToPath(import.meta.url));
const BROWSER = join(HERE, "../browser");
const { DIST, expected } = await import(join(BROWSER, "built.mjs"));
const { ClassifyPage } = await import(join(BROWSER, "classify-page.mjs"));
const { launch } = await import(join(BROWSER, "chromium.mjs"));
const { serve } = await import(join(BROWSER, "serve.mjs"));

const { values: options } = parseArgs({
  options: { onnx: { type: "string" }, mbit: { type: "string", default: "10" }, runs: { type: "string", default: "3" } },
});
if (!options.onnx) {
  console.error("no ONNX file given\nhint: --onnx FILE, as `trainer export --onnx` writes it");
  process.exit(2);
}
const bytesPerSecond = (Number(options.mbit) * 1e6) / 8;
const SAMPLE = basename(expected.tiles.find(({ file }) => file.startsWith("samples/")).file);

/** Opens a page in a fresh profile; `task` returns the milliseconds from the start of the navigation. */
async function measure(site, path, task) {
  const browser = await launch();
  try {
    const page = await browser.context.newPage();
    page.setDefaultTimeout(180_000);
    const before = site.sent();
    await page.goto(`${site.url}${path}`, { waitUntil: "commit" });
    await task(page);
    const ms = await page.evaluate(() => performance.now());
    return { ms, bytes: site.sent() - before };
  } finally {
    await browser.close();
  }
}

async function ours(page) {
  await new ClassifyPage(page).answer(SAMPLE).getByRole("listitem").first().waitFor();
}

async function onnx(page) {
  await page.evaluate(
    async ({ onnxPath, tile }) => {
      const [ort, model, picture] = await Promise.all([
        import("/ort/ort.wasm.min.mjs"),
        fetch(onnxPath).then((response) => response.arrayBuffer()),
        fetch(tile).then((response) => response.blob()),
      ]);
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmPaths = "/ort/";
      const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
      const bitmap = await createImageBitmap(picture);
      const context = new OffscreenCanvas(64, 64).getContext("2d");
      context.drawImage(bitmap, 0, 0, 64, 64);
      const { data } = context.getImageData(0, 0, 64, 64);
      const values = Float32Array.from({ length: 3 * 64 * 64 }, (_, at) => data[(at % 4096) * 4 + Math.floor(at / 4096)] / 255);
      const outputs = await session.run({ tiles: new ort.Tensor("float32", values, [1, 3, 64, 64]) });
      await outputs[session.outputNames.at(-1)].getData();
    },
    { onnxPath: `/onnx/${basename(options.onnx)}`, tile: `/app/samples/${SAMPLE}` },
  );
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const rows = [
  ["Solstice, the whole page", DIST, `#/classify?sample=${SAMPLE}`, ours],
  ["onnxruntime-web, an empty page", HERE, "blank.html", onnx],
];
console.log(`| first classification at ${options.mbit} Mbit/s, median of ${options.runs} | seconds | MB received |\n|---|---:|---:|`);
for (const [name, folder, path, task] of rows) {
  const extra = { "/app/": DIST, "/ort/": join(BROWSER, "node_modules/onnxruntime-web/dist"), "/onnx/": dirname(resolve(options.onnx)) };
  const site = await serve(folder, { extra, compressed: true, bytesPerSecond });
  const found = [];
  for (let run = 0; run < Number(options.runs); run += 1) found.push(await measure(site, path, task));
  await site.close();
  const [ms, bytes] = [median(found.map(({ ms }) => ms)), median(found.map(({ bytes }) => bytes))];
  console.log(`| ${name} | ${(ms / 1000).toFixed(1)} | ${(bytes / 1e6).toFixed(1)} |`);
}
