// Files out of a tar: the demonstration's tiles lie in one.
import { readFile } from "node:fs/promises";

/** `{ name, bytes }` of every regular file, in order. */
export async function untar(path) {
  const tar = await readFile(path);
  const files = [];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const text = (from, to) => tar.toString("utf8", at + from, at + to).replace(/\0.*$/s, "");
    const size = parseInt(text(124, 136), 8);
    const [name, type] = [text(0, 100), tar[at + 156]];
    if (type === 0x30 || type === 0) files.push({ name, bytes: tar.subarray(at + 512, at + 512 + size) });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
