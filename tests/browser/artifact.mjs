// The model file, taken apart and put together by other code than the project's: models with projection heads, with another
// linear head, of another release.
import { createHash } from "node:crypto";

const KEY = "solstice";

function read(file) {
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata, ...tensors } = JSON.parse(file.toString("utf8", 8, 8 + length));
  const data = file.subarray(8 + length);
  const parts = Object.entries(tensors).map(([name, { dtype, shape, data_offsets: [start, end] }]) => [name, { dtype, shape, bytes: data.subarray(start, end) }]);
  return { manifest: JSON.parse(metadata[KEY]), tensors: new Map(parts) };
}

/** The checksum of the format: the manifest with its own checksum empty, then every tensor in order of name. */
function digest(text, tensors) {
  const hash = createHash("sha256");
  const field = (bytes) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    hash.update(length).update(bytes);
  };
  field(Buffer.from(text));
  for (const [name, { dtype, shape, bytes }] of tensors) {
    field(Buffer.from(name));
    field(Buffer.from(`${dtype}[${shape.join(", ")}]`));
    field(bytes);
  }
  return hash.digest("hex");
}

function write(manifest, tensors) {
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  const sha256 = digest(JSON.stringify({ ...manifest, sha256: "" }), sorted);
  const text = JSON.stringify({ ...manifest, sha256 });
  const header = { __metadata__: { [KEY]: text } };
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of sorted) {
    header[name] = { dtype, shape, data_offsets: [at, (at += bytes.length)] };
  }
  const head = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  return Buffer.concat([length, head, ...sorted.map(([, { bytes }]) => bytes)]);
}

/** 0, 1 and −1 in half precision. */
const HALF = { 0: 0x0000, 1: 0x3c00, [-1]: 0xbc00 };

/**
 * `file` with projection heads: `heads` maps a subspace's name to its layers, each `{ weight, bias }`, weights (rows of 0,
 * 1 and −1) in half precision as the file's are.
 */
export function withHeads(file, heads) {
  const { manifest, tensors } = read(file);
  for (const [name, layers] of Object.entries(heads)) {
    layers.forEach(({ weight, bias }, layer) => {
      const halves = Buffer.alloc(weight.length * weight[0].length * 2);
      weight.flat().forEach((value, i) => halves.writeUInt16LE(HALF[value], i * 2));
      const floats = Buffer.alloc(bias.length * 4);
      bias.forEach((value, i) => floats.writeFloatLE(value, i * 4));
      // As in PyTorch's Sequential: a ReLU stands between two layers.
      tensors.set(`projection.${name}.${layer * 2}.weight`, { dtype: "F16", shape: [weight.length, weight[0].length], bytes: halves });
      tensors.set(`projection.${name}.${layer * 2}.bias`, { dtype: "F32", shape: [bias.length], bytes: floats });
    });
  }
  return write({ ...manifest, subspaces: Object.keys(heads) }, tensors);
}

/** What a head makes of an embedding, in double precision. */
export function project(layers, embedding) {
  return layers.reduce((values, { weight, bias }, layer) => {
    const inputs = layer === 0 ? values : values.map((value) => Math.max(value, 0));
    return weight.map((row, i) => row.reduce((sum, w, j) => sum + w * inputs[j], bias[i]));
  }, embedding);
}

const half = (bits) => {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
};

/** The linear head and the manifest: `{ manifest, weight, bias }`. */
export function readHead(file) {
  const { manifest, tensors } = read(file);
  const { shape, bytes } = tensors.get("head.weight");
  const weight = Array.from({ length: shape[0] }, (_, i) => Array.from({ length: shape[1] }, (_, j) => half(bytes.readUInt16LE((i * shape[1] + j) * 2))));
  const bias = Array.from({ length: shape[0] }, (_, i) => tensors.get("head.bias").bytes.readFloatLE(i * 4));
  return { manifest, weight, bias };
}

/** `file` with other values in its manifest, and `bias` (a number for each class) added to its head's. */
export function variant(file, manifest, bias = []) {
  const parts = read(file);
  const { dtype, shape, bytes } = parts.tensors.get("head.bias");
  const changed = Buffer.from(bytes);
  bias.forEach((value, i) => changed.writeFloatLE(changed.readFloatLE(i * 4) + value, i * 4));
  parts.tensors.set("head.bias", { dtype, shape, bytes: changed });
  return write({ ...parts.manifest, ...manifest }, parts.tensors);
}

/** Class probabilities of an embedding, in double precision. */
export function classify({ manifest, weight, bias }, embedding) {
  const scores = weight.map((row, i) => row.reduce((sum, w, j) => sum + w * embedding[j], bias[i]) / (manifest.calibration_temperature ?? 1));
  const powers = scores.map((score) => Math.exp(score - Math.max(...scores)));
  return powers.map((power) => power / powers.reduce((a, b) => a + b));
}
