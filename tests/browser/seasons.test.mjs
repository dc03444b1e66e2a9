// The Seasons page: what it says of shipped places and of the user's own dates is computed once more by other code, from
// the embeddings that the Classify page exports (which are held against the trainer's elsewhere).
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { keep } from "./appearance.mjs";
import { DIST, OUT, deployed, plainModel, replaceModel } from "./built.mjs";
import { launch } from "./chromium.mjs";
import { decoded, tiff } from "./pictures.mjs";
import { area, cosine, pairs, principal } from "./season-maths.mjs";
import { SeasonsPage } from "./seasons-page.mjs";
import { serve } from "./serve.mjs";

const { places } = JSON.parse(await readFile(deployed("seasons/index.json"), "utf8"));
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const STEPPE = places.findIndex(({ name }) => name === "Kazakh steppe");
const label = (date) => `${MONTHS[Number(date.slice(5, 7)) - 1]} ${date.slice(0, 4)}`;
const picture = (place, date) => deployed(`seasons/${place.id}/${date}.jpg`);
// Three decimals are shown; the page adds in single precision.
const SHOWN = 0.0006;

const close = (found, expected, tolerance, what) =>
  assert.ok(Math.abs(found - expected) <= tolerance, `${what}: ${found} is not ${expected}`);

describe("Seasons", () => {
  let site, browser, view, embeddings;

  before(async () => {
    site = await serve(DIST);
    browser = await launch();
    view = new SeasonsPage(await browser.context.newPage());
    await view.open(site.url);
    await view.waitForDevice("CPU");
    const files = places.flatMap((place) => place.dates.map((date) => ({ place, date })));
    await view.drop(
      ...(await Promise.all(
        files.map(async ({ place, date }) => ({ name: `${place.id} ${date}.jpg`, type: "image/jpeg", bytes: await readFile(picture(place, date)) })),
      )),
    );
    await view.page.getByText(`${files.length} classified`).waitFor({ timeout: 120_000 });
    await view.waitForPhase("ready");
    const { tiles } = JSON.parse(await view.download("Download JSON"));
    embeddings = places.map((place) => tiles.filter(({ file }) => file.startsWith(place.id)).map(({ embedding }) => embedding));
    await view.page.getByRole("link", { name: "Seasons" }).click();
    await view.waitForAll();
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  test("eighteen places with a picture a month are shipped, in less than 3 MB", async () => {
    const sizes = await Promise.all(places.flatMap((place) => place.dates.map(async (date) => (await readFile(picture(place, date))).length)));
    assert.equal(places.length, 18);
    // Six places at two years of months, some of which are missing, and twelve at one year.
    assert.ok(sizes.length > 6 * 20 + 12 * 12, `${sizes.length} pictures`);
    assert.ok(sizes.reduce((a, b) => a + b) < 3e6);
  });

  test("the matrix has the cosine of every two dates", async () => {
    await view.page.getByRole("button", { name: "Kazakh steppe" }).click();
    await view.page.getByRole("heading", { name: "Kazakh steppe" }).waitFor();
    const found = await view.similarities();
    const { dates } = places[STEPPE];
    assert.equal(Object.keys(found).length, dates.length ** 2);
    dates.forEach((a, i) =>
      dates.forEach((b, j) => {
        const what = `${label(a)} and ${label(b)}`;
        close(found[what], cosine(embeddings[STEPPE][i], embeddings[STEPPE][j]), SHOWN, what);
      }),
    );
  });

  test("the map of the place's way is that of its principal components", async () => {
    const { points, shares } = principal(embeddings[STEPPE]);
    const article = view.page.getByRole("article", { name: "Its way through the year" });
    const kept = Number((await article.innerText()).match(/keeps ([\d.]+) %/)[1]);
    close(kept, (shares[0] + shares[1]) * 100, 0.06, "share of the differences");
    const dots = await article.locator("circle").evaluateAll((dots) => dots.map((dot) => [dot.cx.baseVal.value, dot.cy.baseVal.value]));
    const distances = (points) => points.flatMap((a, i) => points.slice(i + 1).map((b) => Math.hypot(a[0] - b[0], a[1] - b[1])));
    const [drawn, computed] = [distances(dots), distances(points)];
    const scale = Math.max(...drawn) / Math.max(...computed);
    drawn.forEach((distance, i) => close(distance, computed[i] * scale, 1, `distance ${i} in pixels`));
  });

  for (const { scope, focus } of [
    { scope: "this place", focus: STEPPE },
    { scope: "all places", focus: null },
  ]) {
    test(`${scope} against others: area and counts are those of brute force`, async () => {
      await view.page.getByRole("radio", { name: scope }).check();
      const expected = pairs(embeddings, focus);
      // Thousands are set apart.
      const same = String(expected.same.length).replace(/\B(?=(\d{3})+$)/g, "\\s?");
      await view.page.getByText(new RegExp(`Of the pairs of one place, [\\d\\s]+ of ${same} `)).waitFor();
      const best = await view.separation();
      close(best.area, area(expected), SHOWN, "area under the curve");
      assert.deepEqual([best.same, best.other], [expected.same.length, expected.other.length]);
      await view.threshold.fill(await view.threshold.evaluate((slider) => String(Number(slider.min) + 200 * Number(slider.step))));
      const threshold = Number(await view.threshold.inputValue());
      const moved = await view.separation();
      assert.notEqual(moved.alarms, best.alarms, "the slider moves the threshold");
      // Pairs on the very edge may fall on either side of it in single precision.
      const count = (values, least) => values.filter((value) => value >= least).length;
      for (const [found, values] of [[moved.hits, expected.same], [moved.alarms, expected.other]]) {
        const [most, fewest] = [count(values, threshold - 2e-6), count(values, threshold + 2e-6)];
        assert.ok(found >= fewest && found <= most, `${found} pairs at ${threshold}, not ${fewest} to ${most}`);
      }
    });
  }

  test("arrow keys in the matrix choose two dates, which the address keeps over a reload", async () => {
    await view.cell("Jan 2004", "Jul 2004").click();
    await view.page.keyboard.press("ArrowDown");
    await view.page.keyboard.press("ArrowRight");
    assert.match(await view.page.evaluate(() => document.activeElement.getAttribute("aria-label")), /^Feb 2004 and Aug 2004/);
    const parameters = { place: places[STEPPE].id, left: "2004-02", right: "2004-08" };
    assert.deepEqual(await view.parameters(), parameters);
    await view.page.reload();
    await view.similarities();
    assert.deepEqual(await view.parameters(), parameters);
    const sentence = await view.page.getByText(/^Similarity of Feb 2004 and Aug 2004: /).innerText();
    close(Number(sentence.match(/: (\d\.\d+)/)[1]), cosine(embeddings[STEPPE][1], embeddings[STEPPE][7]), SHOWN, "similarity");
    assert.deepEqual((await view.dates()).filter((date) => date.includes(",")), ["Feb 2004, left", "Aug 2004, right"]);
  });

  test("the strip chooses the right-hand date, with Shift the left-hand one, by keyboard too", async () => {
    const strip = view.page.getByRole("list", { name: "Dates" });
    await strip.getByRole("button", { name: "Jul 2004" }).press("Enter");
    await strip.getByRole("button", { name: "Jan 2004" }).press("Shift+Enter");
    assert.deepEqual((await view.dates()).filter((date) => date.includes(",")), ["Jan 2004, left", "Jul 2004, right"]);
    await view.page.getByRole("combobox", { name: "Right" }).selectOption("Dec 2004");
    assert.equal((await view.parameters()).right, "2004-12");
    await view.page.getByRole("combobox", { name: "Right" }).selectOption("Jul 2004");
  });

  test("the swipe shows the left-hand date left of its line and the other right of it", async () => {
    const swipe = view.page.locator(".swipe");
    // Brightness of the left and the right quarter, as painted: January is under snow there, July is not.
    const brightness = async () => {
      const bytes = (await swipe.screenshot()).toString("base64");
      return view.page.evaluate(async (bytes) => {
        const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))]));
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
        canvas.drawImage(bitmap, 0, 0);
        const mean = (x) => {
          const { data } = canvas.getImageData(x, 40, 60, 120);
          return data.reduce((sum, value, i) => sum + (i % 4 === 1 ? value : 0), 0) / (data.length / 4);
        };
        return [mean(20), mean(bitmap.width - 80)];
      }, bytes);
    };
    const [left, right] = await brightness();
    assert.ok(left > 200 && right < 150, `${left} and ${right}`);
    const slider = view.page.getByRole("slider", { name: "Line between the two dates" });
    await slider.press("End");
    assert.ok((await brightness())[1] > 200, "all of it is January");
    await slider.press("Home");
    assert.ok((await brightness())[0] < 150, "all of it is July");
  });

  test("a model without projection heads: one sentence says that there is a single space", async () => {
    const plain = await launch();
    try {
      await replaceModel(plain.context, plainModel);
      const other = new SeasonsPage(await plain.context.newPage());
      await other.open(site.url, "#/seasons");
      await other.page.getByText(/This model has a single space/).waitFor();
      assert.equal(await other.page.getByRole("group", { name: "What counts as alike" }).count(), 0);
    } finally {
      await plain.close();
    }
  });

  test("own pictures: sorted by the dates in their names, compared, and the rest said in words", async () => {
    const dates = places[STEPPE].dates;
    const bytes = (month) => readFile(picture(places[STEPPE], dates[month]));
    const july = await decoded(view.page, `seasons/${places[STEPPE].id}/${dates[6]}.jpg`);
    await view.dropSeries(
      { name: "field 2021_10.jpg", type: "image/jpeg", bytes: await bytes(9) },
      { name: "S2_20210715T103021.tif", type: "image/tiff", bytes: tiff({ ...july, bands: 3, bits: 8, samples: july.rgb, geo: true }) },
      { name: "field_2021-01-15.jpg", type: "image/jpeg", bytes: await bytes(0) },
      { name: "holiday.jpg", type: "image/jpeg", bytes: await bytes(1) },
      { name: "field_2021-12-01.png", type: "image/png", bytes: "no picture" },
    );
    await view.page.getByText("field_2021-12-01.png is left out").waitFor();
    await view.waitForAll();
    const problems = await view.page.getByRole("region", { name: "Places" }).getByRole("alert").allInnerTexts();
    assert.equal(problems.length, 2, problems.join("\n"));
    assert.match(problems[0], /No date in the name: holiday\.jpg.*Write the date into the file's name/s);
    assert.match(problems[1], /text, whatever its name says/);
    assert.deepEqual((await view.dates()).map((date) => date.split(",")[0]), ["15 Jan 2021", "15 Jul 2021", "Oct 2021"]);
    const found = await view.similarities();
    close(found["15 Jan 2021 and Oct 2021"], cosine(embeddings[STEPPE][0], embeddings[STEPPE][9]), SHOWN, "similarity");
    // The TIFF's pixels are the browser's reading of the JPEG, a grey level off here and there.
    close(found["15 Jul 2021 and Oct 2021"], cosine(embeddings[STEPPE][6], embeddings[STEPPE][9]), 0.005, "similarity of the TIFF");
    const { same, other } = await view.separation();
    assert.deepEqual([same, other], [3, 3 * places.reduce((sum, { dates }) => sum + dates.length, 0)]);
    const pictures = view.page.getByRole("list", { name: "Dates" }).locator("img");
    assert.equal(await pictures.count(), 3, "the TIFF has a picture too");
    for (const width of await pictures.evaluateAll((images) => images.map(({ naturalWidth }) => naturalWidth))) assert.equal(width, 64);
    await view.page.screenshot({ path: join(OUT, "seasons-own-1280-light.png"), fullPage: true });
  });

  test("one date is no series: the page says so and stays where it was", async () => {
    await view.page.getByRole("button", { name: "Lapland" }).click();
    await view.dropSeries({ name: "2021-01-15.jpg", type: "image/jpeg", bytes: await readFile(picture(places[STEPPE], "2004-01")) });
    assert.match(await view.alert.innerText(), /at least two dates/);
    await view.page.getByRole("heading", { name: "Lapland" }).waitFor();
    await view.page.getByRole("button", { name: "Dismiss" }).click();
    assert.equal(await view.page.getByRole("alert").count(), 0);
    await view.page.getByRole("button", { name: "Your pictures" }).waitFor();
  });

  test("going to another page and back keeps all", async () => {
    await view.page.getByRole("link", { name: "Classify" }).click();
    await view.page.getByRole("heading", { name: "What does this tile show?" }).waitFor();
    await view.page.getByRole("link", { name: "Seasons" }).click();
    await view.page.getByRole("button", { name: "Your pictures" }).waitFor();
    const { id } = places.find(({ name }) => name.startsWith("Lapland"));
    assert.equal((await view.parameters()).place, id);
    await view.page.getByRole("link", { name: "Seasons" }).click();
    await view.page.waitForFunction((id) => location.hash.includes(id), id);
  });

  test("no request left the origin, and nothing went wrong unseen", () => {
    const origin = new URL(site.url).origin;
    const foreign = view.requests.filter((url) => !url.startsWith(origin) && !url.startsWith("blob:") && !url.startsWith("data:"));
    assert.deepEqual(foreign, []);
    assert.deepEqual(view.errors, []);
  });
});

describe("Seasons, when something is missing", () => {
  let site, browser, view;

  before(async () => {
    site = await serve(DIST);
    browser = await launch();
    view = new SeasonsPage(await browser.context.newPage());
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  test("no list of places: the page says so, and tries again", async () => {
    await browser.context.route(/seasons\/index\.json$/, (route) => route.fulfill({ status: 404, body: "no" }));
    await view.open(site.url, "#/seasons");
    assert.match(await view.alert.innerText(), /seasons\/index\.json is not there/);
    await browser.context.unroute(/seasons\/index\.json$/);
    await view.page.getByRole("button", { name: "Try again" }).click();
    await view.page.getByRole("heading", { name: places[0].name }).waitFor();
  });

  test("a picture that is missing is named, and the others are compared", async () => {
    await browser.context.route(new RegExp(`${places[0].id}/2018-03\\.jpg$`), (route) => route.fulfill({ status: 404, body: "no" }));
    await view.open(site.url, `#/seasons?place=${places[0].id}`);
    await view.page.reload();
    assert.equal(Object.keys(await view.similarities()).length, (places[0].dates.length - 1) ** 2);
    assert.match(await view.alert.innerText(), /2018-03\.jpg is left out/);
  });

  test("an unknown place in the address: the first one is shown", async () => {
    await view.open(site.url, "#/seasons?place=atlantis&left=1999-01");
    await view.page.reload();
    await view.similarities();
    assert.equal((await view.parameters()).place, places[0].id);
  });
});

for (const colorScheme of ["light", "dark"]) {
  test(`Seasons, looks, ${colorScheme}`, async () => {
    const site = await serve(DIST);
    const browser = await launch({ colorScheme });
    try {
      const view = new SeasonsPage(await browser.context.newPage());
      await view.open(site.url, "#/seasons");
      await view.waitForAll();
      await keep(view.page, "seasons", colorScheme);
    } finally {
      await browser.close();
      await site.close();
    }
  });
}
