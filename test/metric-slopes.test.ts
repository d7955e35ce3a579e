// Checks the slopes of distances that `negativeWeights` uses against finite differences of the oracle's distances.
import test from 'ava';
import { runSteps, runStepsSync } from '../lib/call/run.ts';
import { metrics } from '../lib/card-names.ts';
import { metricCard } from '../lib/cards.ts';
import type { Metric } from '../lib/index.ts';
import { slopesAt, slopesByAngle } from '../lib/metric-slopes.ts';
import { lengthIn, pointsOf } from './metric-cases.ts';
import { distances, table } from './oracle.ts';
import { close, cloud } from './support.ts';
import { allowed, referenceError } from './tolerances.ts';

const c = 0.8;
const step = 1e-6;
const [rows, cols] = [9, 4];

for (const name of metrics) {
  const metric = metricCard(name);
  const limit = allowed(Float64Array, metric.tolerance.gradient, referenceError.nearlyLinear);
  const points = pointsOf(name, cloud(Float64Array, rows, cols, 0.9, 3), c);
  const x = { ...points, data: Float64Array.from(points.data) };
  const anchors = Int32Array.of(5, 0);

  test(`${name}: norms at the anchors equal those of the oracle's gradient, and the card's constant if it has one`, async (t) => {
    const got = runStepsSync('test', slopesAt('test', x, anchors, { metric, c }));
    t.deepEqual(await runSteps('test', undefined, () => slopesAt('test', x, anchors, { metric, c })), got);
    t.is(runStepsSync('test', slopesAt('test', x, new Int32Array(0), { metric, c })).rows, 0);
    const points = table(x.data, x.cols);
    anchors.forEach((anchor, i) => {
      const want = points.map((y, j) => (j === anchor ? 0 : slope(name, points[anchor]!, y)));
      close(t, got.data.subarray(i * rows, (i + 1) * rows), want, limit, `anchor ${anchor}`);
      if (metric.slope > 0)
        close(
          t,
          want,
          want.map((_, j) => (j === anchor ? 0 : metric.slope)),
          limit,
          'card',
        );
    });
  });

  if (metric.points === 'hyperboloid') continue;
  test(`${name}: derivatives with respect to the angle equal the oracle's`, (t) => {
    const radius = 0.7;
    const angles = [0.01, 0.5, 1.5, 3];
    const at = (angle: number) =>
      distances[name]!([radius, 0], [radius * Math.cos(angle), radius * Math.sin(angle)], c);
    const cosine = {
      data: Float64Array.from(angles, (angle) => 2 * Math.sin(angle / 2) ** 2),
      rows: 2,
      cols: 2,
    };
    const got = runStepsSync('test', slopesByAngle('test', radius, cosine, { metric, c }));
    t.deepEqual([got.rows, got.cols], [2, 2]);
    const want = angles.map((angle) => (at(angle + step) - at(angle - step)) / (2 * step));
    close(t, got.data, want, limit, 'slopes');
  });
}

/** The norm of the oracle's gradient with respect to x, by central differences. */
function slope(name: Metric, x: readonly number[], y: readonly number[]): number {
  const gradient = x.map((_, k) => {
    const moved = (by: number) => x.map((value, m) => (m === k ? value + by : value));
    return (distances[name]!(moved(step), y, c) - distances[name]!(moved(-step), y, c)) / (2 * step);
  });
  return lengthIn(metricCard(name).points, x, gradient, c);
}
