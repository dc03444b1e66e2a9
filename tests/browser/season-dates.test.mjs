// The names of many dates at the matrix: each whole, in its own row or column, over none of the others, wide and narrow.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { SIZES, keep } from "./appearance.mjs";
import { DIST, deployed } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { SeasonsPage } from "./seasons-page.mjs";
import { serve } from "./serve.mjs";

const { places } = JSON.parse(await readFile(deployed("seasons/index.json"), "utf8"));
const longest = places.reduce((a, b) => (b.dates.length > a.dates.length ? b : a));

let site, browser, view;

before(async () => {
  site = await serve(DIST);
  browser = await launch();
  view = new SeasonsPage(await browser.context.newPage());
  await view.open(site.url, `#/seasons?place=${longest.id}`);
  await view.waitForDevice("CPU");
  await view.matrix.waitFor({ timeout: 120_000 });
});

after(async () => {
  await browser?.close();
  await site?.close();
});

/** Boxes of all names at the matrix: `{ text, left, top, right, bottom, cell: { … } }`. */
const names = () =>
  view.matrix.evaluate((table) => {
    const box = ({ left, top, right, bottom }) => ({ left, top, right, bottom });
    return [...table.querySelectorAll("th")].map((head) => {
      const range = document.createRange();
      range.selectNodeContents(head);
      const size = parseFloat(getComputedStyle(head).fontSize);
      const found = box(range.getBoundingClientRect());
      // A line's box has room above and below its letters, which are as high as the font is.
      const [from, to] = head.matches(".is-upright") ? ["left", "right"] : ["top", "bottom"];
      const spare = Math.max(0, (found[to] - found[from] - size) / 2);
      [found[from], found[to]] = [found[from] + spare, found[to] - spare];
      return { text: head.innerText.trim(), scope: head.scope, size, ...found, cell: box(head.getBoundingClientRect()) };
    });
  });

test("every date has its name, whole, and in no other's way", async () => {
  assert.ok(longest.dates.length >= 24, `${longest.dates.length} dates`);
  for (const size of SIZES) {
    await view.page.setViewportSize(size);
    const found = await names();
    for (const scope of ["col", "row"]) assert.equal(found.filter((name) => name.scope === scope).length, longest.dates.length);
    for (const name of found) {
      const what = `${name.text} (${name.scope}) at ${size.width}`;
      assert.ok(name.text.length > 0 && name.size >= 10, `${what}: ${name.size} px`);
      for (const [edge, sign] of [["left", 1], ["top", 1], ["right", -1], ["bottom", -1]]) {
        assert.ok((name[edge] - name.cell[edge]) * sign >= -2, `${what} sticks out, ${edge}: ${name[edge]}, of ${name.cell[edge]}`);
      }
    }
    found.forEach((a, i) =>
      found.slice(i + 1).forEach((b) => {
        const apart = a.right <= b.left + 2 || b.right <= a.left + 2 || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
        assert.ok(apart, `${a.text} and ${b.text} at ${size.width}`);
      }),
    );
    const years = found.filter(({ scope }) => scope === "colgroup").map(({ text }) => text);
    assert.deepEqual(years, [...new Set(longest.dates.map((date) => date.slice(0, 4)))]);
  }
  await view.page.setViewportSize(SIZES[0]);
  for (const scheme of ["light", "dark"]) {
    await view.page.emulateMedia({ colorScheme: scheme });
    await keep(view.page, "season-dates", scheme);
  }
});
