import test from 'ava';
import { geometries } from '../lib/card-names.ts';
import { distanceCard, type Geometry, geometryCard } from '../lib/cards.ts';
import { hybridContrastiveLoss, type Matrix, matrix, negativeWeights } from '../lib/index.ts';
import { headOf, lengthIn } from './metric-cases.ts';
import { dot, logits, minus, norm, table } from './oracle.ts';
import { close, cloud, noise } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

const [classes, views, cols] = [6, 3, 5];
const rows = classes * views;
const settings = { tauE: 0.4, tauH: 0.6, lambda: 1.4, c: 0.8 };

function unit(from: Matrix): Matrix {
  const data = from.data.slice() as Float64Array;
  for (let i = 0; i < from.rows; ++i) {
    const row = data.subarray(i * from.cols, (i + 1) * from.cols);
    const length = Math.hypot(...row);
    row.forEach((v, k) => {
      row[k] = v / length;
    });
  }
  return matrix(data, from.rows, from.cols);
}

const euclidean = unit(cloud(Float64Array, rows, cols, 1, 5));
const hyperbolic = cloud(Float64Array, rows, cols, 1, 6);
const radius = Math.tanh(Math.sqrt(settings.c)) / Math.sqrt(settings.c);
const e = table(euclidean.data, cols);
const tiedPoints = e.map((row) => row.map((v) => v * radius));
const untied = (geometry: Geometry) => headOf(geometry, hyperbolic, settings.c);
const pointsIn = (geometry: Geometry, head: 'tied' | 'untied') => {
  const points = untied(geometry);
  return head === 'tied' ? tiedPoints.map((row) => lifted(geometry, row)) : table(points.data, points.cols);
};

/** Converts a point of the ball to the space of a geometry's distance. */
function lifted(geometry: Geometry, row: readonly number[]): number[] {
  return Array.from(headOf(geometry, matrix(Float64Array.from(row), 1, cols), settings.c).data);
}

function logit(
  geometry: Geometry,
  z: readonly number[],
  w: readonly number[],
  x: readonly number[],
  y: readonly number[],
): number {
  return logits[geometry]!({ e: z, h: x }, { e: w, h: y }, settings);
}

/** Returns the softmax probabilities of anchor i, summed over the pairs of its view with every other view. */
function weights(geometry: Geometry, h: number[][], i: number): { p: number[]; positive: number } {
  const p = new Array<number>(rows).fill(0);
  const [own, view] = [Math.floor(i / views), i % views];
  let positive = 0;
  for (let b = 0; b < views; ++b) {
    if (b === view) continue;
    const row = Array.from(e.keys()).filter(
      (j) => j % views === b || (j % views === view && Math.floor(j / views) !== own),
    );
    const terms = row.map((j) => [j, Math.exp(logit(geometry, e[i]!, e[j]!, h[i]!, h[j]!))] as const);
    const total = terms.reduce((sum, [, term]) => sum + term, 0);
    for (const [j, term] of terms) {
      if (Math.floor(j / views) === own) positive += term / total;
      else p[j]! += term / total;
    }
  }
  return { p, positive };
}

for (const head of ['tied', 'untied'] as const) {
  for (const geometry of geometries) {
    const options = {
      euclidean,
      ...(head === 'tied' ? { tied: true } : { hyperbolic: untied(geometry) }),
      geometry,
      views,
      ...settings,
    };
    const h = pointsIn(geometry, head);

    test(`${head} ${geometry}: probabilities, shares and ranks equal the formula`, async (t) => {
      const got = await negativeWeights(options);
      t.deepEqual(negativeWeights.sync(options), got);
      for (let i = 0; i < rows; ++i) {
        const { p, positive } = weights(geometry, h, i);
        const q = p.map((v) => v / p.reduce((a, b) => a + b));
        close(t, got.p.data.subarray(i * rows, (i + 1) * rows), p, coreError.negatives, 'p');
        close(t, got.q.data.subarray(i * rows, (i + 1) * rows), q, coreError.negatives, 'q');
        close(t, [got.positive[i]!], [positive], coreError.negatives, 'positive');
        close(
          t,
          [got.effective[i]!],
          [Math.exp(-q.reduce((s, v) => s + (v > 0 ? v * Math.log(v) : 0), 0))],
          coreError.negatives,
          'entropy',
        );
        const negatives = Array.from(e.keys()).filter((j) => Math.floor(j / views) !== Math.floor(i / views));
        const by = geometryCard(geometry).inner || head === 'tied' ? e : h;
        const cosine = (j: number) => dot(by[i]!, by[j]!) / (norm(by[i]!) * norm(by[j]!));
        negatives.sort((a, b) => cosine(b) - cosine(a));
        t.deepEqual(
          negatives.map((j) => got.rank[i * rows + j]),
          [...negatives.keys()],
        );
        t.is(got.rank[i * rows + i], -1);
        close(t, [got.hardest1[i]!], [q[negatives[0]!]!], coreError.negatives, 'hardest 1%');
        close(
          t,
          [got.hardest10[i]!],
          [q[negatives[0]!]! + q[negatives[1]!]!],
          coreError.negatives,
          'hardest 10%',
        );
        const same = negatives.filter((j) => j % views === i % views);
        close(t, [got.sameView[i]!], [same.reduce((s, j) => s + q[j]!, 0)], coreError.negatives, 'same view');
      }
    });

    test(`${head} ${geometry}: pulls equal the probability times the norm of the logit's gradient`, (t) => {
      const { p, pullEuclidean, pullHyperbolic } = negativeWeights.sync({ ...options, anchors: [4] });
      for (let j = 6; j < rows; ++j) {
        const [pe, ph] = slopes(geometry, head, h, 4, j);
        close(
          t,
          [pullEuclidean.data[j]!],
          [p.data[j]! * pe],
          allowed(Float64Array, geometryCard(geometry).tolerance.gradient, referenceError.differences),
          'euclidean',
        );
        close(
          t,
          [pullHyperbolic.data[j]!],
          [p.data[j]! * ph],
          allowed(Float64Array, geometryCard(geometry).tolerance.gradient, referenceError.differences),
          'hyperbolic',
        );
      }
      t.is(pullEuclidean.data[3], 0);
    });
  }
}

/**
 * The gradient norms of the logit's two terms, by central differences: tangential at the anchor's unit row and, for
 * untied heads, Riemannian at its ball point.
 */
function slopes(
  geometry: Geometry,
  head: 'tied' | 'untied',
  h: number[][],
  i: number,
  j: number,
): [number, number] {
  const step = 1e-6;
  const towards = minus(
    e[j]!,
    e[i]!.map((v) => v * dot(e[i]!, e[j]!)),
  );
  const turned = (by: number) => {
    const length = norm(towards);
    return e[i]!.map((v, k) => v * Math.cos(by) + (towards[k]! / length) * Math.sin(by));
  };
  // The logit is linear in the inverse temperatures, so an infinite temperature removes one of its two terms.
  const { inner, distance } = geometryCard(geometry);
  const only = (z: number[], x: number[], off: Partial<typeof settings>) =>
    logits[geometry]!({ e: z, h: x }, { e: e[j]!, h: h[j]! }, { ...settings, ...off });
  const terms = (z: number[], x: number[]) =>
    [
      inner ? only(z, x, { tauH: Infinity }) : 0,
      distance === null ? 0 : only(z, x, { tauE: Infinity }),
    ] as const;
  if (head === 'tied') {
    const at = (by: number) =>
      terms(
        turned(by),
        lifted(
          geometry,
          turned(by).map((v) => v * radius),
        ),
      );
    return [0, 1].map((k) => (at(step)[k]! - at(-step)[k]!) / (2 * step)) as [number, number];
  }
  const near = (terms(turned(step), h[i]!)[0] - terms(turned(-step), h[i]!)[0]) / (2 * step);
  const gradient = h[i]!.map((_, k) => {
    const at = (by: number) =>
      terms(
        e[i]!,
        h[i]!.map((v, m) => (m === k ? v + by : v)),
      )[1];
    return (at(step) - at(-step)) / (2 * step);
  });
  const points = distanceCard(geometryCard(geometry), false)?.points ?? 'anywhere';
  return [near, lengthIn(points, h[i]!, gradient, settings.c)];
}

test('the loss is negative sampling from q: its gradient is the weighted sum of triplets', (t) => {
  // For untied hybrid heads, anchor i adds sum_k p_k (e_k - e_+) / tauE to dL/de_i, and terms with the same p to the
  // gradients of its positives and negatives.
  const options = { euclidean, hyperbolic, views, ...settings };
  const { p } = negativeWeights.sync(options);
  const { gradEuclidean } = hybridContrastiveLoss.sync(options);
  const want = e.map((row) => row.map(() => 0));
  for (let i = 0; i < rows; ++i) {
    const own = Math.floor(i / views);
    for (let b = 0; b < views; ++b) {
      if (b === i % views) continue;
      const plus = own * views + b;
      const pair = pairWeights(i, b);
      for (let j = 0; j < rows; ++j) {
        const weight = (pair[j]! - (j === plus ? 1 : 0)) / settings.tauE / classes;
        e[j]!.forEach((v, k) => {
          want[i]![k]! += weight * v;
        });
        e[i]!.forEach((v, k) => {
          want[j]![k]! += weight * v;
        });
      }
    }
  }
  close(t, gradEuclidean!.data, want.flat(), coreError.negatives, 'gradient');
  const sums = e.map((_, i) =>
    Array.from({ length: views }, (_, b) => (b === i % views ? [] : pairWeights(i, b))),
  );
  const again = e.map((_, i) =>
    e.map((_, j) =>
      Math.floor(j / views) === Math.floor(i / views)
        ? 0
        : sums[i]!.reduce((s, pair) => s + (pair[j] ?? 0), 0),
    ),
  );
  close(t, p.data, again.flat(), coreError.negatives, 'p');
});

/** The softmax of anchor i for its positive in view b; 0 for rows that are not candidates. */
function pairWeights(i: number, b: number): number[] {
  const inRow = (j: number) =>
    j % views === b || (j % views === i % views && Math.floor(j / views) !== Math.floor(i / views));
  const h = pointsIn('hybrid', 'untied');
  const terms = e.map((_, j) => (inRow(j) ? Math.exp(logit('hybrid', e[i]!, e[j]!, h[i]!, h[j]!)) : 0));
  const total = terms.reduce((a, b) => a + b);
  return terms.map((term) => term / total);
}

test('accepts anchors and labels in any order', async (t) => {
  const next = noise(2);
  const key = Array.from({ length: rows }, next);
  const place = Array.from(key.keys()).sort((a, b) => (a % views) - (b % views) || key[a]! - key[b]!);
  const shuffled = matrix(Float64Array.from(place.flatMap((row) => e[row]!)), rows, cols);
  const labels = place.map((row) => Math.floor(row / views));
  const shared = { tied: true, c: 1 };
  const whole = negativeWeights.sync({ euclidean, views, ...shared });
  const some = await negativeWeights({ euclidean: shuffled, labels, anchors: [7, 2], ...shared });
  t.deepEqual([some.p.rows, some.p.cols, ...some.anchors], [2, rows, 7, 2]);
  const want = place.map((row) => whole.p.data[place[7]! * rows + row]!);
  close(t, some.p.data.subarray(0, rows), want, coreError.negativesOfFew, 'p');
});

test('nothing overflows for two classes far apart at a small temperature', (t) => {
  const z = matrix(Float64Array.of(1, 0, 1, 0, -1, 0, -1, 0), 4, 2);
  const got = negativeWeights.sync({ euclidean: z, tied: true, views: 2, tauE: 1e-4, tauH: 1e-4, c: 1 });
  for (const list of [got.p.data, got.q.data, got.effective, got.positive])
    t.true(list.every(Number.isFinite));
  close(t, got.positive, [1, 1, 1, 1], coreError.negativesOfFew, 'positive');
});

test('with lambda 0, the weights are the Euclidean ones, wherever the ball points are', (t) => {
  const outside = matrix(hyperbolic.data.slice().fill(2, 5 * cols, 8 * cols), rows, cols);
  const shared = { euclidean, hyperbolic: outside, views, ...settings };
  const got = negativeWeights.sync({ ...shared, lambda: 0 });
  const want = negativeWeights.sync({ ...shared, geometry: 'euclidean' });
  t.deepEqual([got.p, got.q, got.pullEuclidean, got.rank], [want.p, want.q, want.pullEuclidean, want.rank]);
  t.true(got.pullHyperbolic.data.every((value) => value === 0));
});
