// Gallery files, read and written without the project's own code: what the Explore page is compared with.
import { createHash } from "node:crypto";

const SIZES = { F32: 4, F16: 2, U16: 2, I8: 1 };

const f16 = (bits) => {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
};

/** Bits of the half-precision number next to `value` (towards zero), for values well inside its range. */
const toF16 = (value) => {
  const size = Math.abs(value);
  if (size < 2 ** -14) return (value < 0 ? 0x8000 : 0) | Math.floor(size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.floor((size / 2 ** exponent - 1) * 1024);
};

/** `{ manifest, embeddings, labels, points, points_pca, nearest? }` of a gallery file: all but the first as arrays of numbers. */
export function readGallery(bytes) {
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...tensors } = JSON.parse(bytes.subarray(8, 8 + length));
  const values = ({ dtype, data_offsets: [start, end] }) => {
    const count = (end - start) / SIZES[dtype];
    const at = (index) => 8 + length + start + index * SIZES[dtype];
    const read = {
      F32: (index) => bytes.readFloatLE(at(index)),
      F16: (index) => f16(bytes.readUInt16LE(at(index))),
      U16: (index) => bytes.readUInt16LE(at(index)),
      I8: (index) => bytes.readInt8(at(index)),
    }[dtype];
    return Array.from({ length: count }, (_, index) => read(index));
  };
  const read = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, values(tensor)]));
  return { manifest: JSON.parse(__metadata__["solstice.gallery"]), ...read };
}

/** The bytes of a gallery of `count` made-up tiles in `classes` clouds, of a model that nobody has; more `noise` mixes them. */
export function madeUpGallery({ count, width, classes, noise = 0.3 }) {
  let state = 12345;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const cloud = (index) => index % classes;
  const angle = (index) => (cloud(index) / classes) * 2 * Math.PI;
  const tensors = {
    embeddings: { dtype: "F16", shape: [count, width], data: Buffer.alloc(count * width * 2) },
    labels: { dtype: "U16", shape: [count], data: Buffer.alloc(count * 2) },
    points: { dtype: "F32", shape: [count, 2], data: Buffer.alloc(count * 8) },
    points_pca: { dtype: "F32", shape: [count, 2], data: Buffer.alloc(count * 8) },
  };
  for (let index = 0; index < count; index += 1) {
    const row = Array.from({ length: width }, (_, at) => (at % classes === cloud(index) ? 1 : 0) + noise * random());
    const norm = Math.hypot(...row);
    row.forEach((value, at) => tensors.embeddings.data.writeUInt16LE(toF16(value / norm), (index * width + at) * 2));
    tensors.labels.data.writeUInt16LE(cloud(index), index * 2);
    const [radius, turn] = [Math.sqrt(random()), random() * 2 * Math.PI];
    const place = [10 * Math.cos(angle(index)) + 2.5 * radius * Math.cos(turn), 10 * Math.sin(angle(index)) + 2.5 * radius * Math.sin(turn)];
    place.forEach((value, at) => tensors.points.data.writeFloatLE(value, index * 8 + at * 4));
    place.forEach((value, at) => tensors.points_pca.data.writeFloatLE(value * (at ? 0.5 : 1), index * 8 + at * 4));
  }
  const manifest = {
    format_version: 1,
    model: "made-up",
    model_sha256: "0".repeat(64),
    embedding_width: width,
    classes: Array.from({ length: classes }, (_, at) => `Cloud ${at}`),
    names: Array.from({ length: count }, (_, index) => `cloud-${cloud(index)}/2020-${String(1 + (index % 12)).padStart(2, "0")}-15_${index}.jpg`),
    layout: "made-up",
    atlas: { tile_px: 64, columns: 16, rows: 16, files: [] },
    credit: "",
    sha256: "",
  };
  const hash = createHash("sha256");
  const field = (bytes) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    hash.update(length).update(bytes);
  };
  field(Buffer.from(JSON.stringify(manifest)));
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    field(Buffer.from(name));
    field(Buffer.from(`${dtype}[${shape.join(", ")}]`));
    field(data);
  }
  manifest.sha256 = hash.digest("hex");
  let offset = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, data }]) => {
    const start = offset;
    offset += data.length;
    return [name, { dtype, shape, data_offsets: [start, offset] }];
  });
  const header = Buffer.from(
    JSON.stringify({ __metadata__: { "solstice.gallery": JSON.stringify(manifest) }, ...Object.fromEntries(entries) }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...Object.values(tensors).map(({ data }) => data)]);
}
