// What users bring and make is theirs: no sample takes its place, marks outlive a reload, what was forgotten comes back, and
// panels are as they were left.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { eurosatTiles } from "./eurosat.mjs";
import { LabelPage } from "./label-page.mjs";
import { serve } from "./serve.mjs";

const TILES = await eurosatTiles(12);
let site, browser, view;

before(async () => {
  site = await serve(DIST);
});

after(() => site?.close());

beforeEach(async () => {
  browser = await launch();
  view = new LabelPage(await browser.context.newPage());
});

afterEach(() => browser?.close());

const names = () => view.page.locator(".batch [data-position] .row-button").evaluateAll((buttons) => buttons.map((button) => button.innerText.trim()));

async function classified() {
  await view.page.getByText(`${TILES.length} classified`).waitFor({ timeout: 120_000 });
  await view.waitForPhase("ready");
}

test("the sample in the address does not take the place of own tiles, neither on coming back nor on a reload", async () => {
  const { samples } = await (await fetch(`${site.url}samples/index.json`)).json();
  await view.open(site.url, `#/classify?sample=${samples[0].file}`);
  await view.verdict(samples[0].file);
  await view.drop(...TILES);
  await classified();
  const own = await names();
  assert.equal(await view.page.evaluate(() => location.hash), "#/classify");
  await view.page.getByRole("link", { name: "Models" }).click();
  await view.page.goBack();
  await view.page.getByText("Or try one of these").waitFor();
  await view.page.waitForTimeout(500);
  assert.deepEqual(await names(), own);
  // A link with a sample, opened over own tiles.
  await view.page.evaluate((file) => (location.hash = `#/models?sample=${file}`), samples[1].file);
  await view.page.evaluate((file) => (location.hash = `#/classify?sample=${file}`), samples[1].file);
  await view.page.getByText("Or try one of these").waitFor();
  await view.page.waitForTimeout(500);
  assert.deepEqual(await names(), own);
  assert.deepEqual(view.errors, []);
});

test("marks are there again after a reload; forgetting can be undone, and is for good otherwise", async () => {
  await view.open(site.url);
  await view.waitForDevice("CPU");
  await view.drop(...TILES);
  await classified();
  await view.openPanel();
  await view.addClass("One");
  await view.addClass("Two");
  await view.mark("One", TILES.slice(0, 3).map(({ name }) => name));
  await view.mark("Two", TILES.slice(3, 6).map(({ name }) => name));
  await view.page.getByText("3 tiles marked as Two.").waitFor();
  await view.leftOut(6);
  await view.page.waitForTimeout(1000);
  await view.page.reload();
  await view.waitForDevice("CPU");
  await view.page.getByText("Label it yourself").click();
  await view.page.getByText("6 marked tiles of your last visit are here again.").waitFor();
  // The same tiles again are marked as they were.
  await view.drop(...TILES);
  await classified();
  assert.match(await view.tile(TILES[4].name).getAttribute("aria-label"), /, marked Two/);
  await view.page.getByRole("button", { name: "Forget all" }).click();
  await view.page.getByText("Everything was forgotten.").waitFor();
  await view.page.getByRole("button", { name: "Undo forgetting" }).click();
  await view.leftOut(6);
  await view.page.getByRole("button", { name: "Forget all" }).click();
  await view.page.waitForTimeout(1000);
  await view.page.reload();
  await view.waitForDevice("CPU");
  await view.page.getByText("Label it yourself").click();
  await view.page.getByText("Two classes or more are needed").waitFor();
  assert.deepEqual(view.errors, []);
});

test("single keys mark only when they are wanted, and never while somebody types", async () => {
  await view.open(site.url);
  await view.waitForDevice("CPU");
  await view.drop(...TILES);
  await classified();
  await view.openPanel();
  await view.addClass("One");
  await view.addClass("Two");
  await view.page.locator(".device-menu summary").click();
  await view.page.getByRole("combobox", { name: "Device" }).focus();
  await view.page.keyboard.press("1");
  assert.equal(await view.page.getByText("One tile marked as One.").count(), 0);
  await view.page.keyboard.press("Escape");
  const keys = view.page.getByRole("checkbox", { name: /^Keys 1 to 9 mark/ });
  await keys.uncheck();
  await view.page.keyboard.press("1");
  assert.equal(await view.page.getByText("One tile marked as One.").count(), 0);
  await keys.check();
  await view.page.keyboard.press("1");
  await view.page.getByText("One tile marked as One.").waitFor();
});

test("a panel that was open is open on return, and closes when it is closed; the window's title follows the page", async () => {
  await view.open(site.url, "#/explore");
  await view.waitForDevice("CPU");
  const panel = view.page.locator("details.audit");
  await panel.locator("summary").click();
  assert.equal(await panel.evaluate((panel) => panel.open), true);
  await view.page.getByRole("link", { name: "Seasons" }).click();
  await view.page.waitForFunction(() => document.title === "Seasons · Solstice");
  assert.equal(await view.page.evaluate(() => document.activeElement.id), "main", "the keyboard begins at the new page");
  await view.page.goBack();
  await panel.waitFor();
  await view.page.waitForFunction(() => document.querySelector("details.audit").open);
  await panel.locator("summary").click();
  assert.equal(await panel.evaluate((panel) => panel.open), false);
  await view.page.waitForTimeout(300);
  assert.equal(await panel.evaluate((panel) => panel.open), false, "and stays closed");
});
