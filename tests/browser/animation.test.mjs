// A place as an animation: the browser's own decoder finds every date in it, for as long as said, with the colours of its picture.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST, deployed } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { SeasonsPage } from "./seasons-page.mjs";
import { serve } from "./serve.mjs";

const { places } = JSON.parse(await readFile(deployed("seasons/index.json"), "utf8"));
const place = places.find(({ name }) => name === "Kazakh steppe");

let site, browser, view;

before(async () => {
  site = await serve(DIST);
  browser = await launch();
  view = new SeasonsPage(await browser.context.newPage());
  await view.open(site.url, `#/seasons?place=${place.id}`);
  await view.page.getByRole("heading", { name: place.name }).waitFor();
});

after(async () => {
  await browser?.close();
  await site?.close();
});

test("every date is a frame, 0.7 s long, for ever, in its picture's colours", async () => {
  const button = view.page.getByRole("button", { name: "Download animation (GIF)" });
  const [download] = await Promise.all([view.page.waitForEvent("download"), button.click()]);
  assert.equal(download.suggestedFilename(), `${place.id}.gif`);
  const file = await readFile(await download.path());
  const pictures = place.dates.map((date) => `seasons/${place.id}/${date}.jpg`);
  const frames = await view.page.evaluate(
    async ([base64, pictures]) => {
      const data = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const decoder = new ImageDecoder({ type: "image/gif", data });
      await decoder.tracks.ready;
      await decoder.completed;
      const { frameCount, repetitionCount } = decoder.tracks.selectedTrack;
      const pixels = (source, width, height) => {
        const canvas = new OffscreenCanvas(width, height).getContext("2d");
        canvas.imageSmoothingEnabled = false;
        canvas.drawImage(source, 0, 0, width, height);
        return canvas.getImageData(0, 0, width, height).data;
      };
      const found = [];
      for (let at = 0; at < frameCount; at += 1) {
        const { image } = await decoder.decode({ frameIndex: at });
        const [width, height] = [image.displayWidth, image.displayHeight];
        const frame = pixels(image, width, height);
        // Of every date's picture, how far this frame is from it, above the date's name.
        const far = [];
        for (const address of pictures) {
          const picture = pixels(await createImageBitmap(await (await fetch(address)).blob()), width, height);
          const end = width * Math.floor(height * 0.85) * 4;
          let sum = 0;
          for (let i = 0; i < end; i += 1) sum += Math.abs(frame[i] - picture[i]);
          far.push(sum / end);
        }
        found.push({ width, height, ms: image.duration / 1000, far });
      }
      return { repetitionCount, found };
    },
    [file.toString("base64"), pictures],
  );
  assert.equal(frames.repetitionCount === Infinity || frames.repetitionCount === 0, true, `${frames.repetitionCount} times`);
  assert.equal(frames.found.length, place.dates.length);
  frames.found.forEach(({ width, height, ms, far }, at) => {
    assert.ok(Math.max(width, height) <= 480 && Math.max(width, height) > 240, `${width} × ${height}`);
    assert.equal(ms, 700);
    assert.ok(far[at] < 4, `${place.dates[at]}: ${far[at]} levels of 255`);
    assert.equal(far.indexOf(Math.min(...far)), at, `frame ${at}`);
  });
  await view.page.getByText("The animation was saved.").waitFor();
  assert.deepEqual(view.errors, []);
  for (const scheme of ["light", "dark"]) {
    await view.page.emulateMedia({ colorScheme: scheme });
    await keep(view.page, "season-animation", scheme);
  }
});
