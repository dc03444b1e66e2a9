// Many tiles, again and again: memory stays what it was, the page stays smooth, and the table holds only what can be seen.
// (`tests/bench/soak.mjs` does the same with 5 000.)
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage, classLabel } from "./classify-page.mjs";
import { eurosatTiles } from "./eurosat.mjs";
import { memoryOf, watchFrames } from "./memory.mjs";
import { serve } from "./serve.mjs";

const TILES = await eurosatTiles(600);

describe("600 tiles at once", () => {
  let site, browser, view;

  before(async () => {
    site = await serve(DIST);
    browser = await launch();
    view = new ClassifyPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    await view.waitForGallery();
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  const classifyAll = async (watch = async () => {}) => {
    const drop = await view.readyToDrop(view.page.getByText("Drop tiles here"), ...TILES);
    const watched = await watch(view.page);
    await drop();
    // An earlier round says the same until this one begins.
    await view.waitForPhase("running");
    await view.page.getByText("600 classified in").waitFor({ timeout: 240_000 });
    await view.waitForPhase("ready");
    return watched;
  };
  const frame = () => view.page.getByRole("region", { name: "Answers, one row for each tile" });
  const rows = () => frame().locator("tbody:not(.room) tr");

  test("the page stays smooth meanwhile", async (t) => {
    const frames = await classifyAll(watchFrames);
    const { median, p95, longest, longestTask } = await frames();
    t.diagnostic(`frames: median ${median.toFixed(0)} ms, 95 % under ${p95.toFixed(0)} ms, longest ${longest.toFixed(0)} ms; longest task ${longestTask.toFixed(0)} ms`);
    assert.ok(longestTask < 1000, `a task of the page took ${longestTask} ms`);
  });

  test("memory is flat over three rounds", async (t) => {
    const first = await memoryOf(view.page);
    for (let round = 0; round < 2; round += 1) await classifyAll();
    const last = await memoryOf(view.page);
    const say = ({ heap, workers }) => `${heap.toFixed(1)} MB of JavaScript, ${workers.toFixed(1)} MB of WebAssembly`;
    t.diagnostic(`after 600 tiles: ${say(first)}; after 1800: ${say(last)}`);
    assert.ok(last.heap < first.heap + 3, "the JavaScript heap has grown");
    assert.ok(last.workers <= first.workers * 1.1, "the workers' memory has grown");
    assert.deepEqual(view.errors, []);
  });

  test("the table holds the rows in view, all can be reached, and each stands at its place", async () => {
    assert.ok((await rows().count()) < 50, `${await rows().count()} rows`);
    assert.equal(await frame().getByRole("table").getAttribute("aria-rowcount"), "601");
    const answers = JSON.parse(await view.download("Download JSON")).tiles;
    await frame().evaluate((frame) => frame.scrollIntoView({ block: "center" }));
    for (const share of [0, 0.37, 1]) {
      await frame().evaluate((frame, share) => (frame.scrollTop = share * (frame.scrollHeight - frame.clientHeight)), share);
      await view.page.waitForTimeout(100);
      // What lies in the middle of the frame, by its place on the screen alone.
      const [text, expected] = await frame().evaluate((frame) => {
        const { left, top, height } = frame.getBoundingClientRect();
        const row = document.elementFromPoint(left + 60, top + height / 2).closest("tr");
        const head = frame.querySelector("thead").getBoundingClientRect().height;
        const offset = row.getBoundingClientRect().top - top - head + frame.scrollTop;
        return [row.innerText, Math.round(offset / row.getBoundingClientRect().height)];
      });
      assert.ok(text.includes(answers[expected].file), `row ${expected} is ${text}`);
      assert.ok(text.includes(classLabel(answers[expected].class)), text);
    }
    await frame().getByRole("button", { name: answers.at(-1).file }).waitFor();
    await keep(view.page, "many-tiles", "light");
  });

  test("sorted by probability, the most certain tile of all comes first; arrows go from row to row", async () => {
    const answers = JSON.parse(await view.download("Download JSON")).tiles;
    const button = frame().getByRole("button", { name: "Probability" });
    await button.click();
    await button.click();
    await frame().evaluate((frame) => (frame.scrollTop = 0));
    await view.page.waitForTimeout(100);
    const certain = answers.map((answer) => [Math.max(...answer.probabilities), answer.file]).sort(([a], [b]) => b - a);
    const ties = certain.filter(([share]) => share === certain[0][0]).map(([, file]) => file);
    const first = (await rows().first().getByRole("button").innerText()).trim();
    assert.ok(ties.includes(first), `${first} is none of ${ties}`);
    await rows().first().getByRole("button").focus();
    for (let step = 0; step < 25; step += 1) await view.page.keyboard.press("ArrowDown");
    const [position, isPressed] = await view.page.evaluate(() => {
      const button = document.activeElement;
      return [Number(button.closest("tr").dataset.position), button.getAttribute("aria-pressed")];
    });
    assert.equal(position, 25, "the focus has gone down 25 rows, past those that were there at first");
    assert.equal(isPressed, "true", "the tile is shown in detail");
    await frame().getByRole("button", { name: "Probability" }).click();
  });
});
