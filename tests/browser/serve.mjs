// A static file server on 127.0.0.1 for tests and benchmarks, with the content types that WASM needs.
//
// `node serve.mjs FOLDER [PORT]` serves until it is stopped; from code, `serve(folder)` returns { url, close }.
import { createServer } from "node:http";
import { readFile, stat } from "node:fs/promises";
import { extname, join, normalize, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".webp": "image/webp",
};

/**
 * Serves `folder` under `prefix` ("/" or "/some/path/"); `extra` maps further prefixes to folders; `isolated` sends the
 * headers without which a page gets no threads; `compressed` sends everything but pictures as gzip, as hosts do;
 * `bytesPerSecond` is what all answers together may take (workers' too, which a browser's own throttle leaves out).
 * @returns {Promise<{ url: string, sent: () => number, close: () => Promise<void> }>}
 */
export async function serve(folder, { port = 0, prefix = "/", extra = {}, isolated = false, compressed = false, bytesPerSecond = Infinity } = {}) {
  const roots = Object.entries({ ...extra, [prefix]: folder })
    .map(([path, root]) => [path, resolve(root)])
    .sort(([a], [b]) => b.length - a.length);
  const isolation = isolated
    ? { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" }
    : {};
  const packed = new Map();
  const gzipped = (file, body) => {
    if (!packed.has(file)) packed.set(file, gzipSync(body, { level: 9 }));
    return packed.get(file);
  };
  let sent = 0;
  let freeAt = 0;
  /** Piece by piece, in turns with the other answers. */
  const trickle = async (response, body) => {
    const PIECE = 8192;
    for (let at = 0; at < body.length && !response.destroyed; at += PIECE) {
      const piece = body.subarray(at, at + PIECE);
      freeAt = Math.max(freeAt, performance.now()) + (piece.length / bytesPerSecond) * 1000;
      await new Promise((done) => setTimeout(done, freeAt - performance.now()));
      sent += piece.length;
      response.write(piece);
    }
    response.end();
  };
  const server = createServer(async (request, response) => {
    const refuse = (status) => response.writeHead(status, { "content-type": "text/plain" }).end(String(status));
    try {
      const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
      const [mount, root] = roots.find(([mount]) => path.startsWith(mount)) ?? [];
      if (!root) return refuse(404);
      let file = normalize(join(root, path.slice(mount.length)));
      if (file !== root && !file.startsWith(root + sep)) return refuse(403);
      if ((await stat(file)).isDirectory()) file = join(file, "index.html");
      const type = TYPES[extname(file)] ?? "application/octet-stream";
      const isPacked = compressed && !/^image\/(png|jpeg|webp)/.test(type);
      const plain = await readFile(file);
      const body = isPacked ? gzipped(file, plain) : plain;
      response.writeHead(200, {
        "content-type": type,
        ...(isPacked && { "content-encoding": "gzip" }),
        "content-length": body.length,
        "cache-control": "no-store",
        ...isolation,
      });
      if (request.method === "HEAD") return response.end();
      if (bytesPerSecond < Infinity) return await trickle(response, body);
      sent += body.length;
      response.end(body);
    } catch (error) {
      refuse(error.code === "ENOENT" || error.code === "ENOTDIR" ? 404 : 500);
    }
  });
  await new Promise((done, failed) => server.once("error", failed).listen(port, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}${prefix}`;
  return {
    url,
    sent: () => sent,
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [folder = "../../web/dist", port = "8080"] = process.argv.slice(2);
  const { url } = await serve(folder, { port: Number(port) });
  console.log(`serving ${folder} at ${url}`);
}
