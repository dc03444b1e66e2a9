// What a machine can check of how a page looks: axe's rules, and that nothing sticks out sideways. Pictures are for people.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

import { OUT } from "./built.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const SIZES = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
];

export async function assertAccessible(page, state) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const report = serious.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html }) => html).join("\n  ")}`);
  assert.equal(serious.length, 0, `${state}\n${report.join("\n")}`);
}

export async function assertNoSidewaysScroll(page, state) {
  const [content, window] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return [scrollWidth, clientWidth];
  });
  assert.ok(content <= window, `${state}: the page is ${content} pixels wide in a window of ${window}`);
}

/** Checks a state of the page at both widths, and keeps a picture of each. */
export async function keep(page, state, colorScheme) {
  // Colours fade over 120 ms.
  await page.waitForTimeout(200);
  await assertAccessible(page, `${state}, ${colorScheme}`);
  for (const size of SIZES) {
    await page.setViewportSize(size);
    await assertNoSidewaysScroll(page, `${state} at ${size.width}`);
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: join(OUT, `${state}-${size.width}-${colorScheme}.png`), fullPage: true });
  }
  await page.setViewportSize(SIZES[0]);
}
