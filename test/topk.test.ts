// Tests the options of `topK` and invalid arguments; retrieval.test.ts compares its results with all distances.
import test from 'ava';
import { matrix, type TopKOptions, topK } from '../lib/index.ts';
import { failure } from './support.ts';

const rows = matrix(Float64Array.of(0, 0.1, 0.2, 0.4), 4, 1);
const one = matrix(Float64Array.of(0.19), 1, 1);
const search = (options: Partial<Record<keyof TopKOptions, unknown>>, queries = one, gallery = rows) =>
  topK(queries, gallery, { k: 1, c: 1, ...options } as TopKOptions);

test('returns k rows per query, nearest first', async (t) => {
  t.deepEqual([...(await search({ k: 4 })).indices], [2, 1, 0, 3]);
  t.deepEqual([...(await search({}, rows)).indices], [0, 1, 2, 3]);
});

test('excludes one row per query: a given number, or the query itself', async (t) => {
  t.deepEqual([...(await search({ exclude: [2] })).indices], [1]);
  t.deepEqual([...(await search({ exclude: [-1] })).indices], [2]);
  t.deepEqual([...(await search({ exclude: 'self' }, rows)).indices], [1, 0, 1, 2]);
});

test('rows that are not allowed, outside the ball or on the rim are not returned', async (t) => {
  const allowed = Uint8Array.of(1, 0, 0, 1);
  const { indices, distances } = await search({ k: 3, allowed });
  t.deepEqual([...indices], [0, 3, -1]);
  t.is(distances[2], Number.POSITIVE_INFINITY);
  const rim = matrix(Float64Array.of(1, 2, 0), 3, 1);
  t.deepEqual([...(await search({ k: 3 }, one, rim)).indices], [2, -1, -1]);
});

test('zero queries give an empty result', async (t) => {
  const { indices, distances } = await search({ k: 2 }, matrix(new Float64Array(0), 0, 1));
  t.deepEqual([indices.length, distances.length], [0, 0]);
});

const refusals: readonly [string, () => Promise<unknown>, string, RegExp][] = [
  ['k of 0', () => search({ k: 0 }), 'RANGE', /^\[topK\] k: expected an integer from 1 to 4, got 0/],
  [
    'k above the rows',
    () => search({ k: 5 }),
    'RANGE',
    /^\[topK\] k: expected an integer from 1 to 4, got 5/,
  ],
  [
    'an empty gallery',
    () => search({}, one, matrix(new Float64Array(0), 0, 1)),
    'SHAPE',
    /gallery: .*one row/,
  ],
  [
    "'self' of other rows",
    () => search({ exclude: 'self' }),
    'SHAPE',
    /exclude: expected one query per gallery row \(4\) for 'self', got 1/,
  ],
  ['another word', () => search({ exclude: 'all' }), 'TYPE', /exclude: expected 'self' or/],
  ['two exclusions', () => search({ exclude: [0, 1] }), 'SHAPE', /^\[topK\] exclude:/],
  ['a row after the last', () => search({ exclude: [4] }), 'RANGE', /^\[topK\] exclude/],
  ['a row before -1', () => search({ exclude: [-2] }), 'RANGE', /^\[topK\] exclude/],
  [
    'a short mask',
    () => search({ allowed: new Uint8Array(3) }),
    'SHAPE',
    /allowed: expected 4 elements, got 3/,
  ],
  ['a mask of numbers', () => search({ allowed: [1, 1, 1, 1] }), 'TYPE', /allowed: expected a Uint8Array/],
  ['other columns', () => search({}, matrix(new Float64Array(2), 1, 2)), 'SHAPE', /^\[topK\] gallery:/],
];

for (const [what, call, code, message] of refusals) {
  test(`${what} is rejected`, async (t) => {
    const error = await failure(call);
    t.is(error.code, `ERR_HOROBALL_${code}`, error.message);
    t.regex(error.message, message);
  });
}
