import test from 'ava';
import { type Candidates, matrix, type RerankOptions, rerank, topK } from '../lib/index.ts';
import { cloud, failure } from './support.ts';

const x = cloud(Float32Array, 7, 3, 0.5, 1);
const y = cloud(Float32Array, 20, 3, 0.5, 2);
const all = Array.from({ length: 7 }, () => Array.from({ length: 20 }, (_, i) => (7 * i) % 20));

test('reranking all rows is an exact search, of lists or a flat list', async (t) => {
  const want = topK.sync(x, y, { k: 5, c: 1 });
  t.deepEqual(await rerank(x, y, all, { k: 5, c: 1 }), want);
  t.deepEqual(rerank.sync(x, y, Int32Array.from(all.flat()), { k: 5, c: 1 }), want);
});

test('candidates may be 64-bit integers, such as the keys of usearch', async (t) => {
  const want = topK.sync(x, y, { k: 5, c: 1 });
  t.deepEqual(await rerank(x, y, BigUint64Array.from(all.flat(), BigInt), { k: 5, c: 1 }), want);
  t.deepEqual(
    rerank.sync(
      x,
      y,
      all.map((list) => BigInt64Array.from(list, BigInt)),
      { k: 5, c: 1 },
    ),
    want,
  );
  for (const row of [20n, 2n ** 62n, -2n])
    t.like(await failure(() => rerank(x, y, [BigInt64Array.of(row), ...all.slice(1)], { k: 1, c: 1 })), {
      code: 'ERR_HOROBALL_RANGE',
    });
});

test('-1, duplicates and short lists are skipped', async (t) => {
  const few = all.map((list, i) => (i === 0 ? [] : [-1, ...list.slice(0, 3), list[0]!]));
  const { indices, distances } = await rerank(x, y, few, { k: 4, c: 1 });
  t.deepEqual([...indices.subarray(0, 4)], [-1, -1, -1, -1]);
  t.deepEqual([...distances.subarray(0, 4)], Array(4).fill(Number.POSITIVE_INFINITY));
  t.deepEqual(
    [...indices.subarray(4, 8)].toSorted((a, b) => a - b),
    [-1, 0, 7, 14],
  );
  for (let i = 1; i < 7; ++i) t.is(indices[4 * i + 3], -1, 'last, whatever is near');
});

test('ties go to the lower row index, whatever the order of the candidates', async (t) => {
  const same = matrix(Float64Array.of(0.5, 0.3, 0.3, 0.3), 4, 1);
  const { indices } = await rerank(matrix(Float64Array.of(0.2), 1, 1), same, [[3, 1, 0, 2]], { k: 4, c: 1 });
  t.deepEqual([...indices], [1, 2, 3, 0]);
});

test('a candidate at infinite distance counts as not found', async (t) => {
  const rim = matrix(Float64Array.of(1, 0.3), 2, 1);
  const got = await rerank(matrix(Float64Array.of(0.2), 1, 1), rim, [[0, 1]], { k: 2, c: 1 });
  t.deepEqual([...got.indices], [1, -1]);
  t.is(got.distances[1], Number.POSITIVE_INFINITY);
});

test('zero queries give an empty result', async (t) => {
  const { indices } = await rerank(matrix(new Float32Array(0), 0, 3), y, [], { k: 1, c: 1 });
  t.is(indices.length, 0);
});

const attempt = (candidates: unknown, options: Partial<RerankOptions> = {}): Promise<unknown> =>
  rerank(x, y, candidates as Candidates, { k: 1, c: 1, ...options } as RerankOptions);

const refusals: readonly [string, () => Promise<unknown>, string, RegExp][] = [
  ['no list', () => attempt(null), 'TYPE', /^\[rerank\] candidates: expected an array/],
  ['a list too few', () => attempt(all.slice(1)), 'SHAPE', /candidates: expected 7 lists, got 6/],
  [
    'a ragged flat list',
    () => attempt([0, 1, 2]),
    'SHAPE',
    /candidates: expected a length that is a multiple of the number of queries \(7\), got 3/,
  ],
  ['a row after the last', () => attempt(all.with(2, [20])), 'RANGE', /candidates\[2\]/],
  ['a row before -1', () => attempt(all.with(3, [-2])), 'RANGE', /candidates\[3\]/],
  [
    'k above the candidates',
    () => attempt(all, { k: 21 }),
    'RANGE',
    /k: expected an integer from 1 to 20, got 21/,
  ],
  ['an option of topK', () => attempt(all, { exclude: 'self' } as object), 'OPTION', /exclude/],
];

for (const [what, call, code, message] of refusals) {
  test(`${what} is rejected`, async (t) => {
    const error = await failure(call);
    t.is(error.code, `ERR_HOROBALL_${code}`, error.message);
    t.regex(error.message, message);
  });
}
