// The Classify page as a test sees it: found by role and text, never by the page's internals.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

export class ClassifyPage {
  constructor(page) {
    this.page = page;
    this.errors = [];
    this.requests = [];
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => message.type() === "error" && this.errors.push(message.text()));
    page.context().on("request", (request) => this.requests.push(request.url()));
  }

  async open(url, hash = "") {
    await this.page.goto(url + hash);
  }

  get status() {
    return this.page.getByRole("status");
  }

  get alert() {
    return this.page.getByRole("alert").first();
  }

  phase() {
    return this.page.locator("[data-phase]").getAttribute("data-phase");
  }

  async waitForPhase(phase, timeout = 120_000) {
    await this.page.locator(`[data-phase="${phase}"]`).waitFor({ timeout });
  }

  /** Waits until the device in use is `label` ("CPU" or "WebGPU"), and returns the sentence that says why. */
  async waitForDevice(label, timeout = 240_000) {
    await this.status.filter({ hasText: new RegExp(`^\\s*Ready on ${label}:`) }).waitFor({ timeout });
    return (await this.status.innerText()).trim();
  }

  /** Waits until answers come with neighbours. */
  async waitForGallery() {
    await this.page.locator("footer").getByText("EuroSAT").waitFor();
  }

  /** What the header says of model, device and memory. */
  async deviceChip() {
    return (await this.page.locator(".device-menu summary").innerText()).replace(/\s+/g, " ").trim();
  }

  /** Picks a device in the menu of the header, by its label there. */
  async chooseDevice(label) {
    await this.page.locator(".device-menu summary").click();
    await this.page.getByRole("combobox").selectOption(label);
    await this.page.keyboard.press("Escape");
  }

  /** Drops files on the page, as from a file manager. */
  async drop(...files) {
    await this.dropOn(this.page.getByText("Drop tiles here"), ...files);
  }

  async dropOn(target, ...files) {
    await (await this.readyToDrop(target, ...files))();
  }

  /** Has the files in the browser already; the result drops them. */
  async readyToDrop(target, ...files) {
    const parts = await Promise.all(
      files.map(async (file) =>
        typeof file === "string"
          ? { name: basename(file), type: typeOf(file), base64: (await readFile(file)).toString("base64") }
          : { name: file.name, type: file.type, base64: Buffer.from(file.bytes).toString("base64") },
      ),
    );
    const transfer = await this.page.evaluateHandle((parts) => {
      const transfer = new DataTransfer();
      for (const { name, type, base64 } of parts) {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
      }
      return transfer;
    }, parts);
    return async () => {
      await target.dispatchEvent("dragover", { dataTransfer: transfer });
      await target.dispatchEvent("drop", { dataTransfer: transfer });
      await transfer.dispose();
    };
  }

  answer(name) {
    return this.page.getByRole("article", { name: `Answer for ${name}` });
  }

  /** The class named first, as the page writes it. */
  async verdict(name, timeout = 240_000) {
    const bars = this.answer(name).getByRole("listitem").first();
    await bars.waitFor({ timeout });
    await this.answer(name).getByText("Land cover").waitFor({ timeout });
    return (await this.answer(name).getByRole("heading", { level: 2 }).locator(".verdict").innerText()).trim();
  }

  /** Presses a download button and returns the file's text. */
  async download(button) {
    const [download] = await Promise.all([
      this.page.waitForEvent("download"),
      this.page.getByRole("button", { name: button }).click(),
    ]);
    return readFile(await download.path(), "utf8");
  }
}

function typeOf(file) {
  const types = { ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".tif": "image/tiff" };
  return types[file.slice(file.lastIndexOf("."))] ?? "";
}

/** `AnnualCrop` → `Annual crop`, as the page writes classes. */
export function classLabel(name) {
  return name.replace(/([a-z])([A-Z])/g, (_, before, after) => `${before} ${after.toLowerCase()}`).replaceAll("_", " ");
}
