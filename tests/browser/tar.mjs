// Plain tar files, read by hand.

/** The files in a tar (ustar, names up to 100 letters): `[{ name, bytes }]`. */
export function entries(tar) {
  const text = (start, length) => tar.toString("latin1", start, start + length).replace(/\0.*$/s, "");
  const found = [];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const [name, size, type] = [text(at, 100), parseInt(text(at + 124, 12), 8), text(at + 156, 1)];
    if (type === "0" || type === "") found.push({ name, bytes: tar.subarray(at + 512, at + 512 + size) });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}
