import test from 'ava';
import { matrix } from '../../../lib/matrix.ts';
import { random } from '../../../lib/random.ts';
import { retrievalMetrics } from '../../../lib/retrieval.ts';
import { fusedRetrievalMetrics } from '../../../lib/train/measure/fused.ts';
import { pairwise, table } from '../../oracle.ts';

const [rows, width, classes] = [300, 6, 25];
const c = 0.7;
const weights = { tauE: 0.1, tauH: 0.4, lambda: 1.5 };

function cloud(seed: number, radius: number): Float32Array {
  const next = random(seed);
  const out = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++) {
    const row = Float32Array.from({ length: width }, () => next() - 0.5);
    const length = Math.hypot(...row);
    out.set(
      row.map((value) => (radius * next() * value) / length),
      i * width,
    );
  }
  return out;
}

const e = cloud(1, 1);
const h = cloud(2, 0.95 / Math.sqrt(c));
const labels = Int32Array.from({ length: rows }, (_, i) => i % classes);

/** Computes every score in float64 and sorts. */
function oracle(query: readonly number[], gallery: readonly number[]) {
  const rowsOf = (data: Float32Array) => table(data, width);
  const [cosine, ball] = [
    pairwise('cosine', rowsOf(e), rowsOf(e), 1),
    pairwise('poincare', rowsOf(h), rowsOf(h), c),
  ];
  const score = (i: number, j: number) =>
    (1 - cosine[i]![j]!) / weights.tauE - (weights.lambda * ball[i]![j]!) / weights.tauH;
  return query.map((i) => gallery.filter((j) => j !== i).sort((a, b) => score(i, b) - score(i, a) || a - b));
}

function recallAt(order: number[][], query: readonly number[], k: number): number {
  const hits = order.filter((list, i) => list.slice(0, k).some((j) => labels[j] === labels[query[i]!]));
  return hits.length / query.length;
}

const all = [...labels.keys()];

test('a search by the fused score equals sorting all scores', async (t) => {
  const ks = [1, 3, 10, 100];
  const got = await fusedRetrievalMetrics(matrix(e, rows, width), matrix(h, rows, width), labels, {
    ...weights,
    c,
    ks,
    perQuery: true,
  });
  const order = oracle(all, all);
  t.deepEqual(
    ks.map((k) => got.recall[k]),
    ks.map((k) => recallAt(order, all, k)),
  );
  t.deepEqual(
    [...got.perQuery!.nearest],
    order.map((list) => list[0]!),
  );
  const rank = order.map((list, i) => list.findIndex((j) => labels[j] === labels[i]) + 1);
  t.deepEqual(
    [...got.perQuery!.rank],
    rank.map((place) => (place <= 100 ? place : 0)),
  );
});

test('queries are searched only in the gallery', async (t) => {
  const [query, gallery] = [all.slice(0, 120), all.slice(120)];
  const pair = [matrix(e, rows, width), matrix(h, rows, width)] as const;
  const got = await fusedRetrievalMetrics(...pair, labels, { ...weights, c, ks: [1, 10], query, gallery });
  const order = oracle(query, gallery);
  t.deepEqual([got.recall[1], got.recall[10]], [recallAt(order, query, 1), recallAt(order, query, 10)]);
});

test('results do not depend on the division of the queries into tiles', async (t) => {
  const many = 1100; // the 300 rows are repeated, so copies of a row are its nearest neighbors, the lowest index first
  const again = (data: Float32Array) =>
    Float32Array.from({ length: many * width }, (_, i) => data[i % data.length]!);
  const pair = [matrix(again(e), many, width), matrix(again(h), many, width)] as const;
  const numbers = Int32Array.from({ length: many }, (_, i) => i % rows);
  const { perQuery } = await fusedRetrievalMetrics(...pair, numbers, {
    ...weights,
    c,
    ks: [1],
    perQuery: true,
  });
  t.deepEqual(
    [...perQuery!.nearest],
    [...numbers].map((row, i) => (row === i ? row + rows : row)),
  );
});

test('with weight 0 the fused score is the cosine, and ties go to the lower row index', async (t) => {
  const same = Float32Array.from({ length: rows * width }, (_, i) => e[i % (width * 7)]!); // 7 rows, repeated
  const x = matrix(same, rows, width);
  const options = { ks: [1, 5, 50], perQuery: true };
  const outside = h.slice().fill(2, 5 * width, 9 * width); // also with infinite distances, which are ignored
  const fused = await fusedRetrievalMetrics(x, matrix(outside, rows, width), labels, {
    ...weights,
    lambda: 0,
    c,
    ...options,
  });
  const cosine = await retrievalMetrics(x, labels, { metric: 'cosine', ...options });
  t.deepEqual(fused.recall, cosine.recall);
  t.deepEqual(fused.perQuery, cosine.perQuery);
  t.deepEqual([fused.rPrecision, fused.mapAtR], [cosine.rPrecision, cosine.mapAtR]);
});

test('rejects different numbers of rows', async (t) => {
  const half = matrix(h.subarray(0, (rows / 2) * width), rows / 2, width);
  const refused = fusedRetrievalMetrics(matrix(e, rows, width), half, labels, { ...weights, c });
  await t.throwsAsync(refused, {
    code: 'ERR_HOROBALL_SHAPE',
    message: /hyperbolic: expected 300 rows.*got 150/,
  });
});
