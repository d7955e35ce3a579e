// A buffer that is transferred while an asynchronous call uses it rejects the call's promise.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { Gallery, gromovDelta, matrix, pairwiseDistance, type Reals } from '../lib/index.ts';
import type { Found } from './copied-arrays-child.ts';
import { cloud, failure } from './support.ts';

const c = 1;

test('transferring a buffer during an asynchronous call rejects the promise', async (t) => {
  const big = cloud(Float32Array, 2000, 64, 0.9);
  const promise = pairwiseDistance(big, undefined, { c });
  const kept = structuredClone(big.data.buffer, { transfer: [big.data.buffer as ArrayBuffer] });
  const { code } = await failure(() => promise);
  t.is(code, 'ERR_HOROBALL_DETACHED');
  t.is((kept as ArrayBuffer).byteLength, 2000 * 64 * 4);
});

test('a gallery rejects rows that are transferred while it copies them, and keeps none', async (t) => {
  using gallery = new Gallery<Reals>({ c });
  const x = cloud(Float32Array, 6, 3, 0.5);
  await gallery.add(x);
  const big = matrix(new Float32Array(12_000_000), 4_000_000, 3); // copying takes several turns of the event loop
  const promise = gallery.add(big);
  await new Promise(setImmediate);
  structuredClone(big.data.buffer, { transfer: [big.data.buffer as ArrayBuffer] });
  const { code, message } = await failure(() => promise);
  t.is(code, 'ERR_HOROBALL_DETACHED');
  t.regex(message, /^\[Gallery\.add\] rows: expected .+, got .+/);
  t.is(gallery.size, 6);
  t.deepEqual([...(await gallery.add(x))], [6, 7, 8, 9, 10, 11]);
});

test('transferring distances between two subsets rejects the promise', async (t) => {
  const distances = pairwiseDistance.sync(cloud(Float64Array, 300, 6, 0.9), undefined, { c });
  const promise = gromovDelta(distances, { input: 'distances', size: 280, samples: 50 });
  await new Promise(setImmediate);
  structuredClone(distances.data.buffer, { transfer: [distances.data.buffer as ArrayBuffer] });
  t.is((await failure(() => promise)).code, 'ERR_HOROBALL_DETACHED');
});

test('a job uses copies of its arrays if their memory cannot be kept alive', async (t) => {
  const child = fileURLToPath(new URL('copied-arrays-child.js', import.meta.url));
  const env = { ...process.env, HOROBALL_COPY_ARRAYS: '1' };
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', child], { env });
  const found: Found = { differ: [], copies: true, code: 'ERR_HOROBALL_DETACHED' };
  t.deepEqual(JSON.parse(stdout), found);
});
