// Large pictures with known content: mosaics of tiles, and GeoTIFFs of many bands in strips or tiles, compressed or not.
import { deflateSync } from "node:zlib";

/**
 * Tiles of one size side by side: `places` are rows of indices into `tiles` (`{ width, height, rgb }`).
 * @returns {{ width: number, height: number, rgb: Uint8Array }}
 */
export function mosaic(tiles, places) {
  const { width: side } = tiles[0];
  const [width, height] = [places[0].length * side, places.length * side];
  const rgb = new Uint8Array(width * height * 3);
  places.forEach((line, row) =>
    line.forEach((tile, column) => {
      for (let y = 0; y < side; y += 1) {
        const from = tiles[tile].rgb.slice(y * side * 3, (y + 1) * side * 3);
        rgb.set(from, ((row * side + y) * width + column * side) * 3);
      }
    }),
  );
  return { width, height, rgb };
}

const [ASCII, SHORT, LONG, DOUBLE] = [2, 3, 4, 12];
const SIZES = { [ASCII]: 1, [SHORT]: 2, [LONG]: 4, [DOUBLE]: 8 };

function encoded(type, values) {
  if (type === ASCII) return Buffer.from(`${values}\0`);
  const bytes = Buffer.alloc(values.length * SIZES[type]);
  values.forEach((value, i) => {
    if (type === DOUBLE) bytes.writeDoubleLE(value, i * 8);
    else if (type === LONG) bytes.writeUInt32LE(value, i * 4);
    else bytes.writeUInt16LE(value, i * 2);
  });
  return bytes;
}

/**
 * A GeoTIFF: `sample(x, y, band)` in blocks of `block` = [width, height] pixels (the picture's own width makes strips),
 * chunky or planar, `deflate`d or not; with `repeated`, the first block stands for all of them, so that a huge picture makes a
 * small file. `geo` is `{ origin: [x, y], pixel, epsg }`; `names` are the bands' descriptions and
 * `metadata` further items of GDAL's XML.
 */
export function geotiff({ width, height, bands, bits = 16, sample, block, planar = false, deflate = false, repeated = false, geo, names, metadata = "" }) {
  const isTiled = block[0] !== width;
  const [across, down] = [Math.ceil(width / block[0]), Math.ceil(height / block[1])];
  const blocks = [];
  for (let plane = 0; plane < (planar ? bands : 1); plane += 1) {
    for (let row = 0; row < down; row += 1) {
      for (let column = 0; column < across; column += 1) {
        if (repeated && blocks.length) {
          blocks.push(blocks[0]);
          continue;
        }
        // The last strip is short; the last tile is filled up.
        const rows = isTiled ? block[1] : Math.min(block[1], height - row * block[1]);
        const count = planar ? 1 : bands;
        const data = Buffer.alloc((block[0] * rows * count * bits) / 8);
        let at = 0;
        for (let y = row * block[1]; y < row * block[1] + rows; y += 1) {
          for (let x = column * block[0]; x < (column + 1) * block[0]; x += 1) {
            for (let band = 0; band < count; band += 1) {
              const value = x < width && y < height ? sample(x, y, planar ? plane : band) : 0;
              if (bits === 8) data.writeUInt8(value, at);
              else data.writeUInt16LE(value, at);
              at += bits / 8;
            }
          }
        }
        blocks.push(deflate ? deflateSync(data, { level: 1 }) : data);
      }
    }
  }
  let next = 8;
  const stored = repeated ? blocks.slice(0, 1) : blocks;
  const places = stored.map((data) => ((next += data.length), next - data.length));
  const offsets = blocks.map((_, i) => places[repeated ? 0 : i]);
  const items = (names ?? []).map((name, i) => `<Item name="DESCRIPTION" sample="${i}" role="description">${name}</Item>`);
  const xml = items.length || metadata ? `<GDALMetadata>${items.join("")}${metadata}</GDALMetadata>` : "";
  const tags = [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, Array(bands).fill(bits)],
    [259, SHORT, [deflate ? 8 : 1]],
    [262, SHORT, [1]],
    ...(isTiled ? [] : [[273, LONG, offsets]]),
    [277, SHORT, [bands]],
    ...(isTiled ? [] : [[278, LONG, [block[1]]], [279, LONG, blocks.map(({ length }) => length)]]),
    [284, SHORT, [planar ? 2 : 1]],
    ...(isTiled ? [[322, LONG, [block[0]]], [323, LONG, [block[1]]], [324, LONG, offsets], [325, LONG, blocks.map(({ length }) => length)]] : []),
    [338, SHORT, Array(bands - 1).fill(0)],
    [339, SHORT, Array(bands).fill(1)],
    ...(geo
      ? [
          [33550, DOUBLE, [geo.pixel, geo.pixel, 0]],
          [33922, DOUBLE, [0, 0, 0, ...geo.origin, 0]],
          [34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, geo.epsg]],
        ]
      : []),
    ...(xml ? [[42112, ASCII, xml]] : []),
  ];
  const directoryAt = next + (next % 2);
  const directory = Buffer.alloc(2 + tags.length * 12 + 4);
  directory.writeUInt16LE(tags.length, 0);
  const beside = [];
  let besideAt = directoryAt + directory.length;
  tags.forEach(([tag, type, values], i) => {
    const bytes = encoded(type, values);
    directory.writeUInt16LE(tag, 2 + i * 12);
    directory.writeUInt16LE(type, 4 + i * 12);
    directory.writeUInt32LE(bytes.length / SIZES[type], 6 + i * 12);
    if (bytes.length <= 4) {
      bytes.copy(directory, 10 + i * 12);
    } else {
      directory.writeUInt32LE(besideAt, 10 + i * 12);
      beside.push(bytes);
      besideAt += bytes.length;
    }
  });
  const header = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(directoryAt, 4);
  return Buffer.concat([header, ...stored, Buffer.alloc(next % 2), directory, ...beside]);
}
