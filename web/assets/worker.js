// Starts one of the two worker bundles: `worker.js?bundle=solstice-cpu`. A failure becomes a message, not silence.
const bundle = new URL(import.meta.url).searchParams.get("bundle");

function crashed(reason) {
  const message = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
  postMessage({ head: JSON.stringify({ kind: "crashed", message }), buffers: [] });
}

addEventListener("error", (event) => crashed(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => crashed(event.reason));

try {
  if (bundle !== "solstice-cpu" && bundle !== "solstice-gpu") {
    throw new Error(`no such bundle: ${bundle}`);
  }
  const { default: init } = await import(`./${bundle}.js`);
  await init({ module_or_path: new URL(`./${bundle}_bg.wasm`, import.meta.url) });
} catch (error) {
  crashed(error);
}
