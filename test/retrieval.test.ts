import test from 'ava';
import { select } from '../lib/call/binding-calls.ts';
import { matrix, metricCards, pairwiseDistance, retrievalMetrics, topK } from '../lib/index.ts';
import { core } from '../lib/native.ts';
import { limitsOf, metricCases, optionsOf, pointsOf, wide } from './metric-cases.ts';
import { nearest, pairwise, table } from './oracle.ts';
import { close, cloud, eachClose, noise, Reference, types } from './support.ts';
import { allowed, coreError } from './tolerances.ts';

const reference = await Reference.open('retrieval');
const results = JSON.parse(reference.metadata['results']!) as {
  [name: string]: Record<string, number>;
} & { poincare_r_precision: number; poincare_map_at_r: number };
const labels = Int32Array.from(reference.reals('labels'));
const c = 0.1;

const keys = (recall: Record<string, number>) => Object.keys(recall).map(Number);

for (const type of types) {
  const ball = reference.matrix('ball', type);

  test(`${type.name}: recalls equal the reference exactly`, async (t) => {
    const unit = reference.matrix('unit', type);
    const { cosine_recall, poincare_recall, poincare_recall_sop, inshop_poincare } = results;
    const cosine = await retrievalMetrics(unit, labels, { ks: keys(cosine_recall!), metric: 'cosine' });
    t.deepEqual(cosine.recall, cosine_recall as typeof cosine.recall);
    for (const want of [poincare_recall!, poincare_recall_sop!]) {
      const { recall, queries, unmatched } = retrievalMetrics.sync(ball, labels, { ks: keys(want), c });
      t.deepEqual(recall, want as typeof recall);
      t.deepEqual([queries, unmatched], [600, 0]);
    }
    const rows = Array.from({ length: 600 }, (_, i) => i);
    const split = { query: rows.slice(0, 200), gallery: rows.slice(200) };
    const shop = await retrievalMetrics(ball, labels, { ks: keys(inshop_poincare!), c, ...split });
    t.deepEqual(shop.recall, inshop_poincare as typeof shop.recall);
  });

  test(`${type.name}: R-Precision and MAP@R equal the reference`, async (t) => {
    const got = await retrievalMetrics(ball, labels, { c });
    close(
      t,
      [got.rPrecision],
      [results.poincare_r_precision],
      allowed(Float64Array, coreError.rounding),
      'R-Precision',
    );
    close(t, [got.mapAtR], [results.poincare_map_at_r], allowed(Float64Array, coreError.rounding), 'MAP@R');
  });

  for (const name of metricCases) {
    for (const [queries, rows, cols, k] of [
      [1, 1, 1, 1],
      [3, 5, 2, 5],
      [70, 333, 19, 10],
      [129, 1000, 33, 1],
      [2, 3000, 7, 100],
      [150, 700, 12, 300],
    ] as const) {
      test(`${type.name} ${name} top ${k} of ${rows} for ${queries} x ${cols}`, async (t) => {
        const options = { ...optionsOf(name, 1), k };
        const q = pointsOf(name, cloud(type, queries, cols, 0.9, 21), 1);
        const g = pointsOf(name, cloud(type, rows, cols, 0.9, 22), 1);
        const { indices, distances } = await topK(q, g, options);
        const want = pairwise(name, table(q.data, q.cols), table(g.data, g.cols), 1);
        const order = want.map((row) => nearest(row, k));
        // Neighbors whose distances differ only by float32 rounding may be in either order.
        const away = order.flatMap((row, i) => row.map((j) => want[i]![j]!));
        const found = Array.from(indices, (j, at) => want[Math.floor(at / k)]![j]!);
        const { value } = limitsOf(name, type);
        close(t, found, away, value, 'neighbors');
        close(t, distances, away, value, 'distances');
        if (type === Float64Array) t.deepEqual([...indices], order.flat());
        t.deepEqual(topK.sync(q, g, options), { indices, distances });
      });
    }
  }

  test(`${type.name}: ties go to the lower row index, and excluded and masked rows are not returned`, (t) => {
    const rows = matrix(type.from([0.1, 0, 0.5, 0, 0.1, 0, 0.5, 0, 0.1, 0]), 5, 2);
    const search = (options: object) => topK.sync(rows, rows, { k: 3, c: 1, ...options });
    t.deepEqual([...search({}).indices.subarray(0, 6)], [0, 2, 4, 1, 3, 0]);
    t.deepEqual([...search({ exclude: 'self' }).indices.subarray(0, 3)], [2, 4, 1]);
    t.deepEqual([...search({ exclude: [2, -1, 0, 1, 2] }).indices.subarray(0, 3)], [0, 4, 1]);
    const allowed = Uint8Array.of(0, 1, 0, 0, 1);
    const masked = search({ allowed });
    t.deepEqual([...masked.indices.subarray(0, 3)], [4, 1, -1]);
    t.is(masked.distances[2], Infinity);
    t.is(masked.distances[0], 0);
  });

  test(`${type.name}: ties go to the lower row index for large k too`, (t) => {
    const [points, rows] = [5, 1000];
    const gallery = matrix(type.from(Array.from({ length: rows }, (_, i) => (i % points) / 10)), rows, 1);
    for (const k of [64, 65, 200, 333, rows]) {
      const { indices, distances } = topK.sync(matrix(type.from([0, 0.2]), 2, 1), gallery, { k, c: 1 });
      const want = Array.from(
        { length: rows },
        (_, i) => (i % (rows / points)) * points + Math.floor(i / 200),
      );
      t.deepEqual([...indices.subarray(0, k)], want.slice(0, k));
      t.deepEqual(distances.subarray(0, k).toSorted(), distances.subarray(0, k));
      t.is(new Set(indices.subarray(k)).size, k);
    }
  });

  test(`${type.name}: compat: rows beyond the clamp are at equal distance`, (t) => {
    const x = type.from([-0.999998, 0]);
    const y = matrix(type.from([0.999999, 0, 0.9999, 0, 0.5, 0, 0.999997, 0, 0.999998, 0]), 5, 2);
    const want = pairwise('hypmix', table(x, 2), table(y.data, 2), 1)[0]!;
    t.is(want[1], want[0]);
    const { indices, distances } = topK.sync(x, y, { k: 5, c: 1, compat: 'hypmix' });
    t.deepEqual([...indices], nearest(want, 5));
    eachClose(
      t,
      distances,
      want.toSorted((a, b) => a - b),
      limitsOf('hypmix', type).value,
      'distances',
    );
  });

  test(`${type.name}: a row with NaN is never returned`, (t) => {
    for (const name of metricCases) {
      const rows = pointsOf(name, cloud(type, 200, 8, 0.9), 1);
      rows.data[rows.cols * 17] = Number.NaN;
      const { indices } = topK.sync(rows, rows, { ...optionsOf(name, 1), k: 200 });
      t.false(indices.includes(17), name);
      t.is(indices[199], -1, name);
    }
  });
}

test('topK returns the distances of pairwiseDistance', (t) => {
  const x = cloud(Float64Array, 90, 12, 0.95);
  const all = pairwiseDistance.sync(x, undefined, { c: 1 }).data;
  const { indices, distances } = topK.sync(x, x, { k: 90, c: 1 });
  close(
    t,
    distances,
    Array.from(indices, (j, at) => all[Math.floor(at / 90) * 90 + j]!),
    limitsOf('poincare', Float64Array).value,
    'distances',
  );
});

test('float32: returned distances are accurate with many columns, and in ascending order', (t) => {
  const [rows, cols] = [60, 1500];
  for (const part of [0.15, 0.2, 0.3]) {
    const next = noise(9);
    const data = Float32Array.from({ length: rows * cols }, (_, at) => {
      const row = Math.floor(at / cols);
      return (0.5 / Math.sqrt(cols)) * (row === 0 ? 1.01 : 1 + (part + row * 1e-4) * Math.sign(next()));
    });
    const gallery = matrix(data, rows, cols);
    const query = matrix(data.slice(0, cols), 1, cols);
    for (const { name: metric } of metricCards().filter(({ points }) => points !== 'hyperboloid')) {
      for (const k of [5, rows]) {
        const { indices, distances } = topK.sync(query, gallery, { k, metric, c: 1 });
        const truth = pairwiseDistance.sync(wide(query), wide(gallery), { metric, c: 1 }).data;
        const want = Array.from(indices, (j) => truth[j]!);
        const { value } = limitsOf(metric, Float32Array);
        eachClose(t, distances, want, value, `${metric}, ${part}, k ${k}`);
        t.deepEqual(distances.toSorted(), distances);
        const nearestOnes = truth.toSorted().slice(0, k);
        eachClose(t, want, nearestOnes, value, `${metric}, ${part}, k ${k}: the nearest`);
      }
    }
  }
});

test("finds the rank of each query's class, however large", (t) => {
  const rows = 60;
  const x = cloud(Float64Array, rows, 6, 0.9, 23);
  const classes = Int32Array.from({ length: rows }, (_, i) => i % (rows / 2)); // two rows per class
  const points = table(x.data, 6);
  const away = pairwise('poincare', points, points, 1);
  const places = away.map((row, i) => nearest(row, rows, i).findIndex((j) => classes[j] === classes[i]));
  for (const most of [1, 5, rows - 1]) {
    const options = { c: 1, ks: [1, most], perQuery: true };
    const { recall, perQuery } = retrievalMetrics.sync(x, classes, options);
    t.is(recall[most], places.filter((place) => place < most).length / rows);
    t.deepEqual(
      [...perQuery!.rank],
      places.map((place) => (place < most ? place + 1 : 0)),
    );
  }
});

test('a query without its class in the gallery counts as a miss', (t) => {
  const x = matrix(new Float32Array([0, 0.1, 0.5]), 3, 1);
  const got = retrievalMetrics.sync(x, ['a', 'a', 'b'], { ks: [1], metric: 'euclidean' });
  t.deepEqual(got, { recall: { 1: 2 / 3 }, rPrecision: 2 / 3, mapAtR: 2 / 3, queries: 3, unmatched: 1 });
});

test('accepts query and gallery rows in any order, and bigint labels', (t) => {
  const x = matrix(new Float64Array([0, 5, 0.1, 5.1, 0.2]), 5, 1);
  const labels = [1n, 2n, 1n, 2n, 1n];
  const options = { ks: [1, 2], metric: 'euclidean', query: [4, 1], gallery: [3, 0, 2] } as const;
  t.deepEqual(retrievalMetrics.sync(x, labels, options).recall, { 1: 1, 2: 1 });
});

/** Fills an array with `filler`; returns a view of its first `count` numbers, and a function that reads the rest. */
function before<A extends Float32Array | Float64Array | Int32Array>(array: A, filler: number, count: number) {
  array.fill(filler);
  return { view: array.subarray(0, count) as A, rest: () => array.subarray(count) };
}

for (const type of types) {
  // The core pads the last block of queries. The padding can be near points outside the ball, but its results must not be
  // written.
  test(`${type.name}: a search never writes outside its result, wherever the points are`, (t) => {
    const [gallery, d] = [200, 2];
    const y = cloud(type, gallery, d, 1.5, 3);
    for (const k of [1, 3, 100]) {
      for (const n of [1, 3, 9, 17]) {
        const x = cloud(type, n, d, 0.9, 4);
        const indices = before(new Int32Array((n + 200) * k), -7, n * k);
        const distances = before(new type((n + 200) * k), Number.POSITIVE_INFINITY, n * k);
        select(core(), {
          ...{ metric: 0, guards: 0, c: 1, k, queries: x, gallery: y, exclude: null, allowed: null },
          ...{ indices: indices.view, distances: { data: distances.view, rows: n, cols: k } },
          ...{ device: -1, threads: 1, job: 0 },
        });
        t.true(indices.rest().every((i) => i === -7));
        t.true(distances.rest().every((each) => each === Number.POSITIVE_INFINITY));
        t.deepEqual({ indices: indices.view, distances: distances.view }, topK.sync(x, y, { k, c: 1 }));
      }
    }
  });
}

test('the default ks are at most the size of the gallery', async (t) => {
  const x = matrix(Float32Array.of(0, 0, 0.1, 0, 0.5, 0, 0.6, 0, 0.7, 0), 5, 2);
  const classes = ['a', 'a', 'b', 'b', 'b'];
  const ksOf = (options: { ks?: number[]; query?: number[]; gallery?: number[] }) =>
    retrievalMetrics(x, classes, { metric: 'euclidean', ...options }).then(({ recall }) => keys(recall));
  t.deepEqual(await ksOf({}), [1, 2, 4]);
  t.deepEqual(await ksOf({ query: [0], gallery: [1] }), [1]);
  t.deepEqual(await ksOf({ query: [0, 1], gallery: [2, 3, 4] }), [1, 2]);
  t.deepEqual(
    keys(retrievalMetrics.sync(matrix(Float32Array.of(0, 0), 1, 2), ['a'], { metric: 'euclidean' }).recall),
    [1],
  );
  await t.throwsAsync(ksOf({ ks: [8] }), { code: 'ERR_HOROBALL_RANGE', message: /ks: expected .*5, got 8/ });
});

test('a missing number and a wrong list of ks have separate errors', (t) => {
  const x = matrix(new Float32Array([0, 0, 1, 0, 0, 1]), 3, 2);
  const of = (ks: unknown) => () => retrievalMetrics.sync(x, [1, 1, 2], { ks: ks as number[], c: 1 });
  const code = 'ERR_HOROBALL_TYPE';
  t.throws(of([]), { code, message: /ks: expected at least one number, got an empty array$/ });
  t.throws(of('1'), { code, message: /ks: expected an array of numbers, got '1'$/ });
});

test('accepts a list of 200,000 ks', (t) => {
  const x = matrix(Float64Array.of(0, 0.1, 1), 3, 1);
  const ks = new Array<number>(200_000).fill(1);
  t.deepEqual(retrievalMetrics.sync(x, ['a', 'a', 'b'], { ks, metric: 'euclidean' }).recall, { 1: 2 / 3 });
});
