// Tests the browser bundle in headless Chromium, with and without shared memory.
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { metricCard, pairwiseDistance } from '../../lib/index.ts';
import { openBrowser } from '../browser.ts';
import { cloud } from '../support.ts';

const lib = fileURLToPath(new URL('../../lib/', import.meta.url));
const root = fileURLToPath(new URL('../../../', import.meta.url));

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.html': 'text/html',
};

/** Serves dist/lib. `isolated`: with the headers for SharedArrayBuffer, and .gz files as compressed content. */
async function serve(isolated: boolean): Promise<Server> {
  const headers = isolated
    ? { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
    : {};
  const server = createServer(({ url = '/' }, response) => {
    const file = join(lib, normalize(url.split('?')[0]!));
    const found = url !== '/' && file.startsWith(lib) && existsSync(file);
    const type = types[url === '/' ? '.html' : extname(file)] ?? 'application/octet-stream';
    const encoding = isolated && file.endsWith('.gz') ? { 'content-encoding': 'gzip' } : {};
    response.writeHead(url === '/' || found ? 200 : 404, { 'content-type': type, ...headers, ...encoding });
    response.end(url === '/' ? '<!doctype html><title>horoball</title>' : found ? readFileSync(file) : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** Returns the script that the page runs. */
const script = (numbers: readonly number[]): string => `(async () => {
  const h = await import('/wasm/bundle.js');
  const x = h.matrix(new Float32Array(${JSON.stringify(numbers)}), 50, 8);
  let early = 'none';
  try { h.pairwiseDistance.sync(x, undefined, { c: 1 }); } catch (error) { early = error.code; }
  await h.ready();
  const distances = [...h.pairwiseDistance.sync(x, undefined, { c: 1 }).data];
  const inWorker = [...(await h.pairwiseDistance(x, undefined, { c: 1 })).data];
  const controller = new AbortController();
  const large = h.matrix(new Float32Array(4000 * 64).fill(0.01), 4000, 64);
  const promise = h.pairwiseDistance(large, undefined, { c: 1, signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')));
  const aborted = await promise.then(() => 'none', (error) => error.message);
  const gallery = new h.Gallery({ c: 1 });
  await gallery.add(x);
  const saved = await gallery.save('x').then(() => 'none', (error) => error.code);
  return { early, level: h.coreInfo().level, distances, inWorker, aborted, saved, isolated: crossOriginIsolated };
})()`;

interface Found {
  early: string;
  level: string;
  distances: number[];
  inWorker: number[];
  aborted: string;
  saved: string;
  isolated: boolean;
}

test('the browser condition names the bundle', (t) => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: { '.': { browser: { default: string } } };
  };
  t.is(join(root, manifest.exports['.'].browser.default), join(lib, 'wasm/bundle.js'));
  t.true(existsSync(join(lib, 'wasm/bundle.js')));
});

for (const isolated of [true, false]) {
  test.serial(`Chromium, ${isolated ? 'with' : 'without'} SharedArrayBuffer: calls and jobs`, async (t) => {
    if (!existsSync(join(lib, 'horoball.wasm.gz'))) return t.pass('skipped: not built (npm run build:wasm)');
    const browser = await openBrowser();
    if (browser === null) return t.pass('skipped: no Chromium');
    const server = await serve(isolated);
    t.teardown(async () => {
      await browser.close();
      server.close();
    });
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const x = cloud(Float32Array, 50, 8, 0.9);
    const found = (await page.evaluate(script([...x.data]))) as Found;
    t.is(found.isolated, isolated);
    t.is(found.early, 'ERR_HOROBALL_NO_BINARY');
    t.is(found.level, 'simd128');
    t.is(found.aborted, 'enough');
    t.is(found.saved, 'ERR_HOROBALL_UNSUPPORTED');
    t.deepEqual(found.inWorker, found.distances);
    const native = pairwiseDistance.sync(x, undefined, { c: 1 }).data;
    t.true(
      found.distances.every(
        (d, i) =>
          Math.abs(d - native[i]!) <=
          metricCard('poincare').tolerance.value.float32 * Math.max(1, native[i]!),
      ),
    );
  });
}
