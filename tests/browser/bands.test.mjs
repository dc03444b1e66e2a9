// An exported model of twelve bands and GeoTIFFs that hold them, among thirteen too: the page answers as the trainer does.
//
// Model, files and answers come from `SOLSTICE_EXPECTED_DIR=out/expected cargo test -p solstice-tests --test cli files_for`.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ModelsPage } from "./models-page.mjs";
import { serve } from "./serve.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const FOLDER = join(resolve(process.env.SOLSTICE_EXPECTED_DIR ?? join(HERE, "../../out/expected")), "bands");
const TOLERANCE = 1e-3;

if (!existsSync(join(FOLDER, "expected.json"))) {
  throw new Error(`no answers in ${FOLDER}\nhint: write them with \`SOLSTICE_EXPECTED_DIR=${dirname(FOLDER)} cargo test -p solstice-tests --test cli files_for\``);
}
const expected = JSON.parse(readFileSync(join(FOLDER, "expected.json"), "utf8")).tiles;

describe("a model of twelve bands", () => {
  let site, browser, view;

  before(async () => {
    site = await serve(DIST);
    browser = await launch();
    view = new ModelsPage(await browser.context.newPage());
    await view.open(site.url, "#/models");
    await view.waitForDevice("CPU");
    await view.dropModel("twelve.safetensors", readFileSync(join(FOLDER, "twelve.safetensors")));
    await view.page.getByRole("button", { name: "Use this model" }).click();
    await view.inUse.getByText("twelve.safetensors").waitFor();
    await view.waitForDevice("CPU");
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  test("answers for GeoTIFFs of twelve and of thirteen bands as the trainer does", async (t) => {
    assert.equal(expected.length, 6);
    await view.go("Classify");
    await view.drop(...expected.map(({ file }) => ({ name: file, type: "image/tiff", bytes: readFileSync(join(FOLDER, file)) })));
    await view.page.getByText(`${expected.length} classified in`).waitFor({ timeout: 120_000 });
    await view.waitForPhase("ready");
    const { tiles } = JSON.parse(await view.download("Download JSON"));
    let worst = 0;
    for (const [index, { file, class: name, embedding }] of tiles.entries()) {
      const reference = expected[index];
      assert.equal(file, reference.file);
      assert.equal(embedding.length, reference.embedding.length);
      const largest = Math.max(...reference.embedding.map(Math.abs));
      const difference = Math.max(...embedding.map((value, i) => Math.abs(value - reference.embedding[i])));
      assert.ok(difference <= TOLERANCE * largest, `${file}: off by ${difference} of ${largest}`);
      assert.equal(name, reference.class, file);
      worst = Math.max(worst, difference / largest);
    }
    t.diagnostic(`largest difference: ${worst.toExponential(1)} of the embedding's largest value`);
    assert.deepEqual(view.errors, []);
  });
});
