// The Explore map's dots by WebGL, on a software graphics card, beside the page's own pixels, which share no code with it.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ExplorePage } from "./explore-page.mjs";
import { serve } from "./serve.mjs";

/** Runs in the page first: counts what WebGL draws, and keeps its contexts so that a test can take them away. */
function watchGraphics() {
  window.graphics = { drawn: 0, contexts: [] };
  const { drawArrays } = WebGL2RenderingContext.prototype;
  WebGL2RenderingContext.prototype.drawArrays = function (...parts) {
    window.graphics.drawn += 1;
    if (!window.graphics.contexts.includes(this)) window.graphics.contexts.push(this);
    return drawArrays.apply(this, parts);
  };
}

describe("the map on a graphics card", () => {
  let site;
  let browser;
  let view;
  before(async () => {
    site = await serve(DIST);
    browser = await launch({ webgl: true });
    await browser.context.addInitScript(watchGraphics);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });
  afterEach(() => view?.page.close());

  async function open(parameters) {
    view = new ExplorePage(await browser.context.newPage());
    await view.openMap(site.url, parameters);
  }
  const drawn = () => view.page.evaluate(() => window.graphics.drawn);
  /** The map's width and pixels, RGBA, after the next frame. */
  const pixels = () =>
    view.map.evaluate(
      (canvas) =>
        new Promise((resolve) =>
          requestAnimationFrame(() =>
            requestAnimationFrame(() => {
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              resolve({ width: canvas.width, data: [...data] });
            }),
          ),
        ),
    );
  const atCorner = async ([right, down]) => {
    const box = await view.map.boundingBox();
    return [box.x + box.width * right, box.y + box.height * down];
  };
  const selectMiddle = async () => {
    await view.tool("Rectangle");
    await view.drag(await atCorner([0.3, 0.3]), await atCorner([0.62, 0.7]));
    await view.page.mouse.move(5, 5);
  };

  /** Both pictures show the same: edges of dots may fall half a pixel apart, so it is means of small squares that agree. */
  function assertAlike({ width, data: found }, { width: expectedWidth, data: expected }) {
    assert.deepEqual([width, found.length], [expectedWidth, expected.length]);
    const side = 8;
    let squares = 0;
    let worst = 0;
    let total = 0;
    let contrast = 0;
    for (let start = 0; start + side * width * 4 <= found.length; start += side * width * 4) {
      for (let left = 0; left + side <= width; left += side) {
        const sums = [0, 0];
        let spread = 0;
        for (let row = 0; row < side; row += 1)
          for (let at = start + (row * width + left) * 4; at < start + (row * width + left + side) * 4; at += 1) {
            sums[0] += found[at];
            sums[1] += expected[at];
            spread += Math.abs(expected[at] - expected[at % 4]);
          }
        const difference = Math.abs(sums[0] - sums[1]) / (side * side * 3);
        worst = Math.max(worst, difference);
        total += difference;
        contrast += spread / (side * side * 3);
        squares += 1;
      }
    }
    assert.ok(contrast / squares > 1, "there are dots");
    assert.ok(total / squares < 0.2 * (contrast / squares), `mean difference ${total / squares} of ${contrast / squares}`);
    assert.ok(worst < 60, `worst square ${worst}`);
  }

  const seen = [
    ["all of it", "", async () => {}],
    ["near, some classes hidden", "view=0.1,-0.1,2.5&hide=0,3", async () => {}],
    ["with a selection, the other map, other colours", "map=pca&colour=confidence", selectMiddle],
  ];
  for (const [name, parameters, act] of seen) {
    test(`shows what the page's own pixels show: ${name}`, async () => {
      await open(`${parameters}&dots=canvas`);
      await act();
      const expected = await pixels();
      assert.equal(await drawn(), 0);
      await view.page.close();
      await open(`${parameters}&dots=webgl`);
      await act();
      assertAlike(await pixels(), expected);
      assert.ok((await drawn()) > 0, "WebGL has drawn");
    });
  }

  test("is followed by the mouse: a drag moves the same picture", async () => {
    const drag = async () => view.drag(await atCorner([0.5, 0.5]), await atCorner([0.6, 0.55]));
    await open("dots=canvas");
    await drag();
    const expected = await pixels();
    await view.page.close();
    await open("dots=webgl");
    const before = await drawn();
    await drag();
    assertAlike(await pixels(), expected);
    assert.ok((await drawn()) > before);
  });

  test("goes on without it when it is taken away", async () => {
    await open("dots=webgl");
    const expected = await pixels();
    await view.page.evaluate(() => window.graphics.contexts.forEach((gl) => gl.getExtension("WEBGL_lose_context").loseContext()));
    const box = await view.map.boundingBox();
    await view.map.focus();
    await view.page.keyboard.press("ArrowLeft");
    await view.page.keyboard.press("ArrowRight");
    await view.page.mouse.move(box.x - 5, box.y - 5);
    await view.map.evaluate((canvas) => canvas.blur());
    const before = await drawn();
    assertAlike(await pixels(), expected);
    await view.page.keyboard.press("Tab");
    assert.equal(await drawn(), before, "nobody asks the lost one");
  });

  test("is not asked for when the processor imitates it", async () => {
    await open("");
    await pixels();
    assert.equal(await drawn(), 0);
  });
});
