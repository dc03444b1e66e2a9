// The Explore page as a test sees it; where tiles lie on the screen is worked out here, from the gallery file alone.
import { readFile } from "node:fs/promises";

import { ClassifyPage } from "./classify-page.mjs";

export class ExplorePage extends ClassifyPage {
  get map() {
    return this.page.getByRole("application", { name: /^Map of/ });
  }

  get summary() {
    return this.page.locator(".explore-status");
  }

  async openMap(url, parameters = "") {
    await this.open(url, `#/explore${parameters && `?${parameters}`}`);
    await this.waitForTiles();
  }

  async waitForTiles(text = /tiles/) {
    await this.summary.filter({ hasText: text }).waitFor({ timeout: 120_000 });
  }

  /** The address's parameters, once they have been written. */
  async parameters() {
    await this.page.waitForTimeout(450);
    return this.page.evaluate(() => Object.fromEntries(new URLSearchParams(location.hash.split("?")[1])));
  }

  /** Places of all tiles on the map, from raw points, by the page's published rule: the longer side is −1 … 1. */
  worlds(points) {
    const range = [0, 1].map((axis) => {
      const values = points.filter((_, index) => index % 2 === axis);
      return [Math.min(...values), Math.max(...values)];
    });
    const half = Math.max(...range.map(([low, high]) => high - low)) / 2;
    const world = (value, axis) => (value - (range[axis][0] + range[axis][1]) / 2) / half;
    return Array.from({ length: points.length / 2 }, (_, row) => [world(points[row * 2], 0), world(points[row * 2 + 1], 1)]);
  }

  /** Places of all tiles in the window: at zoom 1 the map takes 92 % of the shorter side. */
  async places(points, { x = 0, y = 0, zoom = 1 } = {}) {
    const box = await this.map.boundingBox();
    const scale = (zoom * 0.92 * Math.min(box.width, box.height)) / 2;
    return this.worlds(points).map(([wx, wy]) => [
      box.x + box.width / 2 + (wx - x) * scale,
      box.y + box.height / 2 + (wy - y) * scale,
    ]);
  }

  /** Presses at the first place, goes through the others, and lets go. */
  async drag(...places) {
    const { mouse } = this.page;
    await mouse.move(...places[0]);
    await mouse.down();
    for (const place of places.slice(1)) await mouse.move(...place, { steps: 4 });
    await mouse.up();
  }

  tool(name) {
    return this.page.getByRole("button", { name, exact: true }).click();
  }

  get colour() {
    return this.page.getByRole("combobox", { name: /^Colour/ });
  }

  /** The selected rows, out of the downloaded JSON. */
  async selected() {
    const button = this.page.locator(".selected").getByRole("button", { name: "Download JSON" });
    if (!(await button.isVisible())) return [];
    const [download] = await Promise.all([this.page.waitForEvent("download"), button.click()]);
    // The button may have been below the fold.
    await this.page.evaluate(() => scrollTo(0, 0));
    return JSON.parse(await readFile(await download.path(), "utf8")).tiles.map(({ index }) => index);
  }

  neighbours() {
    return this.page.locator(".near button").evaluateAll((buttons) => buttons.map((button) => button.textContent));
  }

  /** Milliseconds that the page takes to draw, the median over the movements of a drag. */
  async drawingTime(from, by, steps = 40) {
    const { mouse } = this.page;
    return this.medianCost("pointermove", async () => {
      await mouse.move(...from);
      await mouse.down();
      for (let step = 1; step <= steps; step += 1) await mouse.move(from[0] + (by[0] * step) / steps, from[1] + (by[1] * step) / steps);
      await mouse.up();
    });
  }

  /** Milliseconds that the page takes to draw after each `event` of those that `act` causes, the median. */
  async medianCost(event, act) {
    await this.page.evaluate((event) => {
      globalThis.costs = [];
      let start;
      // Before the page's own listener and after it: so are their callbacks in the next frame.
      addEventListener(event, () => requestAnimationFrame(() => (start = performance.now())), { capture: true, passive: true });
      addEventListener(event, () => requestAnimationFrame(() => globalThis.costs.push(performance.now() - start)), { passive: true });
    }, event);
    await act();
    const costs = await this.page.evaluate(() => globalThis.costs.slice(3).sort((a, b) => a - b));
    return costs[Math.floor(costs.length / 2)];
  }

  /** The colour of the map at a place of the window. */
  pixel([x, y]) {
    return this.map.evaluate(
      (canvas, [x, y]) => {
        const box = canvas.getBoundingClientRect();
        const ratio = canvas.width / box.width;
        return [...canvas.getContext("2d").getImageData((x - box.x) * ratio, (y - box.y) * ratio, 1, 1).data];
      },
      [x, y],
    );
  }
}
