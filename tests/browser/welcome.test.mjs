// The first visit: examples to begin with, and a tour over all pages that can be left; neither comes again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { ScenePage } from "./scene-page.mjs";
import { serve } from "./serve.mjs";

let site, browser, view;

before(async () => {
  site = await serve(DIST);
  browser = await launch();
  view = new ScenePage(await browser.context.newPage());
  await view.page.goto(site.url);
  await view.waitForDevice("CPU");
});

after(async () => {
  await browser?.close();
  await site?.close();
});

const offer = () => view.page.getByRole("region", { name: "New here? Three real examples to begin with" });
const tour = () => view.page.getByRole("complementary", { name: "Tour" });
const hash = () => view.page.evaluate(() => location.hash);

test("three examples are offered, each a click away; with pictures on the page they make room", async () => {
  assert.equal(await offer().getByRole("listitem").count(), 3);
  for (const scheme of ["light", "dark"]) {
    await view.page.emulateMedia({ colorScheme: scheme });
    await keep(view.page, "welcome", scheme);
  }
  await offer().getByRole("button", { name: /^A capital being built/ }).click();
  await view.page.getByRole("heading", { name: "Amaravati, India, under construction" }).waitFor();
  await view.page.goBack();
  await offer().getByRole("button", { name: /^A map of 2 000 tiles/ }).click();
  await view.page.getByRole("application", { name: /^Map of/ }).waitFor();
  await view.page.goBack();
  await offer().getByRole("button", { name: /^Beirut, mapped/ }).click();
  await view.waitForMap("beirut.jpg");
  await offer().waitFor({ state: "detached" });
  await view.card.getByRole("button", { name: "Clear" }).click();
  await offer().waitFor();
});

test("the tour goes through all pages, forth and back", async () => {
  await offer().getByRole("button", { name: "Show me around" }).click();
  await view.waitForMap("beirut.jpg");
  const next = (name = "Next") => tour().getByRole("button", { name }).click();
  for (const [number, page] of [[1, "classify"], [2, "classify"], [3, "seasons"], [4, "explore"], [5, "models"]]) {
    await tour().getByText(`${number} of 5`).waitFor();
    assert.ok((await hash()).startsWith(`#/${page}`), await hash());
    if (number === 3) {
      for (const scheme of ["light", "dark"]) {
        await view.page.emulateMedia({ colorScheme: scheme });
        await keep(view.page, "tour", scheme);
      }
    }
    if (number < 5) await next();
  }
  await tour().getByRole("button", { name: "Back" }).click();
  await tour().getByText("4 of 5").waitFor();
  assert.ok((await hash()).startsWith("#/explore"));
  await next();
  await next("Finish");
  await tour().waitFor({ state: "detached" });
});

test("who has seen it is not asked again, nor after a reload", async () => {
  await view.page.getByRole("link", { name: "Classify" }).click();
  await view.card.getByRole("button", { name: "Clear" }).click();
  await view.page.getByText("Drop tiles here").waitFor();
  assert.equal(await offer().count(), 0);
  await view.page.reload();
  await view.waitForDevice("CPU");
  assert.equal(await offer().count(), 0);
});

test("it is left at any step, by key or button, and what the user has on the page stays", async () => {
  const other = await browser.context.newPage();
  const again = new ScenePage(other);
  await again.page.goto(site.url);
  await other.evaluate(() => localStorage.removeItem("solstice.welcome"));
  await other.reload();
  await again.waitForDevice("CPU");
  await other.getByRole("button", { name: "Show me around" }).click();
  await other.getByText("1 of 5").waitFor();
  await other.keyboard.press("Escape");
  await other.getByRole("complementary", { name: "Tour" }).waitFor({ state: "detached" });
  await again.waitForMap("beirut.jpg");
  assert.equal(await other.evaluate(() => localStorage.getItem("solstice.welcome")), "seen");
  assert.deepEqual([...view.errors, ...again.errors], []);
});
