import test from 'ava';
import { matrix } from '../../lib/matrix.ts';
import { negativeWeights } from '../../lib/negatives.ts';
import { random } from '../../lib/random.ts';
import type { Embedded } from '../../lib/train/evaluate.ts';
import { type ProfileOptions, profileNegatives } from '../../lib/train/negative-profile.ts';
import { negativesSection } from '../../lib/train/report/negatives.ts';

const width = 6;
const options: ProfileOptions = {
  geometry: 'hybrid',
  tied: true,
  views: 4,
  tauE: 0.1,
  tauH: 0.2,
  lambda: 0.5,
  c: 0.1,
  clipR: 2.3,
};

/** Classes around directions of their own; `counts` rows each. */
function embedded(counts: readonly number[]): Embedded {
  const next = random(11);
  const labels = counts.flatMap((count, label) => Array<number>(count).fill(label));
  const centres = counts.map(() => Array.from({ length: width }, () => next() - 0.5));
  const rows = labels.map((label) => {
    const row = centres[label]!.map((value) => value + 0.4 * (next() - 0.5));
    const norm = Math.hypot(...row);
    return row.map((value) => value / norm);
  });
  const euclidean = Float32Array.from(rows.flat());
  const hyperbolic = euclidean.map((value, i) => value * (0.3 + 0.1 * (Math.floor(i / width) % 7)));
  const ints = Int32Array.from(labels);
  return { body: euclidean, euclidean, hyperbolic, bodyWidth: width, width, labels: ints, indices: ints };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const near = (a: number, b: number, tolerance = 2e-3): boolean => Math.abs(a - b) < tolerance;

test('the profile says of a batch what negativeWeights says of its anchors', async (t) => {
  const made = embedded([4, 4, 4]);
  const found = (await profileNegatives(made, options))!;
  t.deepEqual(
    found.profiles.map(({ geometry }) => geometry),
    ['hybrid', 'euclidean', 'hyperbolic', 'chordal'],
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
    t.true(near(sameView[0]! + crossView[0]!, profile.hardest10)); // ceil(10 %) of 8 is 1
    for (const shares of Object.values(profile.byCosine)) t.true(near(sum(shares!), 1));
    t.true(profile.missed > 0 && profile.missed < 1);
  }
});

test('a high temperature spreads the weight over all negatives, a low one puts it on the hardest', async (t) => {
  const made = embedded(Array<number>(10).fill(4));
  const at = async (tauE: number) => (await profileNegatives(made, { ...options, tauE }))!.profiles[1]!;
  const [warm, cold] = [await at(100), await at(0.01)];
  t.is(warm.negatives, 36);
  // Own-view negatives weigh V - 1 times as much: 9 of weight 3 and 27 of weight 1.
  t.true(near(warm.sameView, 0.5, 0.01), `${warm.sameView}`);
  t.true(cold.effective < 3 && warm.effective > 30);
  t.true(cold.hardest10 > 0.8 && warm.hardest10 < 0.25);
});

test('an untied hybrid has no sum of two pulls; the others have', async (t) => {
  const found = (await profileNegatives(embedded([4, 4, 4]), { ...options, tied: false }))!;
  t.deepEqual(
    found.profiles.map(({ byCosine }) => byCosine.pull === null),
    [true, false, false, false],
  );
  t.regex(negativesSection(found).text, /do not add/);
});

test('classes with too few pictures are left out, and a batch of one class is none', async (t) => {
  t.is((await profileNegatives(embedded([4, 3, 9]), options))!.classes, 2);
  t.is(await profileNegatives(embedded([4, 3]), options), null);
});

test('the section names the run’s own geometry, shows every other, and no number that is none', async (t) => {
  const page = negativesSection((await profileNegatives(embedded([4, 4, 5, 4]), options))!).text;
  t.regex(page, /<b>hybrid<\/b>/);
  t.regex(page, /25 % of the negatives, those of the own view, carry \d+\.\d % of the weight/);
  t.is([...page.matchAll(/<svg/g)].length, 2);
  t.notRegex(page, /NaN|undefined|Infinity/);
});
