// A service that finds similar pictures: embeds a folder once, then answers uploads, with a small page.
//   node lib/examples/similar.mjs RUN PICTURES [port]
// RUN is a run folder of `npx horoball train` (or start), PICTURES a folder of class folders. Listens on this machine only.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gallery, matrix } from 'horoball';
import { readSafetensors } from 'horoball/io';
import { Embedder, embed, ImageLoader, imageFolder, loadWeights } from 'horoball/train';

process.on('uncaughtException', ({ message }) => {
  console.error(message); // one sentence, without a stack
  process.exit(1);
});
const [run, folder, port = '8080'] = process.argv.slice(2);
if (folder === undefined || !(Number.isInteger(Number(port)) && port >= 0 && port < 65_536)) {
  console.error('usage: node lib/examples/similar.mjs RUN PICTURES [port]');
  process.exit(2);
}
const largest = 20e6; // bytes of an upload

// The weights say which network they are of.
const weights = join(run, 'model.safetensors');
const { metadata } = await readSafetensors(weights, { names: [] });
if (metadata.horoball === undefined) throw new Error(`${weights} was not written by a run of horoball`);
const embedder = await Embedder.create(JSON.parse(metadata.horoball));
await loadWeights(weights, embedder);

/** The points of pictures, and which of them could be read. */
async function pointsOf(split) {
  const { imgSize: size } = embedder.config.model;
  const loader = new ImageLoader(split, { size, mode: 'eval', seed: 0 });
  const { hyperbolic, width, indices } = await embed(embedder, split, loader);
  return { points: matrix(hyperbolic, indices.length, width), indices };
}

const { train, test } = await imageFolder(folder);
const samples = [...train.samples, ...test.samples.map(({ path, label }) => ({ path, label: label + train.classes.length }))];
const classes = [...train.classes, ...test.classes];
const { points, indices } = await pointsOf({ classes, samples });
const gallery = new Gallery({ metric: 'poincare', c: embedder.config.c });
await gallery.add(points);
console.log(`${points.rows} pictures of ${classes.length} classes`);

/** The pictures that are nearest to the one in these bytes. */
async function similar(bytes) {
  const place = await mkdtemp(join(tmpdir(), 'similar-'));
  try {
    const path = join(place, 'upload');
    await writeFile(path, bytes);
    const asked = await pointsOf({ classes: ['upload'], samples: [{ path, label: 0 }] });
    const { indices: found, distances } = await gallery.topK(asked.points, { k: Math.min(12, gallery.size) });
    return Array.from(found, (row, i) => {
      const sample = samples[indices[row]];
      return { picture: `/picture/${indices[row]}`, class: classes[sample.label], distance: distances[i] };
    });
  } finally {
    await rm(place, { recursive: true });
  }
}

const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Similar pictures</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;
padding:0 1rem}#found{display:grid;grid-template-columns:repeat(auto-fill,minmax(8rem,1fr));gap:1rem;margin-top:1rem}
figure{margin:0}img{width:100%;aspect-ratio:1;object-fit:cover;border-radius:6px}figcaption{font-size:.8rem;overflow-wrap:anywhere}</style>
<h1>Similar pictures</h1><label>A picture: <input type="file" accept="image/*"></label><p role="status"></p><div id="found"></div>
<script>
const input = document.querySelector('input'), status = document.querySelector('[role=status]'), found = document.querySelector('#found');
input.onchange = async () => {
  found.replaceChildren();
  status.textContent = 'Looking ...';
  const answer = await fetch('/search', { method: 'POST', body: input.files[0] });
  const { error, results = [] } = await answer.json();
  status.textContent = error ?? results.length + ' nearest, by distance in the ball';
  for (const each of results) {
    const figure = document.createElement('figure'), image = new Image(), caption = document.createElement('figcaption');
    image.src = each.picture;
    image.alt = each.class;
    caption.textContent = each.class + ' ' + each.distance.toFixed(3);
    figure.append(image, caption);
    found.append(figure);
  }
};
</script></html>`;

async function body(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > largest) throw new Error(`a picture of more than ${largest / 1e6} MB`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  const json = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const number = /^\/picture\/(\d+)$/.exec(request.url)?.[1];
  try {
    if (request.method === 'POST' && request.url === '/search') json(200, { results: await similar(await body(request)) });
    else if (request.url === '/') response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    else if (number !== undefined && samples[number] !== undefined) response.end(await readFile(samples[number].path));
    else json(404, { error: 'there is nothing here' });
  } catch (error) {
    json(400, { error: error.code === 'ERR_HOROBALL_PICTURE' ? 'this is no picture that can be read' : error.message });
  }
});
server.listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
