// Pictures made byte by byte, so that a test knows every pixel: PNG and (Geo)TIFF.
import { deflateSync } from "node:zlib";

const CRC = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

function pngChunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return Buffer.concat([length, body, check]);
}

/** A PNG of 8-bit red, green and blue that claims to be `width` × `height`, around whatever `data` is. */
export function pngAround(width, height, data) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [pngChunk("IHDR", header), pngChunk("IDAT", deflateSync(data)), pngChunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}

/** `rgb` ([row][column][channel], 0 to 255) as a PNG. */
export function png({ width, height, rgb }) {
  const rows = Array.from({ length: height }, (_, row) => [0, ...rgb.slice(row * width * 3, (row + 1) * width * 3)]);
  return pngAround(width, height, Buffer.from(rows.flat()));
}

/**
 * `samples` ([row][column][band]) as an uncompressed little-endian TIFF: of 8 or 16 `bits`, chunky or `planar` (a band
 * after the other, as GDAL's INTERLEAVE=BAND writes), with the tags of a GeoTIFF in UTM zone 32 when `geo` is set. Three
 * bands are called red, green and blue, any other number grey and more, as GDAL does. `compression` and `sampleFormat` are
 * only written down: for files that must be refused.
 */
export function tiff({ width, height, bands, bits, samples, planar = false, geo = false, compression = 1, sampleFormat = 1 }) {
  const pixels = width * height;
  const ordered = planar ? Array.from({ length: bands * pixels }, (_, i) => samples[(i % pixels) * bands + Math.floor(i / pixels)]) : samples;
  const data = Buffer.alloc((ordered.length * bits) / 8);
  ordered.forEach((value, i) => (bits === 8 ? data.writeUInt8(value, i) : data.writeUInt16LE(value, i * 2)));

  const [SHORT, LONG, DOUBLE] = [3, 4, 12];
  const [DATA_AT, plane] = [8, data.length / bands];
  const tags = [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, Array(bands).fill(bits)],
    [259, SHORT, [compression]],
    [262, SHORT, [bands === 3 ? 2 : 1]],
    [273, LONG, planar ? Array.from({ length: bands }, (_, band) => DATA_AT + band * plane) : [DATA_AT]],
    [277, SHORT, [bands]],
    [278, LONG, [height]],
    [279, LONG, planar ? Array(bands).fill(plane) : [data.length]],
    [284, SHORT, [planar ? 2 : 1]],
    ...(bands === 3 ? [] : [[338, SHORT, Array(bands - 1).fill(0)]]), // extra samples
    [339, SHORT, Array(bands).fill(sampleFormat)],
    ...(geo
      ? [
          [33550, DOUBLE, [10, 10, 0]], // pixel scale
          [33922, DOUBLE, [0, 0, 0, 600_000, 5_300_000, 0]], // tie point
          [34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632]], // keys: projected, EPSG:32632
        ]
      : []),
  ];
  const directoryAt = DATA_AT + data.length + (data.length % 2);
  const directory = Buffer.alloc(2 + tags.length * 12 + 4);
  directory.writeUInt16LE(tags.length, 0);
  const beside = [];
  let besideAt = directoryAt + directory.length;
  tags.forEach(([tag, type, values], i) => {
    const at = 2 + i * 12;
    const size = { [SHORT]: 2, [LONG]: 4, [DOUBLE]: 8 }[type];
    const bytes = Buffer.alloc(Math.max(4, values.length * size));
    values.forEach((value, j) => {
      if (type === DOUBLE) bytes.writeDoubleLE(value, j * 8);
      else if (type === LONG) bytes.writeUInt32LE(value, j * 4);
      else bytes.writeUInt16LE(value, j * 2);
    });
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(values.length, at + 4);
    if (bytes.length === 4) {
      bytes.copy(directory, at + 8);
    } else {
      directory.writeUInt32LE(besideAt, at + 8);
      beside.push(bytes);
      besideAt += bytes.length;
    }
  });
  const header = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(directoryAt, 4);
  return Buffer.concat([header, data, Buffer.alloc(data.length % 2), directory, ...beside]);
}

/** The pixels of a picture on the page's own origin, as this browser decodes them: `{ width, height, rgb }`. */
export async function decoded(page, path) {
  return page.evaluate(async (path) => {
    const bitmap = await createImageBitmap(await (await fetch(path)).blob());
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    canvas.drawImage(bitmap, 0, 0);
    const { width, height, data } = canvas.getImageData(0, 0, bitmap.width, bitmap.height);
    return { width, height, rgb: [...data].filter((_, i) => i % 4 !== 3) };
  }, path);
}
