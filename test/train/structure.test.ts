import test from 'ava';
import type { Embedded } from '../../lib/train/evaluate.ts';
import { depthOf, ranksOf, spreadOf } from '../../lib/train/structure.ts';

const near = (a: number, b: number, tolerance = 1e-4): boolean => Math.abs(a - b) <= tolerance;

function embedded(
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  radii = rows.map(() => 0.9),
): Embedded {
  const width = rows[0]!.length;
  const euclidean = Float32Array.from(rows.flatMap((row) => row.map((x) => x / Math.hypot(...row))));
  const hyperbolic = euclidean.map((x, i) => x * radii[Math.floor(i / width)]!);
  const ints = Int32Array.from(labels);
  return { body: euclidean, euclidean, hyperbolic, bodyWidth: width, width, labels: ints, indices: ints };
}

test('alignment and uniformity are what their formulas say', async (t) => {
  // Two classes on the axes: distances 0 within, sqrt 2 and 2 between.
  const made = embedded(
    [
      [1, 0],
      [1, 0],
      [0, 1],
      [-1, 0],
    ],
    [0, 0, 1, 1],
  );
  const { alignment, uniformity } = await spreadOf(made);
  t.true(near(alignment, (0 + 2) / 2));
  const pairs = [0, 2, 4, 2, 4, 2].map((square) => Math.exp(-2 * square));
  t.true(near(uniformity, Math.log(pairs.reduce((a, b) => a + b) / 6)), `${uniformity}`);
});

test('one radius: both outputs rank alike; free radii: they do not', async (t) => {
  const rows = Array.from({ length: 40 }, (_, i) => [Math.cos(i * i), Math.sin(i * i), Math.cos(3 * i)]);
  const labels = rows.map((_, i) => i >> 1);
  t.deepEqual(await ranksOf(embedded(rows, labels), 0.7), { spearman: 1, overlap: 1, nearest: 10 });
  const free = await ranksOf(
    embedded(
      rows,
      labels,
      rows.map((_, i) => 0.2 + 0.1 * (i % 8)),
    ),
    0.7,
  );
  t.true(free.spearman < 0.95 && free.spearman > 0 && free.overlap < 1, `${free.spearman}`);
});

test('midpoints move to the origin up the tree, by the levels of the tree', async (t) => {
  const angles = [0, 0.1, 0.5, 0.6, Math.PI, Math.PI + 0.1, Math.PI + 0.5, Math.PI + 0.6];
  const rows = angles.map((angle) => [Math.cos(angle), Math.sin(angle)]);
  const parents = [
    ['x', 'a'],
    ['x', 'a'],
    ['y', 'b'],
    ['y', 'b'],
  ];
  const found = await depthOf(embedded(rows, [0, 0, 1, 1, 2, 2, 3, 3]), { parents }, 1);
  t.deepEqual(
    found.map(({ level, groups }) => [level, groups]),
    [
      ['picture', 8],
      ['class', 4],
      ['genus', 2],
      ['family', 2],
      ['all', 1],
    ],
  );
  t.true(near(found[0]!.mean, 2 * Math.atanh(0.9), 1e-3));
  const means = found.map(({ mean }) => mean);
  t.true(means[0]! > means[1]! && means[1]! > means[2]! && means[4]! < 1e-3, means.join());
  t.deepEqual(await depthOf(embedded(rows, [0, 0, 1, 1, 2, 2, 3, 3]), {}, 1), []);
});
