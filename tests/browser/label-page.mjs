// The panel "Label it yourself" as a test sees it.
import { ClassifyPage } from "./classify-page.mjs";

export class LabelPage extends ClassifyPage {
  get sheet() {
    return this.page.getByRole("listbox", { name: "Tiles to mark" });
  }

  get accuracy() {
    return this.page.getByText("Leave-one-out accuracy").locator("..");
  }

  tile(name) {
    return this.sheet.getByRole("option", { name: new RegExp(`^${name.replaceAll(".", "\\.")}`) });
  }

  async openPanel() {
    await this.page.getByText("Label it yourself").click();
    await this.page.getByRole("textbox", { name: "Name of a new class" }).waitFor();
  }

  async addClass(name) {
    await this.page.getByRole("textbox", { name: "Name of a new class" }).fill(name);
    await this.page.keyboard.press("Enter");
  }

  /** Chooses tiles on the sheet, then marks them with the button of a class. */
  async mark(name, tiles) {
    for (const tile of tiles) await this.tile(tile).click();
    await this.page.getByRole("button", { name: `Mark as ${name}` }).click();
  }

  /** Ticks a tile in the table, which holds only the rows in view: scrolled to as a person would. */
  async tick(tile) {
    const frame = this.page.getByRole("region", { name: "Answers, one row for each tile" });
    const box = this.page.getByRole("checkbox", { name: `Choose ${tile}` });
    const heights = await frame.evaluate(({ scrollHeight, clientHeight }) => [scrollHeight, clientHeight]);
    for (let top = 0; (await box.count()) === 0 && top < heights[0]; top += heights[1] / 2) {
      await frame.evaluate((frame, top) => (frame.scrollTop = top), top);
      // Until the rows of this place are there.
      await this.page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    }
    await box.check();
  }

  /** `{ right, tiles }` of the leave-one-out figure, once it is there. */
  async leftOut(tiles) {
    await this.accuracy.getByText(`of ${tiles} tiles`).waitFor();
    const [, right, all] = (await this.accuracy.innerText()).match(/(\d+) of (\d+) tiles/);
    return { right: Number(right), tiles: Number(all) };
  }

  async answers() {
    return JSON.parse(await this.download("Download JSON"));
  }

  async loadLabels(name, text) {
    await this.page.getByLabel("Load labels").setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
  }
}
