// Starts Chromium the two ways that matter: without an adapter (CPU path) and with WebGPU on SwiftShader.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const QUIET = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--hide-scrollbars", // as on a phone; a picture of the whole page would be cut by their width
];
const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
// WebGL by the processor, for pages that ask for it even so.
const WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];

/** Where Chromium is: $CHROMIUM, or the usual places. */
export function executable() {
  const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const found = places.find((place) => place && existsSync(place));
  if (!found) throw new Error("no Chromium found\nhint: install it (apt-get install chromium), or set CHROMIUM to its path");
  return found;
}

/**
 * A browser with a fresh profile. Service workers are blocked unless a test allows them: they would answer what it means
 * to intercept.
 * @returns {Promise<{ context: import("playwright-core").BrowserContext, close: () => Promise<void> }>}
 */
export async function launch({ webgpu = false, webgl = false, ...options } = {}) {
  const profile = await mkdtemp(join(tmpdir(), "solstice-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable(),
    headless: false, // the new headless mode is asked for below; Playwright's own is the old one
    args: ["--headless=new", ...QUIET, ...(webgpu ? WEBGPU : []), ...(webgl ? WEBGL : [])],
    viewport: { width: 1280, height: 800 },
    serviceWorkers: "block",
    ...options,
  });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
