// Folders, zips and tars are taken as they are.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";

import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage } from "./classify-page.mjs";
import { eurosatTiles } from "./eurosat.mjs";
import { serve } from "./serve.mjs";

const TILES = await eurosatTiles(6);
const FILES = [
  ...TILES.map(({ path, bytes }) => ({ path: `data/${path}`, bytes })),
  { path: "data/readme.txt", bytes: Buffer.from("not a picture") },
];
const PATHS = TILES.map(({ path }) => path).toSorted();
let site, browser, view, folder;

/** A zip of `files`, every second one deflated. */
function zip(files) {
  const [parts, list] = [[], []];
  let at = 0;
  files.forEach(({ path, bytes }, i) => {
    const packed = i % 2 ? deflateRawSync(bytes) : bytes;
    const name = Buffer.from(path);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(i % 2 ? 8 : 0, 4);
    fields.writeUInt32LE(crc32(bytes), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(bytes.length, 18);
    fields.writeUInt16LE(name.length, 22);
    parts.push(Buffer.from("PK\x03\x04"), fields, name, packed);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    list.push(Buffer.from("PK\x01\x02"), Buffer.from([20, 0]), fields, tail, name);
    at += 30 + name.length + packed.length;
  });
  const [body, directory, end] = [Buffer.concat(parts), Buffer.concat(list), Buffer.alloc(18)];
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(body.length, 12);
  return Buffer.concat([body, directory, Buffer.from("PK\x05\x06"), end]);
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "solstice-archives-"));
  for (const { path, bytes } of FILES) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  site = await serve(DIST);
  browser = await launch();
  view = new ClassifyPage(await browser.context.newPage());
  await view.open(site.url);
  await view.waitForDevice("CPU");
});

after(async () => {
  await browser?.close();
  await site?.close();
  await rm(folder, { recursive: true, force: true });
});

async function assertTaken() {
  await view.page.getByText(`${TILES.length} classified`).waitFor({ timeout: 120_000 });
  await view.waitForPhase("ready");
  const { tiles } = JSON.parse(await view.download("Download JSON"));
  assert.deepEqual(tiles.map(({ file }) => file).toSorted(), PATHS, "with the folders that tell them apart");
  assert.ok(tiles.every(({ probabilities }) => probabilities?.length > 0));
  await view.page.getByText("1 file is no picture and left out.").waitFor();
}

for (const [name, make] of [
  ["tiles.zip", () => zip(FILES)],
  ["tiles.tar", async () => (execFileSync("tar", ["-cf", join(folder, "tiles.tar"), "-C", folder, "data"]), readFile(join(folder, "tiles.tar")))],
  ["tiles.tar.gz", async () => (execFileSync("tar", ["-czf", join(folder, "tiles.tgz"), "-C", folder, "data"]), readFile(join(folder, "tiles.tgz")))],
]) {
  test(`${name} is dropped`, async () => {
    await view.page.getByRole("button", { name: "Clear" }).first().click({ timeout: 1000 }).catch(() => undefined);
    await view.drop({ name, type: "", bytes: await make() });
    await assertTaken();
  });
}

test("a folder is dropped", async () => {
  const target = view.page.getByText("Drop tiles here");
  const { x, y } = await target.boundingBox();
  const devtools = await view.page.context().newCDPSession(view.page);
  const data = { items: [], files: [join(folder, "data")], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await devtools.send("Input.dispatchDragEvent", { type, x: x + 5, y: y + 5, data });
  await assertTaken();
});

test("what is damaged is said", async () => {
  await view.drop({ name: "broken.zip", type: "", bytes: Buffer.from("PK\x03\x04 and no more of it") });
  await view.page.getByText("broken.zip cannot be read whole").waitFor();
  assert.deepEqual(view.errors, []);
});
