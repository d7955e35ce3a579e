// A web service that finds similar images: embeds a folder once, then answers uploads from a small page. Does not need
// libtorch.
//   npm install horoball onnxruntime-node sharp
//   node lib/examples/similar.mjs MODEL IMAGES [port]
// MODEL is a run folder of `npx horoball train` (or start), or a folder or file of `npx horoball export`; IMAGES is a folder
// of images, with or without class folders. Listens on HOST (default 127.0.0.1), and accepts requests to an IP address or
// to a host name in ALLOWED_HOSTS. lib/guide/serving.md describes the HTTP API.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { isIP } from 'node:net';
import { basename, dirname, extname, join } from 'node:path';
import { Gallery, matrix } from 'horoball';
import { loadEmbedder } from 'horoball/embed';

process.on('uncaughtException', ({ message }) => {
  console.error(message); // one sentence, without a stack
  process.exit(1);
});
const [model, folder, port = '8080'] = process.argv.slice(2);
if (folder === undefined || !(Number.isInteger(Number(port)) && port >= 0 && port < 65_536)) {
  console.error('usage: node lib/examples/similar.mjs MODEL IMAGES [port]');
  process.exit(2);
}
const { HOST: host = '127.0.0.1', ALLOWED_HOSTS: allowed = '127.0.0.1,localhost' } = process.env;
const largest = 20e6; // maximum size of an upload in bytes
const maxPixels = 4e7; // maximum number of pixels, which take half a second to decode
const seconds = 10; // time limit of an upload and of an answer
const waiting = 32; // maximum number of concurrent searches; further requests get status 503

const types = {
  '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.png': 'image/png', '.webp': 'image/webp', '.gif': 'image/gif',
  '.bmp': 'image/bmp', '.tif': 'image/tiff', '.tiff': 'image/tiff',
};
const entries = await readdir(folder, { recursive: true, withFileTypes: true });
const paths = entries
  .filter((entry) => entry.isFile() && extname(entry.name).toLowerCase() in types)
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .sort();
if (paths.length === 0) throw new Error(`${folder} has no images`);

const embedder = await loadEmbedder(model, { maxPixels });
const space = embedder.space === 'unit' ? 'unit' : 'ball';
const unreadable = new Set();
const rows = await embedder.embed(paths, {
  space,
  onUnreadable: (index, { message }) => {
    unreadable.add(index);
    console.error(message);
  },
  onProgress: (done, total) => process.stderr.isTTY && process.stderr.write(`\r${done}/${total} images`),
});
// The gallery's row i is the image shown[i].
const shown = [...paths.keys()].filter((index) => !unreadable.has(index));
if (shown.length === 0) throw new Error(`no image in ${folder} could be read`);
const data = new Float32Array(shown.length * rows.cols);
for (const [i, index] of shown.entries()) data.set(rows.data.subarray(index * rows.cols, (index + 1) * rows.cols), i * rows.cols);
const gallery = new Gallery(space === 'unit' ? { metric: 'cosine' } : { metric: 'poincare', c: embedder.c });
await gallery.add(matrix(data, shown.length, rows.cols));
console.log(`${shown.length} images, ${embedder.runtime}`);

/** Returns the images nearest to an encoded image. */
async function similar(bytes, signal) {
  const began = performance.now();
  const query = await embedder.embed([bytes], { space, signal });
  const embedded = performance.now();
  const { indices, distances } = await gallery.topK(query, { k: Math.min(12, gallery.size), signal });
  const results = Array.from(indices, (row, i) => {
    const path = paths[shown[row]];
    return { image: `/image/${shown[row]}`, class: basename(dirname(path)), distance: distances[i] };
  });
  return { results, embedMs: embedded - began, searchMs: performance.now() - embedded };
}

const script = `
const input = document.querySelector('input'), status = document.querySelector('[role=status]'), found = document.querySelector('#found');
input.onchange = async () => {
  found.replaceChildren();
  status.textContent = 'Searching ...';
  const began = performance.now();
  const answer = await fetch('/search', { method: 'POST', body: input.files[0] });
  const { error, results = [], embedMs, searchMs } = await answer.json();
  const total = performance.now() - began;
  status.textContent = error ?? results.length + ' nearest images in ' + total.toFixed(0) + ' ms (embedding '
    + embedMs.toFixed(0) + ' ms, search ' + searchMs.toFixed(1) + ' ms)';
  for (const each of results) {
    const figure = document.createElement('figure'), image = new Image(), caption = document.createElement('figcaption');
    image.src = each.image;
    image.alt = each.class;
    caption.textContent = each.class + ' ' + each.distance.toFixed(3);
    figure.append(image, caption);
    found.append(figure);
  }
};
`;
const scriptHash = createHash('sha256').update(script).digest('base64');

const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>Similar images</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;
padding:0 1rem}#found{display:grid;grid-template-columns:repeat(auto-fill,minmax(8rem,1fr));gap:1rem;margin-top:1rem}
figure{margin:0}img{width:100%;aspect-ratio:1;object-fit:cover;border-radius:6px}figcaption{font-size:.8rem;overflow-wrap:anywhere}</style>
<h1>Similar images</h1><label>An image: <input type="file" accept="image/*"></label><p role="status"></p><div id="found"></div>
<script>${script}</script></html>`;

/** Returns an error with the HTTP status of the response. */
const refusal = (status, message) => Object.assign(new Error(message), { status });

async function body(request) {
  const tooLarge = () => refusal(413, `expected an image of at most ${largest / 1e6} MB`);
  if (Number(request.headers['content-length']) > largest) throw tooLarge();
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > largest) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Returns the bytes of the uploaded image: the body of the request, or the first file if the body is a form. */
async function upload(request) {
  const bytes = await body(request);
  const { 'content-type': type = '' } = request.headers;
  if (!/^multipart\/form-data\b/i.test(type)) return bytes;
  const form = await new Response(bytes, { headers: { 'content-type': type } }).formData().catch(() => new FormData());
  const file = [...form.values()].find((each) => each instanceof Blob);
  if (file === undefined) throw refusal(400, 'expected an image as the body or as a file of a form');
  return Buffer.from(await file.arrayBuffer());
}

let searching = 0;

async function search(request, response) {
  if (searching === waiting) throw refusal(503, 'too many searches at once; try again later');
  searching++;
  const left = new AbortController();
  response.on('close', () => left.abort()); // the client disconnected
  try {
    return await similar(await upload(request), AbortSignal.any([left.signal, AbortSignal.timeout(1000 * seconds)]));
  } finally {
    searching--;
  }
}

const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${scriptHash}'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
};
const hosts = new Set(allowed.split(',').map((name) => name.trim().toLowerCase()));

/** Whether a page of another site sent the request: Host reveals DNS rebinding, Origin a cross-origin request. */
function isForeign({ host = '', origin }) {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  // Health checks send an IP address, which DNS rebinding cannot use.
  const isAllowed = hosts.has(name) || isIP(name.replace(/^\[(.+)\]$/, '$1')) !== 0;
  return !isAllowed || (origin !== undefined && ![`http://${host}`, `https://${host}`].includes(origin));
}

function statusOf({ status, code, name }) {
  if (name === 'TimeoutError') return [503, `no answer within ${seconds} seconds`];
  if (code === 'ERR_HOROBALL_PICTURE') return [400, 'the upload is not a readable image, or it is too large'];
  return status === undefined ? [500, 'the search failed'] : [status];
}

const server = createServer(async (request, response) => {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const json = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const number = /^\/image\/(\d+)$/.exec(request.url)?.[1];
  try {
    if (isForeign(request.headers)) json(403, { error: 'requests from other sites are not allowed' });
    else if (request.method === 'POST' && request.url === '/search') json(200, await search(request, response));
    else if (request.method !== 'GET' && request.method !== 'HEAD') json(405, { error: 'method not allowed' });
    else if (request.url === '/') response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    else if (request.url === '/health') json(200, { images: shown.length, searching });
    else if (number !== undefined && paths[number] !== undefined) {
      const path = paths[number];
      const bytes = await readFile(path);
      response.writeHead(200, { 'content-type': types[extname(path).toLowerCase()] }).end(bytes);
    }
    else json(404, { error: 'not found' });
  } catch (error) {
    if (response.destroyed) return; // the client disconnected
    const [status, message = error.message] = statusOf(error);
    if (status === 500) console.error(error.message);
    if (!request.complete) response.setHeader('connection', 'close'); // the rest of the upload is not read
    json(status, { error: message });
  }
});
Object.assign(server, { headersTimeout: 1000 * seconds, requestTimeout: 1000 * seconds, maxConnections: 8 * waiting });
server.listen(Number(port), host, () => console.log(`http://${host}:${server.address().port}`));

for (const name of ['SIGINT', 'SIGTERM']) {
  process.once(name, () => {
    server.close(() => embedder.dispose());
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 1000 * seconds).unref();
  });
}
