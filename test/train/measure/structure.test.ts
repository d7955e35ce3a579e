import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import type { Embedded } from '../../../lib/train/measure/evaluate.ts';
import {
  alignmentOf,
  depthRows,
  radiiByLevel,
  ranksOf,
  spreadOf,
  summary,
} from '../../../lib/train/measure/structure.ts';
import { startCpuClock } from '../../cpu-clock.ts';
import { statedError } from '../../tolerances.ts';

async function depthOf(...args: Parameters<typeof radiiByLevel>): Promise<ReturnType<typeof depthRows>> {
  return depthRows(await radiiByLevel(...args));
}

const near = (a: number, b: number, tolerance: number = statedError.means): boolean =>
  Math.abs(a - b) <= tolerance;

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

test('alignment and uniformity equal their formulas', async (t) => {
  // Two classes on the axes, with squared distances 0 and 2 within them, and 2 and 4 between them.
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

test('alignment covers all pairs, for any number of classes', async (t) => {
  const count = 20_000;
  const angle = 0.3;
  const rows = Array.from({ length: 2 * count }, (_, i) => {
    const at = (i >> 1) + (i % 2) * angle;
    return [Math.cos(at), Math.sin(at)];
  });
  const labels = rows.map((_, i) => i >> 1);
  const { alignment, uniformity } = await spreadOf(embedded(rows, labels));
  const wanted = 2 - 2 * Math.cos(angle);
  t.true(near(alignment / wanted, 1, statedError.alignment), `${alignment}, expected ${wanted}`);
  t.true(uniformity < 0 && uniformity > -4, `${uniformity}`);

  // Compares with a loop over all pairs, for classes of unequal size.
  const few = rows.slice(0, 300);
  const sizes = few.map((_, i) => Math.floor(Math.sqrt(i)));
  let [sum, pairs] = [0, 0];
  for (let i = 0; i < few.length; i++) {
    for (let j = 0; j < i; j++) {
      if (sizes[i] !== sizes[j]) continue;
      sum += (few[i]![0]! - few[j]![0]!) ** 2 + (few[i]![1]! - few[j]![1]!) ** 2;
      pairs++;
    }
  }
  const found = (await spreadOf(embedded(few, sizes))).alignment;
  t.true(near(found / (sum / pairs), 1, statedError.uniformity), `${found}, expected ${sum / pairs}`);
});

test('values that need a pair are NaN or null for a single image', async (t) => {
  const lone = embedded(
    [
      [1, 0],
      [0, 1],
      [-1, 0],
    ],
    [0, 1, 2],
  );
  t.deepEqual((await spreadOf(lone)).alignment, Number.NaN);
  t.true((await spreadOf(lone)).uniformity < 0);
  const one = embedded([[1, 0]], [0]);
  t.deepEqual(await spreadOf(one), { alignment: Number.NaN, uniformity: Number.NaN });
  t.is(await ranksOf(one, 1), null);
  t.is(
    (
      await spreadOf(
        embedded(
          [
            [1, 0],
            [0, 1],
          ],
          [0, 0],
        ),
      )
    ).alignment,
    2,
  );
});

test('a level may have more groups than a call accepts arguments', (t) => {
  const values = Array.from({ length: 300_000 }, (_, i) => i);
  t.deepEqual(summary(values), { mean: 149_999.5, min: 0, max: 299_999 });
  t.deepEqual(summary([]), { mean: Number.NaN, min: Number.NaN, max: Number.NaN });
  t.deepEqual(summary([2, Number.NaN, 1]), { mean: Number.NaN, min: 1, max: 2 });
});

test('both outputs give the same ranking for a fixed radius, but not for free radii', async (t) => {
  const rows = Array.from({ length: 40 }, (_, i) => [Math.cos(i * i), Math.sin(i * i), Math.cos(3 * i)]);
  const labels = rows.map((_, i) => i >> 1);
  t.deepEqual(await ranksOf(embedded(rows, labels), 0.7), { spearman: 1, overlap: 1, nearest: 10 });
  const free = (await ranksOf(
    embedded(
      rows,
      labels,
      rows.map((_, i) => 0.2 + 0.1 * (i % 8)),
    ),
    0.7,
  ))!;
  t.true(free.spearman < 0.95 && free.spearman > 0 && free.overlap < 1, `${free.spearman}`);
});

test('midpoints of higher levels of the class tree are closer to the origin', async (t) => {
  const angles = [0, 0.1, 0.5, 0.6, Math.PI, Math.PI + 0.1, Math.PI + 0.5, Math.PI + 0.6];
  const rows = angles.map((angle) => [Math.cos(angle), Math.sin(angle)]);
  const parents = [
    ['x', 'a'],
    ['x', 'a'],
    ['y', 'b'],
    ['y', 'b'],
  ];
  const found = await depthOf(embedded(rows, [0, 0, 1, 1, 2, 2, 3, 3]), { parents, levels: ['genus'] }, 1);
  t.deepEqual(
    found.map(({ level, groups }) => [level, groups]),
    [
      ['picture', 8],
      ['class', 4],
      ['genus', 2],
      ['2 levels up', 2],
      ['all', 1],
    ],
  );
  t.true(near(found[0]!.mean, 2 * Math.atanh(0.9), statedError.farMean));
  const means = found.map(({ mean }) => mean);
  t.true(means[0]! > means[1]! && means[1]! > means[2]! && means[4]! < 1e-3, means.join());
  t.deepEqual(await depthOf(embedded(rows, [0, 0, 1, 1, 2, 2, 3, 3]), {}, 1), []);
});

test('alignment of one large class gives the event loop a turn at least every 64 rows', async (t) => {
  const rows = Array.from({ length: 1024 }, (_, i) => [Math.cos(i), Math.sin(i)]);
  let [turns, isDone] = [0, false];
  const counting = async (): Promise<void> => {
    for (; !isDone; turns++) await setImmediate();
  };
  const counted = counting();
  await alignmentOf(
    embedded(
      rows,
      rows.map(() => 0),
    ),
  );
  isDone = true;
  await counted;
  t.true(turns >= 1024 / 64, `${turns} turns`);
});

test('computes the depths of 20,000 classes in seconds without blocking the event loop', async (t) => {
  const classes = 20_000;
  const rows = Array.from({ length: 2 * classes }, (_, i) => [Math.cos(i), Math.sin(i)]);
  const parents = Array.from({ length: classes }, (_, i) => [`genus ${i >> 2}`, `family ${i % 10}`]);
  const labels = rows.map((_, i) => i >> 1);
  const spent = startCpuClock();
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  const found = await depthOf(embedded(rows, labels), { parents }, 1);
  clearInterval(timer);
  t.deepEqual(
    found.map(({ groups }) => groups),
    [2 * classes, classes, classes / 4, 10, 1],
  );
  const ms = spent();
  t.log(`${ms} ms of CPU time, event loop held for ${longest} ms`);
  t.true(ms < 5000, `${ms} ms`);
});
