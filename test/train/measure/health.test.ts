import test from 'ava';
import { HealthReporter, healthText } from '../../../lib/cli/health.ts';
import { healthOf, radiusBins } from '../../../lib/train/measure/health.ts';
import type { HealthRow } from '../../../lib/train/run/record.ts';
import { statedError } from '../../tolerances.ts';

/** Points in the plane at the given fractions of the ball's radius, each in a different direction. */
function ring(radii: readonly number[], c: number): Float32Array {
  return Float32Array.from(
    radii.flatMap((radius, i) => {
      const angle = (2 * Math.PI * i) / radii.length;
      return [(radius * Math.cos(angle)) / Math.sqrt(c), (radius * Math.sin(angle)) / Math.sqrt(c)];
    }),
  );
}

for (const c of [0.1, 1, 7]) {
  test(`radii are relative to the radius of the ball (c ${c})`, async (t) => {
    const { radius, atRim, saturated } = await healthOf(ring([0.02, 0.26, 0.51, 0.51], c), 2, c);
    const close = (got: number, wanted: number): boolean =>
      t.true(Math.abs(got - wanted) < statedError.health, `${got}`);
    close(radius.min, 0.02);
    close(radius.mean, 0.325);
    close(radius.max, 0.51);
    t.is(radius.histogram.length, radiusBins);
    t.deepEqual([radius.histogram[0], radius.histogram[5], radius.histogram[10]], [1, 1, 2]);
    t.is(
      radius.histogram.reduce((sum, count) => sum + count, 0),
      4,
    );
    t.deepEqual([atRim, saturated], [0, 0]);
  });

  test(`points at the projection radius and saturated distances are counted (c ${c})`, async (t) => {
    // Two opposite points at the projection radius are 15.2 / sqrt c apart; all other distances are at most
    // 8.7 / sqrt c.
    const { atRim, saturated } = await healthOf(ring([0.999, 0.5, 0.999, 0.5], c), 2, c);
    t.is(atRim, 0.5);
    t.is(saturated, Number((2 / 12).toPrecision(6)));
  });
}

test('points with NaN are not in any bin', async (t) => {
  const { radius } = await healthOf(Float32Array.of(Number.NaN, 0, 0.1, 0), 2, 1);
  t.is(
    radius.histogram.reduce((sum, count) => sum + count, 0),
    1,
  );
});

const row: HealthRow = {
  type: 'health',
  step: 10,
  epoch: 5,
  c: 0.1,
  radius: { min: 0.1, mean: 0.2, max: 0.3, histogram: [0, 1, 8, 4] },
  atRim: 0,
  saturated: 0.0001,
  scale: 1024,
  skippedSteps: 2,
  seconds: 1,
};

test('the health line shows the radii of the points and the values at their limits', (t) => {
  t.is(
    healthText(row),
    'Epoch 5: radius 0.100 to 0.300 of the ball radius (c 0.1) | ▁█▄|, 0.0% of points at the boundary, <0.1% of distances saturated, loss scale 1024, 2 steps skipped',
  );
});

test('reports short epochs at intervals, and changes immediately', (t) => {
  const said: string[] = [];
  let now = 0;
  const reporter = new HealthReporter(
    (text) => said.push(text),
    () => now,
  );
  for (let epoch = 1; epoch <= 25; epoch++, now += 1000) reporter.report({ ...row, epoch, c: epoch });
  const epochs = (): (string | undefined)[] => said.map((text) => /Epoch (\d+)/.exec(text)?.[1]);
  t.deepEqual(epochs(), ['1', '11', '21']);
  reporter.report({ ...row, epoch: 26, skippedSteps: 3 });
  t.is(epochs().at(-1), '26');
  reporter.report({ ...row, epoch: 90, skippedSteps: 3 });
  now += 60_000;
  reporter.report({ ...row, epoch: 91, skippedSteps: 3 });
  t.is(epochs().at(-1), '26', 'nothing is new');
});

test('points on the boundary of the ball and beyond it are in the last bin', async (t) => {
  const { radius } = await healthOf(Float32Array.of(1, 0, 0, -1.5, 0.1, 0), 2, 1);
  t.is(radius.histogram.length, radiusBins);
  t.is(radius.histogram.at(-1), 2);
});
