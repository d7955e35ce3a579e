// If a buffer is transferred during a call, the call fails with a code or its result is unchanged.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, promisify } from 'node:util';
import test from 'ava';
import {
  contrastiveLoss,
  frechetMean,
  Gallery,
  gromovDelta,
  matrix,
  mobiusAdd,
  mobiusScalarMul,
  negativeWeights,
  pairwiseDistance,
  type Reals,
  rerank,
  retrievalMetrics,
  topK,
  weightedMidpoint,
} from '../lib/index.ts';
import { throughNorm } from '../lib/normalize.ts';
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

type Call = (...args: never[]) => unknown;

/** Functions of the core, each with a function that creates new arguments for it. */
const readCalls: Readonly<Record<string, readonly [Call, () => object[]]>> = {
  mobiusAdd: [mobiusAdd.sync, () => [points(), points(), { c }]],
  mobiusAddVjp: [mobiusAdd.vjp.sync, () => [points(), points(), points(), { c, gradC: new Float64Array(1) }]],
  mobiusScalarMul: [(x, o) => mobiusScalarMul.sync(0.5, x, o), () => [points(), { c }]],
  mobiusAddLong: [mobiusAdd.sync, () => [points(60), points(60), { c }]],
  weightedMidpoint: [weightedMidpoint.sync, () => [points(), ones(), { c }]],
  frechetMeanVjp: [frechetMean.vjp.sync, () => [points(), points(1), { c, weights: ones() }]],
  pairwise: [pairwiseDistance.sync, () => [points(), points(), { c, out: new Float64Array(16) }]],
  pairwiseVjp: [pairwiseDistance.vjp.sync, () => [points(), points(), cloud(Float64Array, 4, 4, 0.5), { c }]],
  topK: [topK.sync, () => [points(), points(), { c, k: 1, exclude: new Int32Array(4) }]],
  rerank: [rerank.sync, () => [points(), points(), [1, 2, 3, 0].map((i) => Int32Array.of(i)), { c, k: 1 }]],
  rerankBig: [rerank.sync, () => [points(), points(), BigInt64Array.of(1n, 2n, 3n, 0n), { c, k: 1 }]],
  retrieval: [retrievalMetrics.sync, () => [points(), labels(), { c, query: Int32Array.of(1) }]],
  loss: [contrastiveLoss.sync, () => [{ ...logits(), weights: ones().data, labels: labels() }]],
  negatives: [negativeWeights.sync, () => [{ ...logits(), views: 2, anchors: Int32Array.of(2) }]],
};
const points = (rows = 4) => cloud(Float64Array, rows, 2, 0.5);
const ones = () => matrix(new Float64Array(4).fill(1), 4, 1);
const labels = () => Int32Array.of(0, 1, 0, 1);
const logits = () => ({ euclidean: points(), normalize: true, geometry: 'euclidean' as const });

/** The typed arrays in a value. */
function arraysIn(value: unknown): ArrayBufferView[] {
  if (ArrayBuffer.isView(value)) return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(arraysIn) : [];
}

/** A value whose properties call `onRead` when they are read. */
function observed<T>(value: T, onRead: () => void): T {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'string') onRead();
      return observed(Reflect.get(target, key) as unknown, onRead);
    },
  }) as T;
}

for (const [name, [call, make]] of Object.entries(readCalls)) {
  test(`a getter that transfers an array does not change the result of ${name}`, (t) => {
    const expected = call(...(make() as never[]));
    let reads = 0;
    call(...(observed(make(), () => void ++reads) as never[]));
    const wrong: string[] = [];
    for (let array = 0; array < arraysIn(make()).length; ++array)
      for (let at = 0; at < reads; ++at) {
        const args = make();
        const { buffer } = arraysIn(args)[array]!;
        let read = 0;
        const transfer = (): void => {
          if (read++ === at) structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
        };
        try {
          const got = call(...(observed(args, transfer) as never[]));
          if (!isDeepStrictEqual(got, expected)) wrong.push(`array ${array}, read ${at}`);
        } catch (error) {
          const { code } = error as { code?: unknown };
          if (!String(code).startsWith('ERR_HOROBALL_')) wrong.push(`array ${array}, read ${at}: ${error}`);
        }
      }
    t.true(reads > 0);
    t.deepEqual(wrong, []);
  });
}

test('a list whose buffer was transferred is not an empty list', async (t) => {
  using gallery = new Gallery<Reals>({ c });
  await gallery.add(points());
  const numbers = Int32Array.of(1);
  const promise = gallery.remove(numbers);
  structuredClone(numbers, { transfer: [numbers.buffer] });
  t.is((await failure(() => promise)).code, 'ERR_HOROBALL_DETACHED');
  t.is(await gallery.remove(new Int32Array(0)), 0);
});

test('transferring a gradient while it is converted is an error', (t) => {
  const gradient = points(3);
  const steps = throughNorm('loss', gradient, points(3), new Float64Array(3).fill(1));
  structuredClone(gradient.data, { transfer: [gradient.data.buffer as ArrayBuffer] });
  t.throws(() => steps.next(), { code: 'ERR_HOROBALL_DETACHED' });
});

test('a job uses copies of its arrays if their memory cannot be kept alive', async (t) => {
  const child = fileURLToPath(new URL('copied-arrays-child.js', import.meta.url));
  const env = { ...process.env, HOROBALL_COPY_ARRAYS: '1' };
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', child], { env });
  const found: Found = { differ: [], copies: true, code: 'ERR_HOROBALL_DETACHED' };
  t.deepEqual(JSON.parse(stdout), found);
});
