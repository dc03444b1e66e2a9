// Exported ONNX models in ONNX Runtime, against what Solstice itself computed for the same tiles.
//
// The files come from `SOLSTICE_ONNX_DIR=out/onnx cargo test -p trainer --lib files_for_onnx`: for every NAME.onnx a
// NAME.safetensors with the tensors `tiles` [n, bands, px, px], `embedding` [n, width] and `logits` [n, classes].
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-web";

const HERE = dirname(fileURLToPath(import.meta.url));
const FOLDER = resolve(process.env.SOLSTICE_ONNX_DIR ?? join(HERE, "../../out/onnx"));
// Convolutions are summed in another order: about 1e-6 a layer.
const TOLERANCE = 1e-4;

if (!existsSync(FOLDER)) {
  throw new Error(
    `no models in ${FOLDER}\nhint: write them with \`SOLSTICE_ONNX_DIR=${FOLDER} cargo test -p trainer --lib files_for_onnx\``,
  );
}

/** The float tensors of a safetensors file. */
function safetensors(path) {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...entries } = JSON.parse(bytes.subarray(8, start).toString());
  return Object.fromEntries(
    Object.entries(entries).map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
      assert.equal(dtype, "F32");
      return [name, { shape, values: new Float32Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer) }];
    }),
  );
}

/** The first `count` items of a batch. */
const head = ({ shape: [, ...rest], values }, count) => ({
  shape: [count, ...rest],
  values: values.subarray(0, count * rest.reduce((product, size) => product * size, 1)),
});

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

const names = readdirSync(FOLDER).filter((file) => file.endsWith(".onnx")).map((file) => file.slice(0, -5)).sort();

test("every architecture was exported, with every stem", () => {
  const architectures = ["compact-m", "compact-s", "compact-xs", "resnet18", "resnet34", "resnet50"];
  assert.deepEqual(names, architectures.flatMap((name) => ["imagenet", "small", "sobel"].map((stem) => `${name}-${stem}`)));
});

for (const name of names) {
  test(`${name} in ONNX Runtime`, async () => {
    const { tiles, ...expected } = safetensors(join(FOLDER, `${name}.safetensors`));
    const session = await ort.InferenceSession.create(readFileSync(join(FOLDER, `${name}.onnx`)));
    assert.deepEqual([...session.outputNames].sort(), Object.keys(expected).sort());
    // The batch axis is free: all tiles at once, then one alone.
    for (const count of [tiles.shape[0], 1]) {
      const input = head(tiles, count);
      const found = await session.run({ tiles: new ort.Tensor("float32", input.values, input.shape) });
      for (const [output, whole] of Object.entries(expected)) {
        const reference = head(whole, count);
        assert.deepEqual([...found[output].dims], reference.shape, output);
        const error = largest(found[output].data.map((value, index) => value - reference.values[index]));
        assert.ok(error <= TOLERANCE * largest(reference.values), `${output}: off by ${error}`);
      }
    }
    await session.release();
  });
}
