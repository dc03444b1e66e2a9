// The Models page: what it says of a model is what the file says; another model is proven, compared on the same tiles, used,
// and given up again. The second model is made here, with a linear head of its own, and computed once more by other code.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { after, before, describe, test } from "node:test";

import { keep } from "./appearance.mjs";
import { classify, readHead, variant } from "./artifact.mjs";
import { DIST, deployed, expected, model, models } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { classLabel } from "./classify-page.mjs";
import { ModelsPage } from "./models-page.mjs";
import { serve } from "./serve.mjs";

const shipped = await readFile(deployed(`models/${model.file}`));
const gallery = await readFile(deployed("gallery/gallery.safetensors"));
const first = readHead(shipped);
// It sees forest in the half of the samples in which the shipped model is least sure of something else.
const forest = first.manifest.classes.indexOf("Forest");
const samples = expected.tiles.filter(({ file }) => file.startsWith("samples/"));
const lead = ({ embedding }) => {
  const shares = classify(first, embedding);
  return (first.manifest.calibration_temperature ?? 1) * Math.log(Math.max(...shares) / Math.max(shares[forest], 1e-30));
};
const leads = samples.map(lead).filter((lead) => lead > 0).sort((a, b) => a - b);
const bias = first.manifest.classes.map((_, i) => (i === forest ? Math.round(leads[leads.length >> 1]) : 0));
const secondFile = variant(shipped, { name: "forester", licence: "CC0-1.0", metrics: [{ name: "made-up accuracy", value: 0.25, protocol: "said by a test" }] }, bias);
const second = readHead(secondFile);
const entry = { id: "forester", title: "Forester", file: "forester.safetensors", bytes: secondFile.length, sha256: createHash("sha256").update(secondFile).digest("hex") };

const files = samples.map(({ file }) => file);
const top = (head, embedding) => {
  const shares = classify(head, embedding);
  const share = Math.max(...shares);
  return { class: head.manifest.classes[shares.indexOf(share)], share };
};

/** A browser that finds both models, and a page in it. */
async function opened(hash = "") {
  const site = await serve(DIST);
  const browser = await launch();
  await browser.context.route(/models\/index\.json$/, (route) => route.fulfill({ json: { ...models, models: [...models.models, entry] } }));
  await browser.context.route(/models\/forester\.safetensors$/, (route) => route.fulfill({ contentType: "application/octet-stream", body: secondFile }));
  const view = new ModelsPage(await browser.context.newPage());
  await view.open(site.url, hash);
  const close = async () => {
    await browser.close();
    await site.close();
  };
  return { site, browser, view, close };
}

describe("models", () => {
  let view, site, close, embeddings;

  before(async () => {
    ({ view, site, close } = await opened());
    await view.waitForDevice("CPU");
    await view.drop(...files.map(deployed));
    await view.page.getByText(`${files.length} classified`).waitFor();
    await view.waitForPhase("ready");
    const { tiles } = JSON.parse(await view.download("Download JSON"));
    embeddings = Object.fromEntries(tiles.map(({ file, embedding }) => [file, embedding]));
    await view.go("Models");
  });

  after(() => close?.());

  test("the card says what the file says", async () => {
    const facts = await view.facts();
    const { manifest } = first;
    assert.equal(facts.Name, manifest.name);
    assert.equal(facts.Method, manifest.training.method);
    assert.equal(facts["Training data"], manifest.training.data);
    assert.match(facts.Training, new RegExp(`${manifest.training.epochs} epochs, ${manifest.training.steps} steps`));
    assert.equal(facts.File.replace(/\s/g, ""), `${(shipped.length / 1e6).toFixed(1)}MB(${shipped.length}bytes),format${manifest.format_version}`);
    assert.equal(facts.Bands, manifest.bands.join(" "));
    assert.equal(facts.Input, `${manifest.input_px} × ${manifest.input_px} px`);
    assert.equal(facts.Weights, "16-bit floats");
    assert.equal(facts.Licence, manifest.licence);
    assert.equal(facts.Checksum, manifest.sha256);
    assert.match(facts.Calibration, new RegExp(manifest.calibration_temperature.toFixed(3)));
    assert.equal(facts.Subspaces, manifest.subspaces.join(", ") || "none: a single space");
    assert.match(facts.Here, /its answer to the model's own test picture is right/);
    await view.inUse.getByText(/2.000 known tiles/).waitFor();
    const text = await view.inUse.innerText();
    for (const { name, value, protocol } of manifest.metrics) {
      assert.ok(text.includes(name) && text.includes(`${(value * 100).toFixed(1)} %`) && text.includes(protocol), name);
    }
    await keep(view.page, "models", "light");
    await view.page.emulateMedia({ colorScheme: "dark" });
    await keep(view.page, "models", "dark");
    await view.page.emulateMedia({ colorScheme: "light" });
  });

  test("two models side by side on the same tiles, differences first", async () => {
    await view.page.getByRole("button", { name: "Compare Forester with the model in use" }).click();
    const both = files.map((file) => ({ name: basename(file), first: top(first, embeddings[basename(file)]), second: top(second, embeddings[basename(file)]) }));
    const alike = both.filter((tile) => tile.first.class === tile.second.class);
    assert.ok(alike.length > 2 && alike.length < both.length - 2, "the second model is another one, but not quite another");
    await view.compared.getByText(`The same class for ${alike.length} of ${both.length} tiles`).waitFor();
    const rows = await view.rows();
    assert.equal(rows.length, both.length);
    const differing = both.length - alike.length;
    assert.deepEqual(rows.map(({ differs }) => differs), rows.map((_, i) => i < differing));
    for (const row of rows) {
      const tile = both.find(({ name }) => name === row.name);
      for (const side of ["first", "second"]) {
        const [, name, share] = row[side].match(/^(.*?) (> 99\.9|[\d.]+) %$/);
        assert.equal(name, classLabel(tile[side].class), row.name);
        // One decimal of a per cent is shown; weights are halves, sums are floats.
        if (!share.startsWith(">")) assert.ok(Math.abs(Number(share) - tile[side].share * 100) < 0.15, `${row.name}: ${share} is not ${tile[side].share}`);
      }
    }
    const sure = (row) => both.filter(({ name }) => name === row.name).map((tile) => tile.first.share * tile.second.share)[0];
    rows.slice(1, differing).forEach((row, i) => assert.ok(sure(row) <= sure(rows[i]) + 1e-4, "what both are sure of comes first"));
    assert.equal(await view.compared.getByText(/ a tile on CPU$/).count(), 2);
    await view.compared.getByText(/compact-s has embedded the gallery, and its places mean nothing to forester/).waitFor();
    const lines = (await view.download("Download comparison")).trim().split("\n");
    assert.equal(lines.length, 1 + both.length);
    assert.match(lines[1], /^.*,false,/);
    await keep(view.page, "models-compared", "light");
    await view.page.emulateMedia({ colorScheme: "dark" });
    await keep(view.page, "models-compared", "dark");
    await view.page.emulateMedia({ colorScheme: "light" });
  });

  test("used, it proves itself, answers the tiles on the page, and has no known tiles", async () => {
    await view.page.getByRole("button", { name: "Use this model" }).click();
    await view.inUse.getByText(second.manifest.sha256).waitFor();
    await view.waitForDevice("CPU");
    await view.inUse.getByText(/none\. .*mean nothing to it/).waitFor();
    assert.equal(await view.model(), "forester");
    await view.go("Classify");
    await view.page.getByText(`${files.length} classified`).waitFor();
    await view.page.getByText(/No gallery/).waitFor();
    assert.equal(await view.page.getByRole("img", { name: /similarity/ }).count(), 0);
    const { model, tiles } = JSON.parse(await view.download("Download JSON"));
    assert.equal(model, "forester");
    for (const { file, class: name, neighbours } of tiles) {
      assert.equal(name, top(second, embeddings[file]).class, file);
      assert.deepEqual(neighbours, []);
    }
    assert.equal(await view.model(), "forester", "the address keeps it on other pages");
    await view.go("Explore");
    await view.page.getByText("There is no map.").waitFor();
    await view.go("Seasons");
    await view.page.getByText("Area under the curve").waitFor({ timeout: 120_000 });
  });

  test("a reload keeps it, and one goes back", async () => {
    await view.page.reload();
    await view.waitForDevice("CPU");
    await view.go("Models");
    assert.equal((await view.facts()).Name, "forester");
    await view.page.getByRole("button", { name: "Use Compact S" }).click();
    await view.inUse.getByText(first.manifest.sha256).waitFor();
    await view.waitForDevice("CPU");
    assert.equal(await view.model(), null, "the page starts with it anyway");
    await view.go("Explore");
    await view.page.getByText(/2.000 tiles\./).waitFor();
  });

  test("what is kept is listed with its size, and cleared", async () => {
    await view.go("Models");
    const kept = view.page.getByRole("heading", { name: "Kept in this browser" }).locator("../..");
    await kept.getByText("models/forester.safetensors").waitFor();
    const list = await kept.getByRole("listitem").allInnerTexts();
    assert.ok(list.some((line) => line.includes(`models/${model.file}`) && line.includes(model.sha256.slice(0, 12)) && line.includes(`${(model.bytes / 1e6).toFixed(1)} MB`)), list.join("; "));
    assert.ok(list.some((line) => line.includes("gallery/gallery.safetensors")));
    await kept.getByRole("button", { name: "Clear" }).click();
    await kept.getByText("Nothing is kept").waitFor();
    const entries = async () => {
      const all = await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).length));
      return all.reduce((a, b) => a + b, 0);
    };
    assert.equal(await view.page.evaluate(entries), 0);
    const fetched = () => view.requests.filter((url) => url.endsWith(model.file)).length;
    const before = fetched();
    await view.page.reload();
    await view.waitForDevice("CPU");
    assert.equal(fetched(), before + 1);
    assert.deepEqual(view.errors, []);
  });
});

describe("a file of one's own", () => {
  let view, close;

  before(async () => {
    ({ view, close } = await opened("#/models"));
    await view.waitForDevice("CPU");
  });

  after(() => close?.());

  const flipped = Buffer.from(shipped);
  flipped[shipped.length - 100] ^= 1;
  for (const { name, bytes, says } of [
    { name: "diary.safetensors", bytes: "dear diary, today I saw a satellite", says: /not a safetensors file/ },
    { name: "empty.safetensors", bytes: "", says: /cut short: 0 of/ },
    { name: "cut.safetensors", bytes: shipped.subarray(0, 100_000), says: /cut short: 100000 of/ },
    { name: "flipped.safetensors", bytes: flipped, says: /checksum mismatch/ },
    { name: "later.safetensors", bytes: variant(shipped, { format_version: 99 }), says: /format 99 is from the future/ },
    { name: "gallery.safetensors", bytes: gallery, says: /without the manifest/ },
    { name: "contradiction.safetensors", bytes: variant(shipped, { embedding_width: 128 }), says: /contradictory manifest/ },
    { name: "unproven.safetensors", bytes: variant(shipped, { golden: null }), says: /no golden embedding/ },
  ]) {
    test(`${name} is refused with the reason, and the model in use stays`, async () => {
      await view.dropModel(name, bytes);
      const alert = view.page.getByRole("alert");
      await alert.getByText(says).waitFor();
      assert.match(await alert.innerText(), new RegExp(`^${name}`));
      assert.equal(await view.phase(), "ready");
      assert.equal((await view.facts()).Name, first.manifest.name);
    });
  }

  test("a good one is proven, shown, used and given up, and never leaves the page", async () => {
    const before = view.requests.length;
    await view.dropModel("mine.safetensors", secondFile);
    const facts = await view.facts(view.other);
    assert.equal(facts.Name, "forester");
    assert.match(facts.Here, /its answer to the model's own test picture is right/);
    assert.equal(await view.page.getByRole("alert").count(), 0, "the complaint about the last file is gone");
    await keep(view.page, "models-own-file", "light");
    await view.page.getByRole("button", { name: "Use this model" }).click();
    await view.inUse.getByText("mine.safetensors").waitFor();
    await view.waitForDevice("CPU");
    await view.page.getByText("Your own file, open in this page only").waitFor();
    assert.equal(await view.model(), null, "an address cannot name a file of the user's");
    const sent = view.requests.slice(before).filter((url) => /mine|forester/.test(url));
    assert.deepEqual(sent, []);
    await view.page.getByRole("button", { name: "Go back" }).click();
    await view.inUse.getByText(first.manifest.sha256).waitFor();
    await view.waitForDevice("CPU");
    assert.deepEqual(view.errors, []);
  });
});

describe("links", () => {
  test("a link opens its model; one to a model that is not there says so, and leads to those that are", async () => {
    const { view, close } = await opened("#/models?model=forester");
    try {
      await view.waitForDevice("CPU");
      assert.equal((await view.facts()).Name, "forester");
      await view.page.evaluate(() => (location.hash = "#/models?model=nobody"));
      await view.waitForPhase("failed");
      assert.match(await view.alert.innerText(), /no model “nobody” here[\s\S]*compact-s, forester[\s\S]*Models page/);
      await view.page.getByRole("button", { name: "Use Forester" }).click();
      await view.waitForDevice("CPU");
      assert.equal(await view.model(), "forester");
    } finally {
      await close();
    }
  });

  test("marked tiles are marked again for another model", async () => {
    const { view, close } = await opened();
    try {
      await view.waitForDevice("CPU");
      const tiles = files.slice(0, 8);
      await view.drop(...tiles.map(deployed));
      await view.page.getByText("8 classified").waitFor();
      await view.page.getByText("Label it yourself").click();
      for (const [name, from] of [["A", 0], ["B", 4]]) {
        await view.page.getByRole("textbox", { name: "Name of a new class" }).fill(name);
        await view.page.keyboard.press("Enter");
        for (const tile of tiles.slice(from, from + 3)) await view.page.getByRole("checkbox", { name: `Choose ${basename(tile)}` }).check();
        await view.page.getByRole("button", { name: `Mark as ${name}` }).click();
      }
      await view.page.getByText("Learned 2 classes from 6 tiles").waitFor();
      await view.page.evaluate(() => (location.hash = "#/classify?model=forester"));
      await view.page.getByText(/No gallery/).waitFor();
      await view.waitForDevice("CPU");
      await view.page.getByText("8 classified").waitFor();
      await view.page.getByText("Learned 2 classes from 6 tiles").waitFor();
      const labels = JSON.parse(await view.download("Save labels"));
      assert.equal(labels.model.name, "forester");
      assert.deepEqual(labels.examples.map(({ file, class: name }) => [file, name]), [0, 1, 2, 4, 5, 6].map((at) => [basename(tiles[at]), at < 4 ? "A" : "B"]));
      assert.deepEqual(view.errors, []);
    } finally {
      await close();
    }
  });
});
