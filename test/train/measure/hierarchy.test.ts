import test from 'ava';
import type { Embedded } from '../../../lib/train/measure/evaluate.ts';
import {
  correlation,
  hierarchyOf,
  LcaHeights,
  midranks,
  normalizedGain,
} from '../../../lib/train/measure/hierarchy.ts';
import { radiiByLevel } from '../../../lib/train/measure/structure.ts';
import { statedError } from '../../tolerances.ts';

const near = (a: number, b: number, tolerance: number = statedError.means): boolean =>
  Math.abs(a - b) <= tolerance;

/** Four classes in two genera. */
const parents = [['x'], ['x'], ['y'], ['y']];
const labels = [0, 0, 1, 1, 2, 2, 3, 3];

/** Points at the given angles, on the circle and in the ball at the given radii. */
function onCircle(angles: readonly number[], radii = angles.map(() => 0.9)): Embedded {
  const euclidean = Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]));
  const hyperbolic = euclidean.map((x, i) => x * radii[i >> 1]!);
  const ints = Int32Array.from(labels);
  return { body: euclidean, euclidean, hyperbolic, bodyWidth: 2, width: 2, labels: ints, indices: ints };
}

async function measured(angles: readonly number[], radii?: readonly number[]) {
  const embedded = onCircle(angles, radii && [...radii]);
  const levels = ['genus'];
  const found = await hierarchyOf(
    embedded,
    { parents, levels },
    1,
    await radiiByLevel(embedded, { parents, levels }, 1),
  );
  return found!;
}

test('the height of a lowest common ancestor counts levels from the class', (t) => {
  const heights = new LcaHeights([
    ['genus a', 'family 1'],
    ['genus a', 'family 1'],
    ['genus b', 'family 1'],
    ['genus c', 'family 2'],
  ]);
  t.is(heights.root, 3);
  t.deepEqual(
    [0, 1, 2, 3].map((other) => heights.of(0, other)),
    [0, 1, 2, 3],
  );
});

test('common ancestors of branches of different depths are found', (t) => {
  const heights = new LcaHeights([[], ['a/b', 'a'], ['a'], ['c']]);
  t.is(heights.root, 3);
  t.deepEqual(
    [0, 1, 2, 3].map((other) => heights.of(1, other)),
    [3, 0, 2, 3],
  );
});

test('an embedding that follows the tree gets the best scores', async (t) => {
  const { levels, spaces } = await measured([0, 0.01, 0.2, 0.21, 3, 3.01, 3.2, 3.21]);
  t.deepEqual(levels, ['class', 'genus']);
  for (const { nearestLca, recall, ndcg, spearman, rankDistortion } of Object.values(spaces)) {
    t.is(nearestLca, 0);
    t.deepEqual(recall, { '1': [1, 1], '10': [1, 1] });
    t.is(ndcg, 1);
    // The tree ranks the 7 other images 1, 2-3 and 4-7: mid-ranks 1, 2.5 and 5.5.
    const byTree = [1, 2.5, 2.5, 5.5, 5.5, 5.5, 5.5];
    t.true(near(spearman, correlation([1, 2, 3, 4, 5, 6, 7], byTree)), `${spearman}`);
    t.true(near(rankDistortion, (0.5 + 0.5 + 1.5 + 0.5 + 0.5 + 1.5) / 7 / 7), `${rankDistortion}`);
  }
});

test('mixing classes within a genus keeps the recall of the genus', async (t) => {
  // The nearest neighbor of each image is in the other class of its genus.
  const { spaces } = await measured([0, 0.2, 0.01, 0.21, 3, 3.2, 3.01, 3.21]);
  const { nearestLca, recall, ndcg } = spaces.cosine;
  t.is(nearestLca, 1);
  t.deepEqual(recall['1'], [0, 1]);
  t.true(ndcg < 1 && ndcg > 0.8, `${ndcg}`);
});

test('depth and radius correlate positively if midpoints of higher levels are closer to the origin', async (t) => {
  const angles = [0, 0.3, 1, 1.3, 3, 3.3, 4, 4.3];
  const { depthRadius } = await measured(angles);
  t.true(depthRadius > 0.9, `${depthRadius}`);
});

test('the cumulative gain equals its formula', (t) => {
  t.is(normalizedGain([0, 1, 2], 2), 1);
  const gain = (2 / Math.log2(4) + 1 / Math.log2(3)) / (2 + 1 / Math.log2(3));
  t.true(near(normalizedGain([2, 1, 0], 2), gain, statedError.arithmetic));
  t.is(normalizedGain([2, 2], 2), Number.NaN);
});

test('equal values get their mean rank', (t) => {
  t.deepEqual(midranks([3, 1, 3, 2]), [3.5, 1, 3.5, 2]);
  t.deepEqual(midranks([]), []);
});

test("correlation is Pearson's", (t) => {
  t.true(near(correlation([1, 2, 3], [2, 4, 6]), 1, statedError.arithmetic));
  t.true(near(correlation([1, 2, 3, 4], [1, 3, 2, 4]), 0.8, statedError.arithmetic));
  t.is(correlation([1, 2], [5, 5]), Number.NaN);
});

test('returns null without a tree, or with two images', async (t) => {
  const embedded = onCircle([0, 1, 2, 3, 4, 5, 6, 7]);
  t.is(await hierarchyOf(embedded, {}, 1, []), null);
  const two = { ...embedded, labels: embedded.labels.slice(0, 2) };
  t.is(await hierarchyOf(two, { parents }, 1, []), null);
});
