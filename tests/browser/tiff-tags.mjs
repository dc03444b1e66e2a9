// Little-endian TIFFs, read by hand: directories, and tiles packed by zlib.
import { inflateSync } from "node:zlib";

const SIZES = { 2: 1, 3: 2, 4: 4, 12: 8 };

/** The file's directories: `[{ [tag]: values }]`; text as a string. */
export function directories(file) {
  const found = [];
  for (let at = file.readUInt32LE(4); at; ) {
    const count = file.readUInt16LE(at);
    const tags = {};
    for (let i = 0; i < count; i += 1) {
      const entry = at + 2 + i * 12;
      const [tag, type, length] = [file.readUInt16LE(entry), file.readUInt16LE(entry + 2), file.readUInt32LE(entry + 4)];
      const start = SIZES[type] * length <= 4 ? entry + 8 : file.readUInt32LE(entry + 8);
      const read = { 2: (i) => file[i], 3: (i) => file.readUInt16LE(i), 4: (i) => file.readUInt32LE(i), 12: (i) => file.readDoubleLE(i) }[type];
      const values = Array.from({ length }, (_, k) => read(start + k * SIZES[type]));
      tags[tag] = type === 2 ? String.fromCharCode(...values).replace(/\0$/, "") : values;
    }
    found.push(tags);
    at = file.readUInt32LE(at + 2 + count * 12);
  }
  return found;
}

/** The pixel at `x`, `y` of a directory of one band in tiles. */
export function pixelOf(file, tags, x, y) {
  const [[side], [width]] = [tags[322], tags[256]];
  const tile = Math.floor(y / side) * Math.ceil(width / side) + Math.floor(x / side);
  const part = file.subarray(tags[324][tile], tags[324][tile] + tags[325][tile]);
  return (tags[259][0] === 8 ? inflateSync(part) : part)[(y % side) * side + (x % side)];
}
