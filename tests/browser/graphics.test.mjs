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
  /**
   * The map after the next frame: mean red, green and blue of every square of 8 pixels, since edges of dots may fall half
   * a pixel apart.
   */
  const squaresNow = () =>
    view.map.evaluate(
      (canvas) =>
        new Promise((resolve) => {
          const read = () => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const [across, down] = [width >> 3, height >> 3];
            const means = new Array(across * down * 3).fill(0);
            for (let y = 0; y < down << 3; y += 1)
              for (let x = 0; x < across << 3; x += 1)
                for (let part = 0; part < 3; part += 1)
                  means[((y >> 3) * across + (x >> 3)) * 3 + part] += data[(y * width + x) * 4 + part] / 64;
            resolve(means);
          };
          requestAnimationFrame(() => requestAnimationFrame(read));
        }),
    );
  /** The same once nothing comes any more: thumbnails take the place of dots as they arrive. */
  async function squares() {
    await view.page.waitForLoadState("networkidle");
    for (let last = await squaresNow(); ; ) {
      await view.page.waitForTimeout(250);
      const now = await squaresNow();
      if (now.every((value, at) => value === last[at])) return now;
      last = now;
    }
  }
  const atCorner = async ([right, down]) => {
    const box = await view.map.boundingBox();
    return [box.x + box.width * right, box.y + box.height * down];
  };
  const selectMiddle = async () => {
    await view.tool("Rectangle");
    await view.drag(await atCorner([0.3, 0.3]), await atCorner([0.62, 0.7]));
    await view.page.mouse.move(5, 5);
  };

  function assertAlike(found, expected) {
    assert.equal(found.length, expected.length);
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const differences = found.map((value, at) => Math.abs(value - expected[at]));
    // The first square is ground.
    const contrast = mean(expected.map((value, at) => Math.abs(value - expected[at % 3])));
    assert.ok(contrast > 1, "there are dots");
    assert.ok(mean(differences) < 0.2 * contrast, `mean difference ${mean(differences)} of ${contrast}`);
    assert.ok(Math.max(...differences) < 80, `worst square: ${Math.max(...differences)}`);
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
      const expected = await squares();
      assert.equal(await drawn(), 0);
      await view.page.close();
      await open(`${parameters}&dots=webgl`);
      await act();
      assertAlike(await squares(), expected);
      assert.ok((await drawn()) > 0, "WebGL has drawn");
    });
  }

  test("is followed by the mouse: a drag moves the same picture", async () => {
    const drag = async () => view.drag(await atCorner([0.5, 0.5]), await atCorner([0.6, 0.55]));
    await open("dots=canvas");
    await drag();
    const expected = await squares();
    await view.page.close();
    await open("dots=webgl");
    const before = await drawn();
    await drag();
    assertAlike(await squares(), expected);
    assert.ok((await drawn()) > before);
  });

  test("goes on without it when it is taken away", async () => {
    await open("dots=webgl");
    const expected = await squares();
    await view.page.evaluate(() => window.graphics.contexts.forEach((gl) => gl.getExtension("WEBGL_lose_context").loseContext()));
    const box = await view.map.boundingBox();
    await view.map.focus();
    await view.page.keyboard.press("ArrowLeft");
    await view.page.keyboard.press("ArrowRight");
    await view.page.mouse.move(box.x - 5, box.y - 5);
    await view.map.evaluate((canvas) => canvas.blur());
    const before = await drawn();
    assertAlike(await squares(), expected);
    await view.page.keyboard.press("Tab");
    assert.equal(await drawn(), before, "nobody asks the lost one");
  });

  test("is not asked for when the processor imitates it", async () => {
    await open("");
    await squares();
    assert.equal(await drawn(), 0);
  });
});
