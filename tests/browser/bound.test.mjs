// The promise that no picture leaves: the page's workers are asked to send something elsewhere, and cannot. The host sends
// no header for it, as most do not, and it is the first visit: no service worker is there.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { geotiff } from "./large-pictures.mjs";
import { serveFile } from "./range-server.mjs";
import { ScenePage } from "./scene-page.mjs";
import { serve } from "./serve.mjs";

const FILE = geotiff({
  width: 256, height: 256, bands: 3, names: ["B04", "B03", "B02"], block: [128, 128],
  sample: (x, y, band) => 400 + ((x >> 5) * 37 + (y >> 6) * 61 + band * 211) % 1500,
  geo: { origin: [600_000, 5_300_000], pixel: 10, epsg: 32_632 },
});

let site, other, browser, view;

before(async () => {
  // It would let every site read, and so send.
  [site, other] = [await serve(DIST), await serveFile(FILE)];
  browser = await launch();
  view = new ScenePage(await browser.context.newPage());
  await view.open(site.url, "#/classify?workers=2");
  await view.waitForDevice("CPU");
});

after(async () => {
  await browser?.close();
  await site?.close();
  await other?.close();
});

/** Tries all that a worker has: what came of each. */
const tries = (worker) =>
  worker.evaluate(async (address) => {
    const outcome = async (attempt) => {
      try {
        return `sent: ${await attempt()}`;
      } catch (error) {
        return error.name;
      }
    };
    return {
      fetch: await outcome(async () => (await fetch(address, { method: "POST", body: "a picture" })).status),
      request: await outcome(() => {
        const request = new XMLHttpRequest();
        request.open("GET", `${address}?picture`, false);
        request.send();
        return request.status;
      }),
      script: await outcome(() => import(`${address}?picture`)),
      // A worker of its own making is bound like its maker.
      nested: await outcome(
        () =>
          new Promise((resolve, reject) => {
            const code = `fetch(${JSON.stringify(address)}).then(() => postMessage("sent"), () => postMessage("refused"))`;
            const nested = new Worker(URL.createObjectURL(new Blob([code])));
            nested.onmessage = ({ data }) => (data === "sent" ? resolve(data) : reject(new TypeError(data)));
            nested.onerror = () => reject(new TypeError("not started"));
          }),
      ),
    };
  }, other.url);

test("a worker that sees the user's pictures cannot send them anywhere", async () => {
  await view.mapOf("mine.tif", FILE, "image/tiff");
  const workers = view.page.workers();
  assert.ok(workers.length >= 1);
  for (const worker of workers) {
    assert.deepEqual(await tries(worker), { fetch: "TypeError", request: "NetworkError", script: "TypeError", nested: "TypeError" });
  }
  assert.deepEqual(other.seen, [], "the other site has heard nothing");
});

test("an address is read by a worker of its own, which is gone when its picture is", async () => {
  const before = view.page.workers().length;
  await view.page.getByText("Or map a GeoTIFF on the web").click();
  await view.page.getByLabel("Address of a GeoTIFF").fill(other.url);
  await view.page.keyboard.press("Enter");
  await view.waitForMap("scene.tif");
  const readers = () => view.page.workers().filter((worker) => /\/reader\.js\?/.test(worker.url()));
  assert.equal(readers().length, 1);
  assert.equal(view.page.workers().length, before + 1);
  assert.ok(other.seen.length > 0);
  await view.card.getByRole("button", { name: "Clear" }).click();
  await view.page.waitForTimeout(500);
  assert.deepEqual([readers().length, view.page.workers().length], [0, before]);
});
