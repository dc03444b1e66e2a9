// Label it yourself: classes that the user names, learned in the page from marked tiles. What the page learns is learned
// once more by other code (label-maths.mjs), from the embeddings that the page exports.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST, expected as native } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { learn, leaveOneOut } from "./label-maths.mjs";
import { LabelPage } from "./label-page.mjs";
import { serve } from "./serve.mjs";
import { entries } from "./tar.mjs";

// What no model was taught: three classes across EuroSAT's ten.
const CLASSES = { Water: ["SeaLake", "River"], Built: ["Residential", "Industrial"], Green: ["Forest", "Pasture"] };
const NAMES = Object.keys(CLASSES);
const WIDTH = native.tiles[0].embedding.length;
const MARKED = 6; // of each class
const EACH = 8; // of each of EuroSAT's

const all = entries(await readFile(new URL("../../public/demo/eurosat.tar", import.meta.url)));
const files = Object.values(CLASSES)
  .flat()
  .flatMap((folder) => all.filter(({ name }) => name.startsWith(`${folder}/`)).slice(0, EACH))
  .map(({ name, bytes }) => ({ name: name.split("/")[1], type: "image/jpeg", bytes }));
const truth = (name) => NAMES.find((own) => CLASSES[own].some((folder) => name.startsWith(folder)));
/** The first tiles of each class, alternating between its two folders. */
const marked = (own) => CLASSES[own].flatMap((folder) => files.filter(({ name }) => name.startsWith(folder)).slice(0, MARKED / 2)).map(({ name }) => name);

/** The same own classes; a tile in another place of its batch may differ in the last bits. */
function assertSame(found, expected) {
  assert.deepEqual(found.map(({ file, own }) => [file, own.class]), expected.map(({ file, own }) => [file, own.class]));
  found.forEach(({ file, own }, i) => own.probabilities.forEach((share, k) => assert.ok(Math.abs(share - expected[i].own.probabilities[k]) < 1e-4, file)));
}

describe("own classes", () => {
  let site, browser, view, saved, before_reload, workers;

  before(async () => {
    site = await serve(DIST);
    browser = await launch();
    view = new LabelPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    await view.drop(...files);
    await view.page.getByText(`${files.length} classified`).waitFor({ timeout: 120_000 });
    await view.waitForPhase("ready");
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  test("what is missing is said, step by step", async () => {
    await view.openPanel();
    await view.page.getByText("Two classes or more are needed").waitFor();
    await view.addClass("Water");
    await view.page.getByText("One more class is missing").waitFor();
    await view.addClass(" water ");
    await view.page.getByRole("alert").filter({ hasText: "There is a class called “water” already." }).waitFor();
    await view.addClass("Built");
    await view.addClass("Green");
    await view.page.getByText("Mark more tiles of “Water” (0 tiles of at least 2), “Built”").waitFor();
    assert.equal(await view.page.getByRole("alert").count(), 0);
    await keep(view.page, "label-empty", "light");
  });

  test("marks by pointer: tiles on the sheet, then a class", async () => {
    workers = view.page.workers().length;
    await view.mark("Water", marked("Water"));
    await view.page.getByText(`${MARKED} tiles marked as Water.`).waitFor();
    assert.match(await view.tile(marked("Water")[0]).getAttribute("aria-label"), /, marked Water/);
    // Shift takes a row of them.
    const built = marked("Built");
    await view.tile(built[0]).click();
    await view.tile(built[2]).click({ modifiers: ["Shift"] });
    await view.page.getByText("3 tiles chosen.").waitFor();
    await view.mark("Built", built.slice(3));
    await view.page.getByText("6 tiles marked as Built.").waitFor();
  });

  test("marks by keyboard alone: arrows, space and a digit; and takes one away with 0", async () => {
    const green = marked("Green");
    const order = await view.sheet.getByRole("option").evaluateAll((tiles) => tiles.map((tile) => tile.getAttribute("aria-label").split(",")[0]));
    await view.tile(order[0]).focus();
    await view.page.keyboard.press("End");
    for (let at = order.length - 1; at > order.indexOf(green[0]); at -= 1) await view.page.keyboard.press("ArrowLeft");
    assert.equal(await view.page.evaluate(() => document.activeElement.getAttribute("aria-label").split(",")[0]), green[0]);
    await view.page.keyboard.press("Space");
    await view.page.keyboard.press("Shift+ArrowRight");
    await view.page.keyboard.press("Shift+ArrowRight");
    await view.page.getByText("3 tiles chosen.").waitFor();
    await view.page.keyboard.press("3");
    await view.page.getByText("3 tiles marked as Green.").waitFor();
    await view.page.keyboard.press("Space");
    await view.page.keyboard.press("0");
    await view.page.getByText("One tile not marked any more.").waitFor();
    await view.page.keyboard.press("Space");
    await view.page.keyboard.press("3");
    await view.page.getByText("One tile marked as Green.").waitFor();
  });

  test("marks what is ticked in the table", async () => {
    for (const name of marked("Green").slice(3)) await view.tick(name);
    await view.page.keyboard.press("3");
    await view.page.getByText("3 tiles marked as Green.").waitFor();
  });

  test("what is marked is learned in a worker that does nothing else", async () => {
    await view.leftOut(3 * MARKED);
    assert.equal(view.page.workers().length, workers + 1);
  });

  test("learned in under a second; probabilities are those of a slow descent", async () => {
    const { right, tiles } = await view.leftOut(3 * MARKED);
    const sentence = await view.page.getByText(/^Learned 3 classes from 18 tiles in/).innerText();
    const [, amount, unit] = sentence.match(/in ([\d.]+) (ms|s)\./);
    assert.ok(unit === "ms" && Number(amount) < 1000, sentence);
    console.log(`# ${sentence}`);

    const document = await view.answers();
    assert.deepEqual(document.own_classes, NAMES);
    const examples = document.tiles.filter(({ own }) => own.mark);
    assert.deepEqual(Object.fromEntries(examples.map(({ file, own }) => [file, own.mark])), Object.fromEntries(NAMES.flatMap((own) => marked(own).map((file) => [file, own]))));
    const [embeddings, labels] = [examples.map(({ embedding }) => embedding), examples.map(({ own }) => NAMES.indexOf(own.mark))];
    const probabilities = learn(embeddings, labels, NAMES.length);
    for (const { file, embedding, own } of document.tiles) {
      const expected = probabilities(embedding);
      // Both stop with slopes whose rest moves a probability by less than this.
      own.probabilities.forEach((share, k) => assert.ok(Math.abs(share - expected[k]) < 1e-3, `${file}: ${share} is not ${expected[k]}`));
      assert.equal(own.class, NAMES[own.probabilities.indexOf(Math.max(...own.probabilities))]);
    }
    // A head that is worth the trouble: well above one third, on tiles that it has not seen.
    const unseen = document.tiles.filter(({ own }) => !own.mark);
    const correct = unseen.filter(({ file, own }) => own.class === truth(file)).length;
    console.log(`# ${correct} of ${unseen.length} unseen tiles right, leave-one-out ${right} of ${tiles}`);
    assert.ok(correct / unseen.length > 0.7, `${correct} of ${unseen.length}`);
    assert.equal(right, leaveOneOut(embeddings, labels, NAMES.length));
  });

  test("the figure stands beside the majority's, and says what it is of", async () => {
    const text = await view.page.getByText("Always the most frequent class").locator("..").innerText();
    assert.match(text, /33\.3 % · 6 of 18/);
    await view.page.getByText("each of the 18 marked tiles was named by a head that had learned from all the others").waitFor();
    await keep(view.page, "label", "light");
    await view.page.emulateMedia({ colorScheme: "dark" });
    await keep(view.page, "label", "dark");
    await view.page.emulateMedia({ colorScheme: "light" });
  });

  test("table, answer and CSV carry the own classes; the model's are one click away", async () => {
    const { tiles } = await view.answers();
    const shown = async () => {
      const frame = view.page.getByRole("region", { name: /one row for each tile/ });
      await frame.evaluate((frame) => (frame.scrollTop = 0));
      return frame.getByRole("row").filter({ hasText: tiles[0].file }).getByRole("cell").first().innerText();
    };
    assert.match(await shown(), new RegExp(`^${tiles[0].own.class}`));
    await view.tile(tiles[9].file).click();
    await view.tile(tiles[9].file).click();
    const verdict = view.answer(tiles[9].file).locator(".verdict");
    assert.equal(await verdict.innerText(), tiles[9].own.class);
    await view.page.getByRole("button", { name: "The model's classes" }).click();
    assert.equal((await shown()).toLowerCase().replaceAll(" ", ""), tiles[0].class.toLowerCase());
    assert.notEqual(await verdict.innerText(), tiles[9].own.class);
    await view.page.getByRole("button", { name: "Your classes" }).click();
    const lines = (await view.download("Download CSV")).trim().split("\n");
    assert.match(lines[0], /,error,own_class,own_probability,own_mark$/);
    tiles.forEach((tile, i) => assert.ok(lines[i + 1].endsWith(`,${tile.own.class},${Math.max(...tile.own.probabilities).toFixed(4)},${tile.own.mark ?? ""}`), lines[i + 1]));
  });

  test("saved labels are read again after a reload, and say the same of the same tiles", async () => {
    before_reload = await view.answers();
    saved = await view.download("Save labels");
    const document = JSON.parse(saved);
    assert.equal(document.examples.length, 3 * MARKED);
    assert.equal(document.leave_one_out.tiles, 3 * MARKED);
    assert.equal(document.head.weight.length, 3);
    await view.page.reload();
    await view.waitForDevice("CPU");
    // As a file from the file manager, before there is any tile.
    await view.drop({ name: "solstice-labels.json", type: "application/json", bytes: saved });
    await view.page.getByText("3 classes and 18 marked tiles read from solstice-labels.json.").waitFor();
    await view.drop(...files);
    await view.page.getByText(`${files.length} classified`).waitFor({ timeout: 120_000 });
    await view.leftOut(18);
    const { tiles } = await view.answers();
    assertSame(tiles, before_reload.tiles);
    assert.deepEqual(tiles.map(({ own }) => own.mark), before_reload.tiles.map(({ own }) => own.mark));
  });

  test("a head without its tiles classifies too", async () => {
    await view.page.getByRole("button", { name: "Forget all" }).click();
    await view.page.getByText("Everything was forgotten.").waitFor();
    await view.loadLabels("head.json", JSON.stringify({ ...JSON.parse(saved), examples: [], leave_one_out: null }));
    await view.page.getByText("This head came without its tiles.").waitFor();
    const { tiles } = await view.answers();
    assertSame(tiles, before_reload.tiles);
  });

  const other = (change) => {
    const document = JSON.parse(saved);
    change(document);
    return JSON.stringify(document);
  };
  for (const { name, text, says } of [
    { name: "no JSON", text: () => "dear diary", says: /no JSON of labels/ },
    { name: "another kind of file", text: () => JSON.stringify(before_reload), says: /format “solstice-labels”/ },
    { name: "a later release", text: () => other((it) => (it.format_version = 2)), says: /version is 2; this page reads 1/ },
    { name: "another model", text: () => other((it) => (it.model.name = "resnet50")), says: /“resnet50”; “compact-s” is in use/ },
    { name: "another version of the model", text: () => other((it) => (it.model.sha256 = "0".repeat(64))), says: /another version of the model/ },
    { name: "a cut embedding", text: () => other((it) => it.examples[4].embedding.pop()), says: new RegExp(`has ${WIDTH - 1} numbers, not ${WIDTH}`) },
  ]) {
    test(`labels that are refused: ${name}`, async () => {
      await view.loadLabels("wrong.json", text());
      const alert = view.page.getByRole("alert");
      await alert.getByText(says).waitFor();
      await alert.getByText("The labels cannot be used").waitFor();
    });
  }

  test("a class can be renamed and taken away, and nothing went wrong unseen", async () => {
    await view.loadLabels("labels.json", saved);
    await view.page.getByRole("alert").waitFor({ state: "detached" });
    await view.page.getByRole("button", { name: "Rename class Green" }).click();
    await view.page.getByRole("textbox", { name: /now Green/ }).fill("Vegetation");
    await view.page.keyboard.press("Enter");
    await view.page.getByRole("button", { name: "Mark as Vegetation" }).waitFor();
    await view.page.getByRole("button", { name: "Remove class Water" }).click();
    await view.leftOut(12);
    assert.deepEqual((await view.answers()).own_classes, ["Built", "Vegetation"]);
    assert.deepEqual(view.errors, []);
  });
});

test("two hundred marks of ten classes are learned in under a second", async () => {
  const site = await serve(DIST);
  const browser = await launch();
  try {
    const view = new LabelPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    const folders = [...new Set(all.map(({ name }) => name.split("/")[0]))];
    const tiles = folders.flatMap((folder) => all.filter(({ name }) => name.startsWith(`${folder}/`)).slice(0, 20)).map(({ name, bytes }) => ({ name: name.split("/")[1], type: "image/jpeg", bytes }));
    await view.drop(...tiles);
    await view.page.getByText("200 classified").waitFor({ timeout: 180_000 });
    const { tiles: answers } = await view.answers();
    await view.openPanel();
    await view.addClass("x");
    const blank = JSON.parse(await view.download("Save labels"));
    const examples = answers.map(({ file, embedding }) => ({ file, class: file.split("_")[0], embedding }));
    const started = Date.now();
    await view.loadLabels("all.json", JSON.stringify({ ...blank, classes: folders, examples, head: null }));
    const sentence = await view.page.getByText(/^Learned 10 classes from 200 tiles in/).innerText();
    const { right } = await view.leftOut(200);
    console.log(`# ${sentence} Leave-one-out: ${right} of 200, there after ${Date.now() - started} ms`);
    assert.match(sentence, / ms\.$/);
    assert.ok(right > 100, `${right}`);
    assert.deepEqual(view.errors, []);
  } finally {
    await browser.close();
    await site.close();
  }
});
