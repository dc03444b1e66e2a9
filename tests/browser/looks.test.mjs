// Every state of the page at two widths, light and dark: kept as pictures for people, checked by axe for what a machine
// can see.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { keep as keepPictures } from "./appearance.mjs";
import { DIST, deployed, expected, model } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage } from "./classify-page.mjs";
import { serve } from "./serve.mjs";

for (const colorScheme of ["light", "dark"]) {
  describe(colorScheme, () => {
    let site, browser, view;

    before(async () => {
      site = await serve(DIST);
      browser = await launch({ colorScheme });
      view = new ClassifyPage(await browser.context.newPage());
    });

    after(async () => {
      await browser?.close();
      await site?.close();
    });

    const keep = (state) => keepPictures(view.page, state, colorScheme);

    test("downloading", async () => {
      // The model's answer is held back until the picture is taken.
      let release;
      const held = new Promise((resolve) => (release = resolve));
      await browser.context.route(new RegExp(`/models/${model.file}$`), async (route) => {
        await held;
        await route.continue();
      });
      await view.open(site.url);
      await view.waitForPhase("downloading");
      await keep("downloading");
      release();
      await view.waitForDevice("CPU");
      await browser.context.unroute(new RegExp(`/models/${model.file}$`));
    });

    test("ready", () => keep("ready"));

    test("device menu", async () => {
      const menu = view.page.locator(".device-menu summary");
      await menu.click();
      await keep("device-menu");
      await menu.click();
    });

    test("one tile", async () => {
      await view.drop(deployed(expected.tiles[0].file));
      await view.page.getByRole("img", { name: /similarity/ }).first().waitFor();
      await keep("one-tile");
    });

    test("model card", async () => {
      await view.page.getByText("About this model").click();
      await keep("model-card");
      await view.page.getByText("About this model").click();
    });

    test("several tiles", async () => {
      const files = expected.tiles.slice(0, 10).map((tile) => deployed(tile.file));
      await view.drop(...files, { name: "notes.png", type: "image/png", bytes: "no picture" });
      await view.page.getByText("1 not readable").waitFor();
      await view.page.getByRole("img", { name: /similarity/ }).first().waitFor();
      await keep("several-tiles");
    });

    test("a file that is no picture", async () => {
      await view.page.getByRole("button", { name: "notes.png" }).click();
      await view.page.getByRole("alert").waitFor();
      await keep("no-picture");
    });

    test("failed", async () => {
      await browser.context.route(/\/models\/index\.json$/, (route) => route.fulfill({ status: 404, body: "no" }));
      await view.page.reload();
      await view.waitForPhase("failed");
      await keep("failed");
    });
  });
}

test("the colour button goes through system, light and dark, and is remembered", async () => {
  const site = await serve(DIST);
  const browser = await launch({ colorScheme: "dark" });
  try {
    const page = await browser.context.newPage();
    await page.goto(site.url);
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const button = page.getByRole("button", { name: /^Colours/ });
    await button.waitFor();
    const dark = await ground();
    await button.click();
    const light = await ground();
    assert.notEqual(light, dark, "light looks different from the system's dark");
    await page.reload();
    await button.waitFor();
    assert.equal(await ground(), light, "the choice survives a reload");
    await button.click();
    assert.equal(await ground(), dark);
  } finally {
    await browser.close();
    await site.close();
  }
});
