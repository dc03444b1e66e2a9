// Another site that holds one file: answers HTTP range requests (RFC 9110, §14) and counts what it sends.
import { createServer } from "node:http";

/**
 * @param {{ ranges?: boolean, cors?: boolean, told?: boolean, fails?: (count: number) => boolean }} options whether it sends
 *   parts, lets other sites read, and tells them how long the file is; `fails(n)`: whether the n-th answer is 503.
 * @returns {Promise<{ url: string, seen: { method: string, from: number, to: number, cookie?: string }[], sent: () => number, close: () => Promise<void> }>}
 */
export async function serveFile(bytes, { ranges = true, cors = true, told = true, fails = () => false } = {}) {
  const seen = [];
  let sent = 0;
  const server = createServer((request, response) => {
    if (!request.url.endsWith("/scene.tif")) return response.writeHead(404, { "access-control-allow-origin": "*" }).end();
    const [, from, to] = request.headers.range?.match(/^bytes=(\d+)-(\d+)$/)?.map(Number) ?? [];
    seen.push({ method: request.method, from, to, cookie: request.headers.cookie });
    if (fails(seen.length)) return response.writeHead(503, { "access-control-allow-origin": "*" }).end();
    const part = ranges && from !== undefined ? bytes.subarray(from, to + 1) : bytes;
    sent += part.length;
    response.writeHead(ranges && from !== undefined ? 206 : 200, {
      "content-type": "image/tiff",
      "content-length": part.length,
      ...(cors && { "access-control-allow-origin": "*" }),
      ...(cors && told && { "access-control-expose-headers": "content-range" }),
      ...(ranges && from !== undefined && { "content-range": `bytes ${from}-${from + part.length - 1}/${bytes.length}` }),
    });
    response.end(part);
  });
  await new Promise((done, failed) => server.once("error", failed).listen(0, "127.0.0.1", done));
  return {
    // Another port is another origin.
    url: `http://127.0.0.1:${server.address().port}/data/scene.tif`,
    seen,
    sent: () => sent,
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}
