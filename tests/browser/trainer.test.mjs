// EuroSAT tiles in the page and in the trainer: the same embeddings, the same classes; of the shipped model, and of encoders
// that other methods have trained.
//
// The trainer's answers come from `SOLSTICE_EXPECTED_DIR=out/expected cargo test -p trainer --lib files_for`: its own
// decoder and the native kernels, on the tiles that are embedded in the repository.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { DIST, model } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage } from "./classify-page.mjs";
import { eurosatTiles } from "./eurosat.mjs";
import { ModelsPage } from "./models-page.mjs";
import { serve } from "./serve.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const FOLDER = resolve(process.env.SOLSTICE_EXPECTED_DIR ?? join(HERE, "../../out/expected"));
const FILE = join(FOLDER, "tiles.json");
const TOLERANCE = 1e-3;

if (!existsSync(FILE)) {
  throw new Error(`no answers in ${FOLDER}\nhint: write them with \`SOLSTICE_EXPECTED_DIR=${FOLDER} cargo test -p trainer --lib files_for\``);
}
const expected = JSON.parse(readFileSync(FILE, "utf8"));
const all = new Map((await eurosatTiles(1000)).map((tile) => [tile.path, tile]));

/** The tiles of `answers`, in the page: the largest difference of their embeddings from the answers'. */
async function assertSame(view, answers) {
  await view.drop(...answers.map(({ file }) => all.get(file)));
  await view.page.getByText(`${answers.length} classified in`).waitFor({ timeout: 120_000 });
  await view.waitForPhase("ready");
  const { tiles } = JSON.parse(await view.download("Download JSON"));
  assert.deepEqual(tiles.map(({ file }) => file), answers.map(({ file }) => basename(file)));
  let worst = 0;
  for (const [index, { file, embedding, class: name }] of tiles.entries()) {
    const reference = answers[index];
    assert.equal(embedding.length, reference.embedding.length);
    const largest = Math.max(1, ...reference.embedding.map(Math.abs));
    const difference = Math.max(...embedding.map((value, i) => Math.abs(value - reference.embedding[i])));
    worst = Math.max(worst, difference / largest);
    assert.ok(difference <= TOLERANCE * largest, `${file}: embedding differs by ${difference} of ${largest}`);
    assert.equal(name, reference.class, file);
  }
  return worst;
}

/** Opens the page on the CPU, has `prepare` bring up the model, and compares its answers with the trainer's. */
async function compare(t, View, hash, prepare, tiles) {
  const site = await serve(DIST);
  const browser = await launch();
  try {
    const view = new View(await browser.context.newPage());
    await view.open(site.url, hash);
    await view.waitForDevice("CPU");
    await prepare(view);
    const worst = await assertSame(view, tiles);
    t.diagnostic(`largest difference: ${worst.toExponential(1)} of the embedding's largest value`);
    assert.deepEqual(view.errors, []);
  } finally {
    await browser.close();
    await site.close();
  }
}

test("embeddings and classes of 200 tiles are the trainer's", async (t) => {
  assert.equal(expected.model_sha256, model.sha256, "the answers are of the model that the page has");
  assert.equal(expected.tiles.length, 200);
  await compare(t, ClassifyPage, "", async () => {}, expected.tiles);
});

// Divide and Contrast's student, and DeeperCluster on the paper's Sobel filters: models of the user's own.
for (const method of ["dnc", "deeper-cluster"]) {
  test(`an encoder trained by ${method} opens in the page, and answers as the trainer does`, async (t) => {
    const { tiles } = JSON.parse(readFileSync(join(FOLDER, `${method}.json`), "utf8"));
    const open = async (view) => {
      await view.dropModel(`${method}.safetensors`, readFileSync(join(FOLDER, `${method}.safetensors`)));
      await view.page.getByRole("button", { name: "Use this model" }).click();
      await view.inUse.getByText(`${method}.safetensors`).waitFor();
      await view.waitForDevice("CPU");
      await view.go("Classify");
    };
    await compare(t, ModelsPage, "#/models", open, tiles);
  });
}
