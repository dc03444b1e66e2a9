// Starts the page's WASM, and says in words when that cannot be done.
const script = document.querySelector("script[data-module]");
const place = document.getElementById("boot");

function say(what, why, remedy) {
  const box = document.createElement("div");
  box.className = "problem";
  box.setAttribute("role", "alert");
  for (const [name, text] of [["what", what], ["why", why], ["remedy", remedy]]) {
    const line = document.createElement("p");
    line.className = `problem-${name}`;
    line.textContent = text;
    box.append(line);
  }
  place.hidden = false;
  place.replaceChildren(box);
}

addEventListener("solstice-panic", (event) => {
  say("The page ran into a bug", String(event.detail).split("\n")[0], "Reload the page. If it happens again, please report it.");
});

try {
  const { default: init } = await import(new URL(script.dataset.module, document.baseURI).href);
  await init({ module_or_path: new URL(script.dataset.wasm, document.baseURI) });
  place.hidden = true;
} catch (error) {
  if (error instanceof WebAssembly.CompileError || typeof WebAssembly !== "object") {
    say(
      "This browser cannot run Solstice",
      "It lacks WebAssembly with 128-bit vectors.",
      "Use Chrome or Edge 91, Firefox 89 or Safari 16.4, or a newer one.",
    );
  } else {
    say("The page could not be loaded", String(error), "Check the connection, then reload the page.");
  }
}
