// Milliseconds a tile in the browser: our workers beside onnxruntime-web with the same network, in the same Chromium.
//
//   node tests/bench/browser.mjs --onnx FILE [--model FILE] [--webgpu] [--seconds 5] [--batches 1,8,32] [--shared 256]
//
// `trainer export --onnx` writes both files of one network; without `--model` ours is the shipped one.
// Ours is the worker's own figure: preprocessing, forward pass and read-back, without decoding. onnxruntime-web gets
// ready-made input tensors: forward pass and read-back alone. A second table has a batch of `--shared` tiles, by the clock
// on the wall: ours spread over workers as the page does it, decoding and answers included; onnxruntime-web in runs of 32
// (its best), with as many threads. `--webgpu` adds the WebGPU rows; on a machine without
// a graphics card they run on SwiftShader, which says nothing about speed.
import { existsSync } from "node:fs";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const HERE = dirname(fileURLToPath(import.meta.url));
const BROWSER = join(HERE, "../browser");
const { DIST, OUT, deployed, expected, model } = await import(join(BROWSER, "built.mjs"));
const { launch } = await import(join(BROWSER, "chromium.mjs"));
const { serve } = await import(join(BROWSER, "serve.mjs"));

const { values: options } = parseArgs({
  options: {
    onnx: { type: "string" },
    model: { type: "string" },
    webgpu: { type: "boolean", default: false },
    seconds: { type: "string", default: "5" },
    batches: { type: "string", default: "1,8,32" },
    px: { type: "string", default: "64" },
    shared: { type: "string", default: "256" },
  },
});
const seconds = Number(options.seconds);
const batches = options.batches.split(",").map(Number);
const shared = Number(options.shared);

/** Runs in the page first: `startWorker`, by which the others start and ask one of our workers the way the app does. */
function defineWorker() {
  window.startWorker = async (bundle, model, isTimed) => {
    const worker = new Worker(`/app/worker.js?bundle=${bundle}`, { type: "module" });
    const waiting = new Map();
    const failAll = (why) => waiting.forEach(({ reject }) => reject(new Error(why)));
    worker.onerror = ({ message }) => failAll(message);
    worker.onmessage = ({ data }) => {
      const head = JSON.parse(data.head);
      const [kind, message] = typeof head === "string" ? [head, {}] : Object.entries(head)[0];
      if (["classified", "undecodable"].includes(kind)) return;
      if (kind === "crashed") return failAll(message.message);
      const waits = waiting.get(message.request ?? kind);
      waiting.delete(message.request ?? kind);
      if (kind !== "refused") return waits?.resolve(message);
      const why = `${message.problem.what}: ${message.problem.why}`;
      // A refusal of nobody's request is of one that was not understood.
      return waits ? waits.reject(new Error(why)) : failAll(why);
    };
    let request = 0;
    const answerTo = (key) => new Promise((resolve, reject) => waiting.set(key, { resolve, reject }));
    const ask = (kind, head, buffers) => {
      const answer = answerTo((request += 1));
      worker.postMessage({ head: JSON.stringify({ [kind]: { ...head, request } }), buffers }, buffers);
      return answer;
    };
    const reading = { planes: null, offset: "auto", stretch: "auto" };
    const classify = (buffers) =>
      ask("classify", { names: buffers.map((_, index) => `${index}.jpg`), neighbours: 0, reading }, buffers);
    await answerTo("hello");
    const loaded = await ask("load", { is_timed: isTimed }, [model]);
    return { classify, loaded, stop: () => worker.terminate() };
  };
}

/** Runs in the page: one of our workers. */
async function timeOurs({ bundle, modelPath, files, batches, seconds }) {
  const bytes = (path) => fetch(path).then((response) => response.arrayBuffer());
  const { classify, loaded, stop } = await window.startWorker(bundle, await bytes(modelPath), true);
  const tiles = await Promise.all(files.map(bytes));
  const results = {};
  for (const batch of batches) {
    const run = async () => {
      const buffers = Array.from({ length: batch }, (_, index) => tiles[index % tiles.length].slice(0));
      return (await classify(buffers)).encoder_ms / batch;
    };
    await run();
    const times = [];
    const end = performance.now() + seconds * 1000;
    while (times.length < 3 || performance.now() < end) times.push(await run());
    times.sort((a, b) => a - b);
    results[batch] = { median: times[Math.floor(times.length / 2)], best: times[0] };
  }
  stop();
  return { results, first: loaded.self_test.first_run_ms };
}

/** Runs in the page: a batch spread over several of our workers, as `session/crew.rs` does it. */
async function timeOursShared({ modelPath, files, shared, workers, seconds }) {
  const bytes = (path) => fetch(path).then((response) => response.arrayBuffer());
  const [model, tiles] = [await bytes(modelPath), await Promise.all(files.map(bytes))];
  const start = () => window.startWorker("solstice-cpu-relaxed", model.slice(0), false);
  const crew = await Promise.all(Array.from({ length: workers }, start));
  const run = async () => {
    const started = performance.now();
    let next = 0;
    const lane = async ({ classify }) => {
      while (next < shared) {
        const size = workers === 1 ? 32 : Math.min(32, Math.max(8, Math.ceil((shared - next) / (2 * workers) / 8) * 8));
        const buffers = Array.from({ length: Math.min(size, shared - next) }, (_, i) => tiles[(next + i) % tiles.length].slice(0));
        next += buffers.length;
        await classify(buffers);
      }
    };
    // Two slabs in hand each: one is computed while the next is on its way.
    await Promise.all([...crew, ...crew].map(lane));
    return (performance.now() - started) / shared;
  };
  await run();
  const times = [];
  const end = performance.now() + seconds * 1000;
  while (times.length < 3 || performance.now() < end) times.push(await run());
  crew.forEach(({ stop }) => stop());
  times.sort((a, b) => a - b);
  return { median: times[Math.floor(times.length / 2)], best: times[0] };
}

/** Runs in the page: onnxruntime-web, a batch in runs of 32. */
async function timeOnnxShared({ threads, onnxPath, px, shared, seconds }) {
  const ort = await import("/ort/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = "/ort/";
  const session = await ort.InferenceSession.create(onnxPath, { executionProviders: ["wasm"] });
  const values = Float32Array.from({ length: 32 * 3 * px * px }, (_, index) => ((index * 37) % 255) / 127 - 1);
  const run = async () => {
    const started = performance.now();
    for (let done = 0; done < shared; done += 32) {
      const size = Math.min(32, shared - done);
      const input = new ort.Tensor("float32", values.subarray(0, size * 3 * px * px), [size, 3, px, px]);
      await (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]].getData();
    }
    return (performance.now() - started) / shared;
  };
  await run();
  const times = [];
  const end = performance.now() + seconds * 1000;
  while (times.length < 3 || performance.now() < end) times.push(await run());
  await session.release();
  times.sort((a, b) => a - b);
  return { median: times[Math.floor(times.length / 2)], best: times[0] };
}

/** Runs in the page: onnxruntime-web. */
async function timeOnnx({ provider, threads, onnxPath, px, batches, seconds }) {
  const ort = await import(provider === "webgpu" ? "/ort/ort.webgpu.min.mjs" : "/ort/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = "/ort/";
  const session = await ort.InferenceSession.create(onnxPath, { executionProviders: [provider] });
  const results = {};
  let first;
  for (const batch of batches) {
    const values = Float32Array.from({ length: batch * 3 * px * px }, (_, index) => ((index * 37) % 255) / 127 - 1);
    const run = async () => {
      const started = performance.now();
      const input = new ort.Tensor("float32", values, [batch, 3, px, px]);
      const output = (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]];
      await output.getData();
      return (performance.now() - started) / batch;
    };
    const opening = await run();
    first ??= opening * batch;
    const times = [];
    const end = performance.now() + seconds * 1000;
    while (times.length < 3 || performance.now() < end) times.push(await run());
    times.sort((a, b) => a - b);
    results[batch] = { median: times[Math.floor(times.length / 2)], best: times[0] };
  }
  await session.release();
  return { results, first };
}

async function inFreshPage(isolated, webgpu, task, argument) {
  const site = await serve(HERE, {
    isolated,
    extra: {
      "/app/": DIST,
      "/ort/": join(BROWSER, "node_modules/onnxruntime-web/dist"),
      "/onnx/": options.onnx ? dirname(resolve(options.onnx)) : HERE,
      "/model/": options.model ? dirname(resolve(options.model)) : HERE,
    },
  });
  const browser = await launch({ webgpu });
  try {
    const page = await browser.context.newPage();
    page.setDefaultTimeout(0);
    await page.goto(`${site.url}blank.html`);
    await page.evaluate(defineWorker);
    return await page.evaluate(task, argument);
  } finally {
    await browser.close();
    await site.close();
  }
}

const size = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

async function sizes() {
  const rows = [];
  for (const name of (await readdir(DIST)).filter((name) => /\.(wasm|js|css|html)$/.test(name)).sort()) {
    const bytes = await readFile(join(DIST, name));
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
    rows.push({ name, raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli.length });
  }
  return rows;
}

const ours = (bundle, webgpu) => [
  false,
  webgpu,
  timeOurs,
  {
    bundle,
    modelPath: options.model ? `/model/${basename(options.model)}` : `/app/models/${model.file}`,
    files: expected.tiles.map(({ file }) => `/app/${file}`),
    batches,
    seconds,
  },
];
const onnx = (provider, threads, webgpu) => [
  threads > 1,
  webgpu,
  timeOnnx,
  { provider, threads, onnxPath: `/onnx/${basename(options.onnx ?? "")}`, px: Number(options.px), batches, seconds },
];

const engines = [
  ["Solstice, CPU worker, 1 thread", ours("solstice-cpu-relaxed", false)],
  ["the same, for browsers without relaxed SIMD", ours("solstice-cpu", false)],
];
const hasOnnx = options.onnx !== undefined && existsSync(options.onnx);
if (hasOnnx) {
  engines.push(["onnxruntime-web wasm, 1 thread", onnx("wasm", 1, false)]);
  engines.push(["onnxruntime-web wasm, 2 threads (COOP/COEP)", onnx("wasm", 2, false)]);
} else {
  console.error("no ONNX file given: ours alone is measured\nhint: --onnx FILE, as `trainer export` writes it");
}
if (options.webgpu) {
  engines.push(["Solstice, WebGPU worker", ours("solstice-gpu", true)]);
  if (hasOnnx) engines.push(["onnxruntime-web WebGPU", onnx("webgpu", 1, true)]);
}

const sharing = [];
for (const count of [1, 2]) {
  const files = expected.tiles.map(({ file }) => `/app/${file}`);
  const modelPath = options.model ? `/model/${basename(options.model)}` : `/app/models/${model.file}`;
  const ours = { modelPath, files, shared, workers: count, seconds };
  sharing.push([`Solstice, ${count} CPU worker${count > 1 ? "s" : ""}`, [false, false, timeOursShared, ours]]);
  if (hasOnnx) {
    const onnx = { threads: count, onnxPath: `/onnx/${basename(options.onnx)}`, px: Number(options.px), shared, seconds };
    const name = `onnxruntime-web wasm, ${count} thread${count > 1 ? "s (COOP/COEP)" : ""}`;
    sharing.push([name, [count > 1, false, timeOnnxShared, onnx]]);
  }
}

const report = { model: options.model ?? model.id, batches, shared, engines: {}, sharing: {}, sizes: await sizes() };
console.log(`| ms a tile, median (best) | ${batches.map((batch) => `N = ${batch}`).join(" | ")} | first run |`);
console.log(`|---|${"---|".repeat(batches.length + 1)}`);
for (const [name, job] of engines) {
  try {
    const { results, first } = await inFreshPage(...job);
    report.engines[name] = { results, first };
    console.log(`| ${name} | ${batches.map((batch) => `${results[batch].median.toFixed(2)} (${results[batch].best.toFixed(2)})`).join(" | ")} | ${first.toFixed(0)} |`);
  } catch (error) {
    report.engines[name] = { error: String(error) };
    console.log(`| ${name} | failed: ${String(error).split("\n")[0]} |`);
  }
}
console.log(`\n| batch of ${shared} tiles | ms a tile, median (best) |\n|---|---:|`);
for (const [name, job] of sharing) {
  try {
    const { median, best } = await inFreshPage(...job);
    report.sharing[name] = { median, best };
    console.log(`| ${name} | ${median.toFixed(2)} (${best.toFixed(2)}) |`);
  } catch (error) {
    report.sharing[name] = { error: String(error) };
    console.log(`| ${name} | failed: ${String(error).split("\n")[0]} |`);
  }
}
console.log("\n| file | raw | gzip | brotli |\n|---|---|---|---|");
for (const { name, raw, gzip, brotli } of report.sizes) {
  console.log(`| ${name} | ${size(raw)} | ${size(gzip)} | ${size(brotli)} |`);
}
const path = join(OUT, "../bench-browser.json");
await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
