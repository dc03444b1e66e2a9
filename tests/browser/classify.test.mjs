// The main job in the browser, on both device paths: a real tile is dropped, the page names the class that the trainer
// names, its embedding is the trainer's, and nothing leaves the origin.
import assert from "node:assert/strict";
import { basename } from "node:path";
import { after, before, describe, test } from "node:test";

import { deployed, expected } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage, classLabel } from "./classify-page.mjs";
import { serve } from "./serve.mjs";
import { DIST } from "./built.mjs";

// f32 sums in another order: 1e-3 of the embedding's largest value, as the project promises.
const EMBEDDING_TOLERANCE = 1e-3;
const PROBABILITY_TOLERANCE = 5e-3;

function assertSameEmbedding(found, tile) {
  assert.equal(found.length, tile.embedding.length, "width of the embedding");
  const largest = Math.max(...tile.embedding.map(Math.abs));
  const difference = Math.max(...found.map((value, index) => Math.abs(value - tile.embedding[index])));
  assert.ok(
    difference <= EMBEDDING_TOLERANCE * Math.max(1, largest),
    `${tile.file}: embedding differs by ${difference} of at most ${largest}`,
  );
}

for (const { name, webgpu, label, hash, count, program } of [
  { name: "CPU path, no flag", webgpu: false, label: "CPU", hash: "", count: expected.tiles.length, program: "solstice-cpu-relaxed" },
  { name: "CPU path, without relaxed SIMD", webgpu: false, label: "CPU", hash: "", count: expected.tiles.length, program: "solstice-cpu" },
  // SwiftShader computes on the CPU what a graphics card would: seconds a tile, so fewer tiles.
  { name: "WebGPU path, SwiftShader", webgpu: true, label: "WebGPU", hash: "#/classify?device=webgpu", count: 3, program: "solstice-gpu" },
]) {
  describe(name, () => {
    let site, browser, view;

    before(async () => {
      site = await serve(DIST);
      browser = await launch({ webgpu });
      view = new ClassifyPage(await browser.context.newPage());
      // As a browser answers that does not know these instructions.
      if (program === "solstice-cpu") await view.page.addInitScript(() => (WebAssembly.validate = () => false));
      await view.open(site.url, hash);
    });

    after(async () => {
      await browser?.close();
      await site?.close();
    });

    test("becomes ready, and says which device answers and why", async () => {
      const sentence = await view.waitForDevice(label);
      assert.match(sentence, webgpu ? /you chose it/ : /WebGPU found no graphics adapter|no WebGPU/);
    });

    test("runs the program that suits this browser", () => {
      const programs = view.requests.map((url) => url.match(/(solstice-[cg]pu(?:-relaxed)?)_bg\.wasm$/)?.[1]).filter(Boolean);
      assert.equal(programs[0], program);
      if (!webgpu) assert.deepEqual([...new Set(programs)], [program]);
    });

    test("a dropped tile gets the trainer's class and neighbours", async () => {
      const tile = expected.tiles[0];
      await view.drop(deployed(tile.file));
      assert.equal(await view.verdict(basename(tile.file)), classLabel(tile.class));
      const neighbours = view.answer(basename(tile.file)).getByRole("img", { name: /similarity/ });
      await neighbours.first().waitFor();
      assert.equal(await neighbours.count(), 8);
    });

    test("every tile's class, probability and embedding are the trainer's", async () => {
      const tiles = expected.tiles.slice(0, count);
      await view.drop(...tiles.map((tile) => deployed(tile.file)));
      await view.page.getByText(`${tiles.length} classified`).waitFor({ timeout: 300_000 });
      await view.waitForPhase("ready");
      const answers = JSON.parse(await view.download("Download JSON"));
      assert.equal(answers.tiles.length, tiles.length);
      for (const [index, tile] of tiles.entries()) {
        const answer = answers.tiles[index];
        assert.equal(answer.file, basename(tile.file));
        assert.equal(answer.device, label);
        assertSameEmbedding(answer.embedding, tile);
        assert.equal(answer.class, tile.class);
        const difference = Math.abs(Math.max(...answer.probabilities) - tile.probability);
        assert.ok(difference <= PROBABILITY_TOLERANCE, `${tile.file}: probability differs by ${difference}`);
      }
    });

    test("the table downloads as CSV, one line a tile", async () => {
      const lines = (await view.download("Download CSV")).trim().split("\n");
      assert.match(lines[0], /^file,class,probability,/);
      assert.equal(lines.length, 1 + Math.min(count, expected.tiles.length));
      assert.ok(lines[1].startsWith(`${basename(expected.tiles[0].file)},${expected.tiles[0].class},`), lines[1]);
    });

    if (webgpu) {
      test("the user can change to the CPU, and the tiles are classified again there", async () => {
        await view.chooseDevice("CPU");
        assert.match(await view.waitForDevice("CPU"), /you chose it/);
        await view.page.getByText(/ on CPU$/).first().waitFor();
        const answers = JSON.parse(await view.download("Download JSON"));
        assert.deepEqual([...new Set(answers.tiles.map(({ device }) => device))], ["CPU"]);
      });

      test("left to itself, the page does not compute on an emulated graphics card, and says why", async () => {
        await view.chooseDevice("Automatic (the faster)");
        await view.page.reload();
        assert.match(await view.waitForDevice("CPU"), /emulated on the CPU/);
      });
    }

    test("no request left the origin, and nothing went wrong unseen", () => {
      const origin = new URL(site.url).origin;
      const foreign = view.requests.filter((url) => !url.startsWith(origin) && !url.startsWith("blob:") && !url.startsWith("data:"));
      assert.deepEqual(foreign, []);
      assert.ok(view.requests.some((url) => url.endsWith(".safetensors")), "the watch saw the model being fetched");
      assert.deepEqual(view.errors, []);
    });
  });
}

describe("the frame", () => {
  let site, browser;

  before(async () => {
    site = await serve(DIST, { prefix: "/some/where/" });
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  test("works under a sub-path, and the model comes from the cache the second time", async () => {
    const view = new ClassifyPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    const fetched = () => view.requests.filter((url) => url.includes("/models/") && url.endsWith(".safetensors")).length;
    assert.equal(fetched(), 1);
    await view.page.reload();
    await view.waitForDevice("CPU");
    assert.equal(fetched(), 1, "the second visit did not download the model again");
    assert.deepEqual(view.errors, []);
    await view.page.close();
  });

  test("a link to a sample opens it, and a sample works by keyboard alone", async () => {
    const view = new ClassifyPage(await browser.context.newPage());
    const tile = expected.tiles.find(({ file }) => file.startsWith("samples/"));
    await view.open(site.url, `#/classify?sample=${basename(tile.file)}`);
    assert.equal(await view.verdict(basename(tile.file)), classLabel(tile.class));
    const sample = view.page.getByRole("button", { name: /^Sample tile/ }).nth(1);
    await sample.focus();
    await view.page.keyboard.press("Enter");
    const file = await view.page.waitForFunction(
      (before) => {
        const sample = new URLSearchParams(location.hash.split("?")[1]).get("sample");
        return sample !== before && sample;
      },
      basename(tile.file),
    );
    await view.verdict(await file.jsonValue());
    await view.page.close();
  });

  test("pasted pictures are classified", async () => {
    const view = new ClassifyPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    await view.page.evaluate(async (sample) => {
      const blob = await (await fetch(sample)).blob();
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([blob], "pasted.jpg", { type: "image/jpeg" }));
      document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
    }, expected.tiles[0].file);
    assert.equal(await view.verdict("pasted.jpg"), classLabel(expected.tiles[0].class));
    await view.page.close();
  });
});
