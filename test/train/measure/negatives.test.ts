import test from 'ava';
import { geometryTerms } from '../../../lib/card-names.ts';
import { matrix } from '../../../lib/matrix.ts';
import { negativeWeights } from '../../../lib/negatives.ts';
import { measureNegatives } from '../../../lib/train/measure/negatives.ts';
import { trainedGeometries } from '../../../lib/train/options/define.ts';
import { statedError } from '../../tolerances.ts';
import { embedded, options, width } from './profiled.ts';

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const near = (a: number, b: number, tolerance: number = statedError.shares): boolean =>
  Math.abs(a - b) < tolerance;

test('the profile of a batch is the average of negativeWeights over its anchors', async (t) => {
  const made = embedded([4, 4, 4]);
  const found = (await measureNegatives(made, options))!.profiles;
  t.deepEqual(
    found.profiles.map(({ geometry }) => geometry),
    trainedGeometries,
  );
  const { profiles, ...rest } = found;
  t.deepEqual(rest, { own: 'hybrid', tied: true, views: 4, classes: 3, cosineBins: 20 });
  const euclidean = matrix(made.euclidean, 12, width);
  for (const profile of profiles) {
    const weights = await negativeWeights({ ...options, geometry: profile.geometry, euclidean });
    const mean = (values: Float64Array): number => sum([...values]) / values.length;
    t.true(near(profile.effective, mean(weights.effective)));
    t.true(near(profile.hardest10, mean(weights.hardest10)));
    const { hardest, sameView, crossView } = profile.byRank;
    t.is(hardest.at(-1), 8);
    t.true(near(sameView.at(-1)!, profile.sameView));
    t.true(near(sameView.at(-1)! + crossView.at(-1)!, 1));
    t.true(near(sameView[0]! + crossView[0]!, profile.hardest10)); // 10% of 8 negatives, rounded up, is 1
    for (const shares of Object.values(profile.byCosine)) t.true(near(sum(shares!), 1));
    t.true(profile.missed > 0 && profile.missed < 1);
  }
});

test('a high temperature spreads the weight over all negatives, and a low one concentrates it on the hardest', async (t) => {
  const made = embedded(Array<number>(10).fill(4));
  const at = async (tauE: number) =>
    (await measureNegatives(made, { ...options, tauE }))!.profiles.profiles[1]!;
  const [warm, cold] = [await at(100), await at(0.01)];
  t.is(warm.negatives, 36);
  // Negatives of the anchor's view weigh V - 1 times as much as others: 9 of weight 3 and 27 of weight 1.
  t.true(near(warm.sameView, 0.5, statedError.equalShares), `${warm.sameView}`);
  t.true(cold.effective < 3 && warm.effective > 30);
  t.true(cold.hardest10 > 0.8 && warm.hardest10 < 0.25);
});

test('only untied geometries with two terms have no single pull', async (t) => {
  const found = (await measureNegatives(embedded([4, 4, 4]), { ...options, tied: false }))!.profiles;
  t.deepEqual(
    found.profiles.map(({ byCosine }) => byCosine.pull === null),
    trainedGeometries.map((name) => geometryTerms[name].inner && geometryTerms[name].distance),
  );
});

test('classes with too few images are omitted, and a batch of one class returns null', async (t) => {
  t.is((await measureNegatives(embedded([4, 3, 9]), options))!.profiles.classes, 2);
  t.is(await measureNegatives(embedded([4, 3]), options), null);
});

test('a strip has an anchor, a positive and the negatives of largest weight under every geometry', async (t) => {
  const made = embedded([4, 4, 4]);
  const { strips } = (await measureNegatives(made, options))!;
  t.deepEqual(
    strips.map(({ anchor, positive }) => [made.labels[anchor], made.labels[positive]]),
    [0, 1, 2].map((label) => [label, label]),
  );
  const euclidean = matrix(made.euclidean, 12, width);
  for (const { anchor, hardest } of strips) {
    t.deepEqual(
      hardest.map(({ geometry }) => geometry),
      trainedGeometries,
    );
    for (const { geometry, negatives } of hardest) {
      const { q } = await negativeWeights({ ...options, geometry, euclidean });
      const weights = [...q.data.subarray(12 * anchor, 12 * (anchor + 1))];
      const largest = [...weights].sort((a, b) => b - a).slice(0, 5);
      t.true(negatives.every(({ row }) => made.labels[row] !== made.labels[anchor]));
      for (const [i, { row, weight }] of negatives.entries())
        t.true(near(weight, weights[row]!) && near(weight, largest[i]!), `${geometry} ${i}`);
    }
  }
});
