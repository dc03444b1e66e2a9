// How much memory the page takes, in megabytes, after a collection: JavaScript objects and the workers' WebAssembly.

/** Of an open page, `{ heap, workers }`; the header says the second. */
export async function memoryOf(page) {
  const client = await page.context().newCDPSession(page);
  await client.send("HeapProfiler.collectGarbage");
  const { usedSize } = await client.send("Runtime.getHeapUsage");
  await client.detach();
  const chip = await page.locator(".device-menu summary").innerText();
  return { heap: usedSize / 1e6, workers: Number(chip.match(/([\d.]+) MB/)?.[1] ?? 0) };
}

/** Keeps watch over frames and long tasks of a page from now on; the result says how smooth it has been, in milliseconds. */
export async function watchFrames(page) {
  await page.evaluate(() => {
    const watch = (globalThis.frameWatch = { frames: [], tasks: [], isOn: true });
    new PerformanceObserver((list) => watch.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
    let before = performance.now();
    const step = (now) => {
      watch.frames.push(now - before);
      before = now;
      if (watch.isOn) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  return async () => {
    const { frames, tasks } = await page.evaluate(() => ((frameWatch.isOn = false), frameWatch));
    frames.sort((a, b) => a - b);
    const at = (share) => frames[Math.min(frames.length - 1, Math.floor(frames.length * share))] ?? 0;
    return { frames: frames.length, median: at(0.5), p95: at(0.95), longest: at(1), longestTask: Math.max(0, ...tasks) };
  };
}
