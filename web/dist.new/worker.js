// Starts one of the worker bundles: `worker.js?bundle=solstice-cpu`. A failure becomes a message, not silence. With
// `&module=posted` the page posts the program that another worker has compiled: nothing is fetched or compiled twice.
// `reader.js` imports this file without a query: the worker's own address has it then.
const { searchParams } = new URL(import.meta.url.includes("?") ? import.meta.url : location.href);
const bundle = searchParams.get("bundle");
const posted = new Promise((resolve) => {
  // Listens before anything is waited for: what comes earlier would be lost.
  addEventListener("message", ({ data }) => resolve(data.module), { once: true });
});

const say = (head, more = {}) => postMessage({ head: JSON.stringify(head), buffers: [], ...more });

function crashed(reason) {
  const message = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
  say({ crashed: { message } });
}

addEventListener("error", (event) => crashed(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => crashed(event.reason));

/** The program, compiled while it arrives; the page hears how many bytes have come. */
async function program(file) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`the server answered ${response.status} for ${file}`);
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("text/")) throw new Error(`the server sent ${type} in place of ${file}`);
  let received = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      received += chunk.byteLength;
      say({ fetching: { received } });
      controller.enqueue(chunk);
    },
  });
  const body = new Response(response.body.pipeThrough(counter), { headers: { "content-type": "application/wasm" } });
  const module = await WebAssembly.compileStreaming(body);
  say("compiled", { module });
  return module;
}

try {
  if (!/^solstice-(cpu|cpu-relaxed|gpu)$/.test(bundle)) {
    throw new Error(`no such bundle: ${bundle}`);
  }
  const module = searchParams.get("module") === "posted" ? posted : program(`${bundle}_bg.wasm`);
  const [{ default: init }, wasm] = await Promise.all([import(`./${bundle}.js`), module]);
  await init({ module_or_path: wasm });
} catch (error) {
  crashed(error);
}
