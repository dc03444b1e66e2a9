// What the tests run against: the built page, and the native answers that were exported with the model.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));

/** The folder that `trunk build` wrote; $SOLSTICE_DIST names another. */
export const DIST = resolve(process.env.SOLSTICE_DIST ?? join(HERE, "../../web/dist"));
/** Where screenshots go; $SOLSTICE_OUT names another. */
export const OUT = resolve(process.env.SOLSTICE_OUT ?? join(HERE, "../../out"), "screenshots");

if (!existsSync(join(DIST, "index.html"))) {
  throw new Error(`no page in ${DIST}\nhint: build it with \`sh web/build.sh web/dist\``);
}
await mkdir(OUT, { recursive: true });

const json = async (path) => JSON.parse(await readFile(join(DIST, path), "utf8"));

/**
 * `models/expected.json`: what the trainer's own code answers on the CPU for tiles that lie in `public/`.
 * `{ model_sha256, tiles: [{ file, class, probability, embedding }] }`, files relative to `public/`.
 */
export const expected = await json("models/expected.json");
/** `models/index.json`. */
export const models = await json("models/index.json");

export const model = models.models.find(({ id }) => id === models.default);
if (expected.model_sha256 !== model.sha256) {
  throw new Error("models/expected.json belongs to another model\nhint: export model and expectations together");
}

/** Path of a file below `public/`, as it was deployed. */
export const deployed = (file) => join(DIST, file);

/**
 * A model of format version 1: its embedding is the mean of the last feature map, which is what projection heads read. (In
 * the shipped one a readout stands between, so that heads cannot be checked from embeddings.)
 */
export const plainModel = await readFile(join(HERE, "fixtures/compact-s-v1.safetensors"));

/** Serves `file` in the place of the model, with an index that fits it. */
export async function replaceModel(context, file) {
  const entry = { ...model, bytes: file.length, sha256: createHash("sha256").update(file).digest("hex") };
  await context.route(/models\/index\.json$/, (route) => route.fulfill({ json: { ...models, models: [entry] } }));
  await context.route(new RegExp(`models/${model.file}$`), (route) => route.fulfill({ contentType: "application/octet-stream", body: file }));
}
