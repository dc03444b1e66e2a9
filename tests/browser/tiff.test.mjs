// TIFF and GeoTIFF, end to end: the same pixels in another container get the same answer.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { DIST, expected } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ClassifyPage, classLabel } from "./classify-page.mjs";
import { decoded, png, tiff } from "./pictures.mjs";
import { serve } from "./serve.mjs";

// What the trainer answers for the JPEG. Its decoder and the browser's may differ by a grey level here and there.
const TILE = expected.tiles.find(({ file }) => file.startsWith("samples/"));
// 16-bit digital numbers are reflectance × 10 000; in the pictures that the model learned from, 0.275 is white: the same
// surface in finer steps.
const toDigitalNumber = (grey) => Math.round((grey / 255) * 2750);
// Half a step of a digital number in every pixel moves an embedding by far less than this share of its largest value.
const STEP_TOLERANCE = 0.01;

describe("TIFF", () => {
  let site, browser, view, picture;

  before(async () => {
    site = await serve(DIST);
    browser = await launch();
    view = new ClassifyPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    picture = await decoded(view.page, TILE.file);
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  /** Drops a file of our own making; returns its entry in the JSON download. */
  const answerFor = async (name, bytes, type = "image/tiff") => {
    await view.drop({ name, type, bytes });
    await view.verdict(name);
    await view.waitForPhase("ready");
    return JSON.parse(await view.download("Download JSON")).tiles[0];
  };

  const reference = () => answerFor("reference.png", png(picture), "image/png");
  const largest = (values) => Math.max(...values.map(Math.abs));

  for (const planar of [false, true]) {
    test(`8-bit, ${planar ? "a band after the other" : "bands interleaved"}: the very embedding of the same pixels in a PNG`, async () => {
      const bytes = tiff({ ...picture, bands: 3, bits: 8, samples: picture.rgb, planar });
      const [inPng, inTiff] = [await reference(), await answerFor("eight.tif", bytes)];
      assert.deepEqual(inTiff.embedding, inPng.embedding);
      assert.equal(inTiff.class, TILE.class, "the class that the trainer names for the JPEG");
      assert.equal(inTiff.format, "TIFF, 8-bit");
    });

    test(`16-bit GeoTIFF, ${planar ? "a band after the other" : "bands interleaved"}: reflectance is stretched as in the pictures that the model learned from`, async () => {
      const samples = picture.rgb.map(toDigitalNumber);
      const bytes = tiff({ ...picture, bands: 3, bits: 16, samples, planar, geo: true });
      const [inPng, inTiff] = [await reference(), await answerFor("sixteen.tif", bytes)];
      const differences = inTiff.embedding.map((value, i) => value - inPng.embedding[i]);
      assert.ok(largest(differences) <= STEP_TOLERANCE * largest(inPng.embedding), `off by ${largest(differences)} of ${largest(inPng.embedding)}`);
      assert.equal(inTiff.class, TILE.class);
      assert.equal(inTiff.format, "TIFF, 16-bit");
    });
  }

  test("the page shows a picture of a file that the browser itself cannot show", async () => {
    await answerFor("shown.tif", tiff({ ...picture, bands: 3, bits: 16, samples: picture.rgb.map(toDigitalNumber), geo: true }));
    const shown = view.answer("shown.tif").getByRole("img", { name: "The tile shown.tif" });
    await shown.waitFor();
    assert.equal(await shown.evaluate(async (image) => (await image.decode(), image.naturalWidth)), picture.width);
    assert.equal((await view.answer("shown.tif").locator(".verdict").innerText()).trim(), classLabel(TILE.class));
  });

  test("the picture shown of an 8-bit TIFF has its very pixels", async () => {
    await answerFor("plain.tif", tiff({ ...picture, bands: 3, bits: 8, samples: picture.rgb }));
    const shown = view.answer("plain.tif").getByRole("img", { name: "The tile plain.tif" });
    const pixels = await shown.evaluate(async (image) => {
      await image.decode();
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
      canvas.drawImage(image, 0, 0);
      return [...canvas.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data].filter((_, i) => i % 4 !== 3);
    });
    assert.deepEqual(pixels, picture.rgb);
  });

  const refusal = async (name, bytes) => {
    await view.drop({ name, type: "image/tiff", bytes });
    const alert = view.answer(name).getByRole("alert");
    await alert.waitFor();
    return alert.innerText();
  };
  const fiveBands = () => {
    const samples = Array.from({ length: picture.width * picture.height * 5 }, (_, i) => i % 3000);
    return { ...picture, bands: 5, bits: 16, samples, geo: true };
  };

  test("a GeoTIFF with other bands than the model's is refused, with the bands it wants", async () => {
    assert.match(await refusal("five.tif", tiff(fiveBands())), /It has 5, without names; the model wants 3/);
  });

  for (const { name, kind } of [
    { name: "complex numbers", kind: { sampleFormat: 5 } },
    { name: "an unknown compression", kind: { compression: 34_887 } }, // LERC, which GDAL writes
  ]) {
    test(`a TIFF of ${name} is not called damaged: the page says what it cannot read`, async () => {
      const samples = picture.rgb.map(toDigitalNumber);
      const text = await refusal(`${name}.tif`, tiff({ ...picture, bands: 3, bits: 16, samples, ...kind }));
      assert.match(text, /stores its pixels in a way that is not read/);
      assert.doesNotMatch(text, /damaged/);
    });
  }

  test("a GeoTIFF cut short is called damaged", async () => {
    const whole = tiff({ ...picture, bands: 3, bits: 16, samples: picture.rgb.map(toDigitalNumber) });
    assert.match(await refusal("cut.tif", whole.subarray(0, 5000)), /damaged/);
    assert.deepEqual(view.errors, []);
  });
});
