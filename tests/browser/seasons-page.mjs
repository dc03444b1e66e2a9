// The Seasons page as a test sees it.
import { ClassifyPage } from "./classify-page.mjs";

export class SeasonsPage extends ClassifyPage {
  get matrix() {
    return this.page.getByRole("grid", { name: "Every date with every date" });
  }

  get threshold() {
    return this.page.getByRole("slider", { name: "Threshold" });
  }

  cell(left, right) {
    return this.matrix.getByRole("button", { name: new RegExp(`^${left} and ${right}:`) });
  }

  /** Waits until all places are read. */
  async waitForAll(timeout = 120_000) {
    await this.page.getByText("Area under the curve").waitFor({ timeout });
  }

  /** `{ "Jan 2004 and Jul 2004": 0.946, … }` */
  async similarities() {
    await this.matrix.waitFor({ timeout: 120_000 });
    const labels = await this.matrix.getByRole("button").evaluateAll((cells) => cells.map((cell) => cell.getAttribute("aria-label")));
    return Object.fromEntries(labels.map((label) => label.split(": ")).map(([dates, value]) => [dates, Number(value)]));
  }

  /** The area under the curve, and the counts at the threshold. */
  async separation() {
    const text = await this.page.getByRole("article", { name: "The same place against other places" }).innerText();
    const number = (digits) => Number(digits.replace(/\s/g, ""));
    const [, hits, same, alarms, other] = text.match(/one place, ([\d\s]+) of ([\d\s]+) \(.*?wrongly, ([\d\s]+) of ([\d\s]+) \(/);
    return {
      area: Number(text.match(/Area under the curve (\d\.\d+)/)[1]),
      hits: number(hits),
      same: number(same),
      alarms: number(alarms),
      other: number(other),
    };
  }

  /** The dates in the strip, with the marks of the two that are compared. */
  dates() {
    return this.page.getByRole("list", { name: "Dates" }).getByRole("button").evaluateAll((dates) => dates.map((date) => date.getAttribute("aria-label")));
  }

  parameters() {
    return this.page.evaluate(() => Object.fromEntries(new URLSearchParams(location.hash.split("?")[1])));
  }

  async dropSeries(...files) {
    await this.dropOn(this.page.getByText("Drop your own dated pictures"), ...files);
  }
}
