// The thousand EuroSAT tiles that are embedded in the repository, as files to drop.
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { entries } from "./tar.mjs";

const DEMO = join(dirname(fileURLToPath(import.meta.url)), "../../public/demo");

/** `count` tiles `{ path, name, type, bytes }`, of all classes in turn; from more than there are, again with other names. */
export async function eurosatTiles(count) {
  const jpegs = entries(await readFile(join(DEMO, "eurosat.tar"))).filter(({ name }) => name.endsWith(".jpg"));
  return Array.from({ length: count }, (_, index) => {
    // 1000 and 389 have no common divisor: every tile once before any comes again.
    const { name: path, bytes } = jpegs[(index * 389) % jpegs.length];
    const round = Math.floor(index / jpegs.length);
    return { path, name: round === 0 ? basename(path) : `${round}-${basename(path)}`, type: "image/jpeg", bytes };
  });
}
