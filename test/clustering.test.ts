import test from 'ava';
import { runStepsSync } from '../lib/call/run.ts';
import { mutualInformation } from '../lib/clustering.ts';
import { clusteringMetrics, matrix } from '../lib/index.ts';
import { close, cloud, types } from './support.ts';
import { coreError } from './tolerances.ts';

/** Pairs of label lists, each with its `normalized_mutual_info_score` in scikit-learn. */
const peers: [number[], number[], number][] = [
  [
    [
      2, 0, 0, 0, 0, 2, 2, 1, 0, 0, 0, 1, 1, 1, 0, 0, 2, 2, 0, 0, 1, 1, 2, 1, 1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 0,
      1, 1, 2, 2, 0, 2, 0, 0, 2, 2, 0, 0, 0, 0, 2, 1, 1, 0, 1, 0, 2, 1, 0, 0, 2,
    ],
    [
      2, 0, 2, 1, 0, 2, 2, 2, 3, 0, 0, 2, 1, 2, 0, 0, 0, 2, 2, 0, 1, 1, 3, 1, 2, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0,
      1, 2, 2, 3, 1, 1, 3, 0, 1, 2, 0, 0, 0, 0, 1, 1, 1, 0, 2, 0, 3, 1, 0, 2, 2,
    ],
    0.2997879150945402,
  ],
  [
    [
      0, 9, 0, 8, 8, 7, 1, 8, 9, 8, 6, 2, 5, 4, 8, 3, 4, 2, 4, 5, 4, 3, 5, 6, 1, 5, 7, 1, 6, 4, 9, 3, 3, 7, 8,
      0, 1, 1, 3, 5, 5, 4, 8, 6, 1, 3, 1, 1, 8, 9, 4, 2, 8, 1, 1, 2, 3, 3, 2, 2,
    ],
    [
      0, 0, 0, 8, 6, 6, 0, 8, 9, 0, 6, 2, 5, 6, 0, 3, 4, 2, 4, 2, 4, 4, 5, 6, 3, 5, 7, 4, 6, 5, 9, 3, 3, 5, 8,
      3, 1, 1, 3, 3, 5, 1, 0, 6, 1, 3, 6, 1, 2, 1, 0, 2, 8, 1, 6, 6, 0, 3, 2, 4,
    ],
    0.529149459402339,
  ],
  [
    [
      0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0,
      0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0,
    ],
    [
      20, 12, 20, 0, 10, 0, 1, 1, 5, 1, 0, 7, 0, 1, 0, 7, 6, 0, 1, 1, 13, 27, 0, 1, 29, 1, 13, 9, 6, 3, 0, 1,
      1, 18, 0, 21, 8, 0, 0, 1, 0, 1, 1, 28, 0, 2, 0, 2, 1, 22, 1, 0, 2, 12, 15, 0, 1, 22, 1, 2,
    ],
    0.3887387794968057,
  ],
];

test("the score equals scikit-learn's", (t) => {
  for (const [a, b, want] of peers) {
    const got = runStepsSync('test', mutualInformation(Int32Array.from(a), Int32Array.from(b)));
    close(t, [got], [want], coreError.tree, `${want}`);
  }
  const same = Int32Array.of(1, 1, 1);
  t.is(runStepsSync('test', mutualInformation(same, same)), 1);
  t.is(runStepsSync('test', mutualInformation(same, Int32Array.of(1, 2, 3))), 0);
});

for (const type of types) {
  for (const metric of ['poincare', 'euclidean', 'cosine'] as const) {
    test(`finds well separated groups, ${metric} ${type.name}`, async (t) => {
      const labels = Array.from({ length: 90 }, (_, i) => `class ${i % 3}`);
      const x = cloud(type, 90, 2, 0.05, 2);
      for (let i = 0; i < 90; ++i) {
        x.data[2 * i]! += 0.6 * Math.cos((2 * Math.PI * i) / 3);
        x.data[2 * i + 1]! += 0.6 * Math.sin((2 * Math.PI * i) / 3);
      }
      const c = metric === 'poincare' ? { c: 1 } : {};
      const options = { metric, ...c, seed: 4 } as Parameters<typeof clusteringMetrics>[2];
      const { nmi, clusters } = await clusteringMetrics(x, labels, options);
      t.is(nmi, 1);
      t.deepEqual(clusters, clusteringMetrics.sync(x, labels, options).clusters);
      t.is(new Set(clusters).size, 3);
      const one = await clusteringMetrics(x, labels, { ...options, clusters: 1 });
      t.is(one.nmi, 0);
    });
  }
}

test('rows without a distance form a separate cluster, and invalid numbers are rejected', (t) => {
  const x = matrix(Float64Array.of(0.1, 0, 0.11, 0, Number.NaN, 0), 3, 2);
  t.deepEqual([...clusteringMetrics.sync(x, [1, 1, 2], { c: 1, clusters: 1 }).clusters], [0, 0, -1]);
  t.is(clusteringMetrics.sync(x, [1, 1, 2], { c: 1, clusters: 1 }).nmi, 1);
  for (const wrong of [{ clusters: 0 }, { clusters: 4 }, { iterations: 0 }, { restarts: 1.5 }, { seed: -1 }])
    t.throws(() => clusteringMetrics.sync(x, [1, 1, 2], { c: 1, ...wrong }), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => clusteringMetrics.sync(x, [1, 1], { c: 1 }), {
    code: 'ERR_HOROBALL_SHAPE',
  });
});
