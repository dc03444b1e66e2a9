// The class map of a large picture as a test sees it.
import { readFile } from "node:fs/promises";

import { ClassifyPage } from "./classify-page.mjs";

/** Patches as the model answers each by itself, on values as they are: what other code can compute once more. */
export const PLAIN = "stretch=eurosat&neighbours=off";

export class ScenePage extends ClassifyPage {
  async open(url, hash = "#/classify") {
    const isMap = hash.startsWith("#/classify");
    await super.open(url, isMap ? `${hash}${hash.includes("?") ? "&" : "?"}${PLAIN}` : hash);
  }

  get map() {
    return this.page.getByRole("application", { name: /^Class map of/ });
  }

  get card() {
    return this.page.getByRole("article", { name: /^Answer for/ });
  }

  /** Waits until the map of `name` has come to `state`: running, stopped, done, failed. */
  async waitForMap(name, state = "done", timeout = 120_000) {
    await this.answer(name).locator(`[data-scene="${state}"]`).waitFor({ timeout });
  }

  /** Drops a large picture and waits for its whole map, with nothing left unpainted as unsure. */
  async mapOf(name, bytes, type = "image/png") {
    await this.drop({ name, type, bytes });
    await this.waitForMap(name);
    await this.threshold(0);
  }

  async threshold(percent) {
    await this.page.getByRole("slider", { name: /^Unsure under/ }).fill(String(percent));
  }

  async geojson() {
    return JSON.parse(await this.download("Download GeoJSON"));
  }

  /** Rows of the legend: `{ [class]: { patches, share, area } }`. */
  async legend() {
    const rows = await this.page.locator(".scene-legend tbody tr").evaluateAll((rows) =>
      rows.map((row) => [...row.children].map((cell) => cell.innerText.trim())),
    );
    return Object.fromEntries(rows.map(([name, patches, share, area]) => [name, { patches: Number(patches), share, area }]));
  }

  /** Clicks in the middle of a patch, of a map of `columns` × `rows` whole patches. */
  async clickPatch(column, row, columns, rows) {
    const box = await this.map.boundingBox();
    await this.map.click({ position: { x: ((column + 0.5) / columns) * box.width, y: ((row + 0.5) / rows) * box.height } });
  }

  /** Red, green, blue and opacity of the classes' layer at the middles of all patches, row by row. */
  async painted(columns, rows) {
    return this.page.locator("canvas.scene-overlay").evaluate(
      (canvas, [columns, rows]) => {
        const pixels = canvas.getContext("2d");
        const at = (part, count, length) => Math.floor(((part + 0.5) / count) * length);
        return Array.from({ length: columns * rows }, (_, i) => [
          ...pixels.getImageData(at(i % columns, columns, canvas.width), at(Math.floor(i / columns), rows, canvas.height), 1, 1).data,
        ]);
      },
      [columns, rows],
    );
  }

  /** The legend's colour of a class. */
  async colour(label) {
    const line = this.page.locator(".legend-line").filter({ hasText: new RegExp(`^\\s*${label}\\s*$`) });
    const text = await line.locator(".swatch").evaluate((swatch) => getComputedStyle(swatch).backgroundColor);
    return text.match(/\d+/g).slice(0, 3).map(Number);
  }

  async downloadBytes(button) {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.page.getByRole("button", { name: button }).click()]);
    return readFile(await download.path());
  }
}
