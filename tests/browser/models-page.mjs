// The Models page as a test sees it.
import { ClassifyPage } from "./classify-page.mjs";

export class ModelsPage extends ClassifyPage {
  get inUse() {
    return this.page.getByRole("article", { name: "The model in use" });
  }

  get other() {
    return this.page.getByRole("article", { name: "The other model" });
  }

  get compared() {
    return this.page.getByRole("article", { name: "Two models side by side" });
  }

  async go(name) {
    await this.page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
  }

  /** `{ name: value }` of a card. */
  async facts(card = this.inUse) {
    await card.locator("dt").first().waitFor();
    return card.evaluate((card) => Object.fromEntries([...card.querySelectorAll("dt")].map((name) => [name.textContent, name.nextElementSibling.textContent])));
  }

  async dropModel(name, bytes) {
    await this.dropOn(this.page.getByText("Drop a model of your own"), { name, type: "application/octet-stream", bytes });
  }

  /** The table's rows: `{ name, first, second, differs }`. */
  async rows() {
    const rows = await this.compared.locator("tbody tr").all();
    return Promise.all(
      rows.map(async (row) => {
        const cells = await row.getByRole("cell").locator(".said").allInnerTexts();
        const head = await row.getByRole("rowheader").innerText();
        return { name: head.replace("differs", "").trim(), first: cells[0], second: cells[1], differs: head.includes("differs") };
      }),
    );
  }

  model() {
    return this.page.evaluate(() => new URLSearchParams(location.hash.split("?")[1]).get("model"));
  }
}
