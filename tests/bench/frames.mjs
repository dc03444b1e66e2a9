// How long the Explore page takes to draw made-up galleries of many tiles: medians over a drag, and what opening them costs.
//
// `node tests/bench/frames.mjs [--counts 27000,100000,400000,1000000] [--dots canvas|webgl] [--json FILE]`; needs a built page
// (`trunk build`). With WebGL the milliseconds are the page's own, what it keeps the processor from; on a machine without a
// graphics card the drawing itself is done by the processor too, in Chromium's other process, and shows in the frames a second.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";

import { DIST } from "../browser/built.mjs";
import { launch } from "../browser/chromium.mjs";
import { ExplorePage } from "../browser/explore-page.mjs";
import { madeUpGallery } from "../browser/gallery-file.mjs";
import { serve } from "../browser/serve.mjs";

const option = (name, fallback) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : fallback);
const counts = option("--counts", "27000,100000,400000,1000000").split(",").map(Number);
const dots = option("--dots", "canvas");
const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u2009");

const site = await serve(DIST);
const browser = await launch({ webgl: dots === "webgl" });
const rows = [];
console.log("| tiles | until it is on the map (s) | dragging, all in view (ms a frame) | frames a second | zooming (ms a frame) | dragging, 8 × nearer (ms a frame) |");
console.log("|---:|---:|---:|---:|---:|---:|");
try {
  for (const count of counts) {
    const view = new ExplorePage(await browser.context.newPage());
    await view.openMap(site.url, `dots=${dots}`);
    // Two values a tile: the map is what is measured, not the search.
    const buffer = madeUpGallery({ count, width: 2, classes: 12, noise: 0.9 });
    // Handed over in the page: a browser's file dialogue takes 50 MB from a test.
    const url = await serveOnce(buffer);
    const started = performance.now();
    await view.page.evaluate(async (url) => {
      const bytes = await (await fetch(url)).arrayBuffer();
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "gallery.safetensors"));
      dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
    }, url);
    const refusal = view.alert.innerText({ timeout: 120_000 }).then((text) => text.replace(/\s+/g, " ").trim());
    const why = await Promise.race([view.waitForTiles(`${grouped(count)} tiles.`).then(() => null), refusal]);
    refusal.catch(() => {}); // nobody waits for it any more
    if (why) {
      rows.push({ count, refused: why });
      console.log(`| ${grouped(count)} | not opened: ${why} | | | | |`);
      await view.page.close();
      continue;
    }
    const opened = (performance.now() - started) / 1000;
    const box = await view.map.boundingBox();
    const middle = [box.x + box.width / 2, box.y + box.height / 2];
    const far = await view.drawingTime(middle, [90, 60]);
    const rate = await framesASecond(view);
    const zooming = await wheel(view, middle);
    const near = await view.drawingTime(middle, [90, 60]);
    rows.push({ count, opened_s: opened, drag_ms: far, frames_a_second: rate, zoom_ms: zooming, drag_near_ms: near });
    console.log(`| ${grouped(count)} | ${opened.toFixed(1)} | ${far.toFixed(1)} | ${rate.toFixed(0)} | ${zooming.toFixed(1)} | ${near.toFixed(1)} |`);
    await view.page.close();
  }
} finally {
  const version = browser.context.browser()?.version();
  const machine = `${cpus().length} × ${cpus()[0].model}, Chromium ${version ?? ""}`.trim();
  console.log(`\n${machine}, no graphics card`);
  const file = option("--json");
  if (file) writeFileSync(file, `${JSON.stringify({ machine, dots, rows }, null, 1)}\n`);
  await browser.close();
  await site.close();
}

/** Puts bytes where the page may fetch them: below its own address. */
async function serveOnce(bytes) {
  const path = `${site.url}made-up-gallery-${bytes.length}`;
  await browser.context.route(path, (route) => route.fulfill({ body: bytes, contentType: "application/octet-stream" }));
  return path;
}

/** Frames a second while the map is dragged to and fro, one movement a frame: at most the screen's own rate. */
function framesASecond(view, seconds = 3) {
  return view.map.evaluate(
    (canvas, seconds) =>
      new Promise((resolve) => {
        const box = canvas.getBoundingClientRect();
        const send = (kind, shift) => {
          const place = { clientX: box.x + box.width / 2 + shift, clientY: box.y + box.height / 2 };
          canvas.dispatchEvent(new PointerEvent(kind, { ...place, pointerId: 1, button: 0, bubbles: true }));
        };
        send("pointerdown", 0);
        const started = performance.now();
        let frames = 0;
        const step = (now) => {
          if (now - started > seconds * 1000) {
            send("pointerup", 0);
            return resolve((frames * 1000) / (now - started));
          }
          frames += 1;
          send("pointermove", 60 * Math.sin(frames / 10));
          requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
      }),
    seconds,
  );
}

/** Milliseconds of drawing a frame, the median over steps of the wheel from ×1 to ×8. */
function wheel(view, [x, y], steps = 24) {
  return view.medianCost("wheel", async () => {
    await view.page.mouse.move(x, y);
    for (let step = 0; step < steps; step += 1) {
      await view.page.mouse.wheel(0, -60);
      await view.page.waitForTimeout(30);
    }
  });
}
