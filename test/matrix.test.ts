import { runInNewContext } from 'node:vm';
import test from 'ava';
import {
  type DenseMatrix,
  dist,
  dist0,
  Gallery,
  hybridContrastiveLoss,
  matrix,
  normalize,
  pairwiseDistance,
  project,
  rerank,
  retrievalMetrics,
  topK,
  weightedMidpoint,
} from '../lib/index.ts';
import { failure, half } from './support.ts';

const nested = [
  [0.5, 0.25],
  [0, -1],
  [0.125, 1],
];

test('toArray returns the nested array that a matrix was made from', (t) => {
  t.deepEqual(matrix(nested).toArray(), nested);
  t.deepEqual(matrix(Float32Array.from(nested.flat()), 3, 2).toArray(), nested);
  t.deepEqual(matrix(new Float64Array(0), 0, 2).toArray(), []);
});

test('rows that are missing or whose length is not an integer are rejected', async (t) => {
  const holes = [
    [1, 2],
    [3, 4],
    [5, 6],
  ];
  delete holes[1];
  const lengths: unknown[] = [1.5, '2', true, 2n, Symbol('two'), Number.POSITIVE_INFINITY];
  const rows = lengths.map((length) => [{ length, 0: 1, 1: 2 }]);
  const { proxy, revoke } = Proxy.revocable([1, 2], {});
  revoke();
  for (const list of [holes, ...rows, [[1, 2], { length: 2n }], [[1, 2], proxy]])
    t.regex((await failure(() => matrix(list as number[][]))).code ?? '', /^ERR_HOROBALL_(TYPE|SHAPE)$/);
});

test('row returns a view of the matrix', (t) => {
  const made = matrix(nested);
  made.row(2)[0] = 7;
  t.deepEqual(made.row(2), Float64Array.of(7, 1));
  t.is(made.data[4], 7);
});

test('row and toArray reject transferred memory', async (t) => {
  const made = matrix(nested);
  structuredClone(made.data, { transfer: [made.data.buffer as ArrayBuffer] });
  for (const call of [() => made.row(0), () => made.toArray()])
    t.is((await failure(call)).code, 'ERR_HOROBALL_DETACHED');
});

test('an array of a subclass with its own constructor gives the results of a plain array', async (t) => {
  class Point extends Float32Array {
    constructor(x = 0, y = 0) {
      super([x, y]);
    }
  }
  const [point, plain] = [new Point(0.25, 0.5), Float32Array.of(0.25, 0.5)];
  t.deepEqual(matrix(point, 1, 2).row(0), plain);
  t.deepEqual(matrix(point, 1, 2).toArray(), [[0.25, 0.5]]);
  const search = { k: 1, c: 1 };
  const nearest = topK.sync(plain, plain, search);
  t.deepEqual(await rerank(point, point, [[0]], search), nearest);
  using gallery = new Gallery({ c: 1 });
  await gallery.add(point);
  t.deepEqual((await gallery.topK(point, { k: 1 })).distances, nearest.distances);
  const out = new Point();
  project.sync(plain, { c: 1, out });
  t.deepEqual([...out], [...plain]);
  const foreign = runInNewContext('new Float32Array(2)') as Float32Array<ArrayBuffer>;
  t.is(project.sync(plain, { c: 1, out: foreign }).data, foreign);
  t.deepEqual([...matrix(foreign, 1, 2).row(0)], [...plain]);
});

test('results have the methods of a matrix, even in memory of the caller', async (t) => {
  const points = matrix([
    [0, 0],
    [0.5, 0],
  ]);
  const distances: DenseMatrix<Float64Array> = await pairwiseDistance(points, undefined, { c: 1 });
  t.deepEqual(distances.toArray().flat(), [...distances.data]);
  const out = new Float64Array(2);
  t.is(dist0.sync(points, { c: 1, out }).row(1)[0], out[1]);
});

test('converts half precision to float32', (t) => {
  const made: DenseMatrix<Float32Array> = matrix(half([1, 2, 3, 4]), 2, 2);
  t.deepEqual(made.data, Float32Array.of(1, 2, 3, 4));
  t.throws(() => matrix(half([1, 2, 3]), 2, 2), { code: 'ERR_HOROBALL_SHAPE' });
});

const refusals: readonly [string, () => unknown, string, RegExp][] = [
  ['no rows', () => matrix([]), 'SHAPE', /^\[matrix\] data: expected at least one row of numbers, got none/],
  ['a row of no numbers', () => matrix([[]]), 'SHAPE', /at least one row of numbers/],
  ['a longer row', () => matrix([[1], [2, 3]]), 'SHAPE', /^\[matrix\] data\[1\]: expected 1 numbers, got 2/],
  ['a shorter row', () => matrix([[1, 2], [3]]), 'SHAPE', /^\[matrix\] data\[1\]: expected 2 numbers, got 1/],
  [
    'a hole',
    () => matrix([[1, undefined as never]]),
    'TYPE',
    /^\[matrix\] data\[0\]\[1\]: expected a number/,
  ],
  ['text', () => matrix(['12' as never]), 'TYPE', /^\[matrix\] data\[0\]: expected an array/],
  ['too many numbers', () => matrix(new Float64Array(5), 2, 2), 'SHAPE', /data/],
  ['too few numbers', () => matrix(new Float64Array(3), 2, 2), 'SHAPE', /data/],
  ['no columns', () => matrix(new Float64Array(0), 0, 0), 'SHAPE', /cols/],
  ['rows below 0', () => matrix(new Float64Array(0), -1, 2), 'SHAPE', /rows/],
  ['a part of a row', () => matrix(new Float64Array(3), 1.5, 2), 'SHAPE', /rows/],
  [
    'two element types',
    () => pairwiseDistance(matrix(nested), matrix(new Float32Array(2), 1, 2) as never, { c: 1 }),
    'TYPE',
    /expected a Float64Array, like the others, got Float32Array/,
  ],
];

for (const [what, call, code, message] of refusals) {
  test(`${what} is rejected`, async (t) => {
    const error = await failure(call);
    t.is(error.code, `ERR_HOROBALL_${code}`, error.message);
    t.regex(error.message, message);
  });
}

test('an array in the place of a matrix is an error that names matrix()', async (t) => {
  const c = 1;
  const x = matrix(nested);
  const array = nested as never;
  const flat = [0.5, 0.25] as never;
  const gallery = new Gallery({ c });
  await gallery.add(x);
  const calls: [string, string, () => unknown][] = [
    ['pairwiseDistance', 'x', () => pairwiseDistance(array, { c })],
    ['pairwiseDistance', 'y', () => pairwiseDistance(x, array, { c })],
    ['pairwiseDistance', 'y', () => pairwiseDistance(x, array, undefined as never)],
    ['pairwiseDistance.vjp', 'cotangent', () => pairwiseDistance.vjp(x, array, { c })],
    ['dist', 'y', () => dist(x, array, { c })],
    ['dist0', 'x', () => dist0(flat, { c })],
    ['dist.vjp', 'cotangent', () => dist.vjp(x, x, flat, { c })],
    ['weightedMidpoint', 'weights', () => weightedMidpoint(x, flat, { c })],
    ['weightedMidpoint.vjp', 'weights', () => weightedMidpoint.vjp(x, flat, x, { c })],
    ['normalize', 'x', () => normalize(array)],
    ['topK', 'gallery', () => topK(x, array, { k: 1, c })],
    ['Gallery.topK', 'queries', () => gallery.topK(array, { k: 1 })],
    ['Gallery.add', 'rows', () => gallery.add(array)],
    ['retrievalMetrics', 'embeddings', () => retrievalMetrics(array, [1, 1, 2], { c })],
    [
      'hybridContrastiveLoss',
      'euclidean',
      () => hybridContrastiveLoss({ euclidean: array, tied: true, views: 1, c }),
    ],
  ];
  for (const [name, argument, call] of calls) {
    const expected = `[${name}] ${argument}: expected a matrix or a typed array, got an array. Call matrix(...) with an array of rows.`;
    t.is((await failure(call)).message, expected);
  }
  t.regex((await failure(() => dist0(x, [] as never))).message, /^\[dist0\] options: expected an object/);
});
