// A project file: saved on one visit, opened on another; where one was, what was selected, wanted and marked is there again.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { eurosatTiles } from "./eurosat.mjs";
import { ExplorePage } from "./explore-page.mjs";
import { serve } from "./serve.mjs";

let site, browsers, first, second, tiles, saved, selected;

async function visit() {
  const browser = await launch();
  browsers.push(browser);
  return new ExplorePage(await browser.context.newPage());
}

before(async () => {
  site = await serve(DIST);
  browsers = [];
  first = await visit();
  tiles = await eurosatTiles(4);
  await first.open(site.url);
  await first.waitForDevice("CPU");
  await first.drop(...tiles);
  await first.page.getByText("4 classified").waitFor();
});

after(async () => {
  for (const browser of browsers) await browser.close();
  await site?.close();
});

const open = (view, text, name = "mine.json") =>
  view.page.getByLabel("Open project").setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
const own = (view, name) => view.page.getByRole("list", { name: "Your classes" }).getByRole("listitem").filter({ hasText: name });

test("what was marked, selected and looked at is in the file", async () => {
  const { page } = first;
  await page.getByText("Label it yourself").click();
  for (const [name, places] of [["Wet", [0, 1]], ["Dry", [2, 3]]]) {
    await page.getByRole("textbox", { name: "Name of a new class" }).fill(name);
    await page.keyboard.press("Enter");
    for (const at of places) await page.getByRole("option", { name: new RegExp(`^${tiles[at].name}`) }).click();
    await page.getByRole("button", { name: `Mark as ${name}` }).click();
  }
  await page.getByText(/^Learned 2 classes from 4 tiles/).waitFor();
  await page.getByRole("link", { name: "Explore" }).click();
  await first.waitForTiles();
  await first.colour.selectOption({ label: "Prediction" });
  await first.tool("Rectangle");
  const box = await first.map.boundingBox();
  await first.drag([box.x + box.width * 0.4, box.y + box.height * 0.4], [box.x + box.width * 0.6, box.y + box.height * 0.6]);
  await first.waitForTiles(/selected/);
  selected = await first.selected();
  assert.ok(selected.length > 5, `${selected.length} tiles`);
  await first.parameters();
  saved = await first.download("Save project");
  assert.doesNotMatch(saved, /data:image|base64/);
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await keep(page, "project-explore", scheme);
  }
});

test("another visit opens it: the same page, colour, selection and marks; pictures are asked for by name", async () => {
  second = await visit();
  await second.open(site.url, "#/models");
  await second.waitForDevice("CPU");
  await open(second, saved);
  await second.page.getByText(/^mine\.json is open\. Drop its 4 pictures again: /).waitFor();
  await second.waitForTiles(/selected/);
  assert.deepEqual(await second.selected(), selected);
  assert.deepEqual(await second.parameters(), await first.parameters());
  await second.page.getByRole("link", { name: "Classify" }).click();
  await own(second, "Wet").getByText("2 tiles").waitFor();
  await own(second, "Dry").getByText("2 tiles").waitFor();
  await second.drop(...tiles);
  await second.page.getByRole("option", { name: new RegExp(`^${tiles[3].name}, marked Dry`) }).waitFor();
  assert.equal(JSON.parse(await second.download("Save project")).labels, JSON.parse(saved).labels);
});

test("what is no project, or another model's, is said, and changes nothing", async () => {
  const card = (text) => second.page.getByRole("contentinfo").getByRole("alert").filter({ hasText: text });
  await open(second, '{"format":"solstice-labels"}');
  await card("It does not say that it is a project of this page.").waitFor();
  const other = JSON.parse(saved);
  Object.assign(other.model, { name: "another", sha256: "0".repeat(64), id: null });
  await open(second, JSON.stringify(other));
  await card("It was made with “another”").waitFor();
  await own(second, "Wet").getByText("2 tiles").waitFor();
  for (const scheme of ["light", "dark"]) {
    await second.page.emulateMedia({ colorScheme: scheme });
    await keep(second.page, "project-refused", scheme);
  }
  assert.deepEqual([...first.errors, ...second.errors], []);
});
