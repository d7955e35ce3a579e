import test from 'ava';
import {
  dist,
  frechetMean,
  geodesic,
  type Matrix,
  matrix,
  mobiusAdd,
  weightedMidpoint,
} from '../lib/index.ts';
import { close, cloud, inner } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

const weightsOf = (rows: number) =>
  matrix(
    Float64Array.from({ length: rows }, (_, i) => i % 3),
    rows,
    1,
  );

/** The weighted sum of squared distances. */
function spread(x: Matrix, mean: Matrix, weights: Matrix, c: number): number {
  const distances = dist.sync(mean, x, { c }).data;
  return inner(
    weights.data,
    Array.from(distances, (distance) => distance ** 2),
  );
}

for (const c of [1e-4, 0.1, 1, 3]) {
  for (const [share, what] of [
    [1e-6, 'near the origin'],
    [0.7, 'in the middle'],
    [0.9999, 'near the rim'],
  ] as const) {
    const x = cloud(Float64Array, 9, 3, share / Math.sqrt(c), 7) as Matrix<Float64Array>;
    const weights = weightsOf(9);
    const options = { c, weights };

    test(`c = ${c}, points ${what}: no other point has a smaller sum of squared distances`, async (t) => {
      const mean = await frechetMean(x, options);
      const least = spread(x, mean, weights, c);
      for (let k = 0; k < 3; k++)
        for (const step of [-1e-3, 1e-3]) {
          const other = matrix(mean.data.slice(), 1, 3);
          other.data[k]! += (step * share) / Math.sqrt(c);
          t.true(spread(x, other, weights, c) > least, `${k}`);
        }
      const midpoint = weightedMidpoint.sync(x, weights, { c });
      t.true(spread(x, midpoint, weights, c) >= least * (1 - coreError.tree));
    });

    test(`c = ${c}, points ${what}: gradients equal finite differences`, (t) => {
      const cotangent = cloud(Float64Array, 1, 3, 1, 4) as Matrix<Float64Array>;
      const value = (given = x, more: { c: number; weights: Matrix<Float64Array> } = options) =>
        inner(frechetMean.sync(given, more).data, cotangent.data);
      const slope = (at: (h: number) => number, h: number) =>
        (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      const gradC = new Float64Array(1);
      const [byX, byWeights] = frechetMean.vjp.sync(x, cotangent, { ...options, gradC });
      const moved = ({ data, rows, cols }: Matrix<Float64Array>, i: number, by: number) => {
        const copy = matrix(data.slice(), rows, cols);
        copy.data[i]! += by;
        return copy;
      };
      const limit = share > 0.9 ? referenceError.differencesNearRim : referenceError.differences;
      const wantX = Array.from(x.data, (_, i) => {
        const row = Math.floor(i / 3) * 3;
        const left = 1 / Math.sqrt(c) - Math.hypot(...x.data.subarray(row, row + 3));
        return slope((h) => value(moved(x, i, h)), 1e-3 * Math.min(share / Math.sqrt(c), left));
      });
      close(t, byX.data, wantX, limit, 'x');
      const wantW = Array.from(weights.data.subarray(1), (_, i) =>
        slope((h) => value(x, { c, weights: moved(weights, i + 1, h) }), weights.data[i + 1]! > 0 ? 1e-3 : 0),
      );
      const known = wantW.map((each, i) => (weights.data[i + 1]! > 0 ? each : byWeights!.data[i + 1]!));
      close(t, byWeights!.data.subarray(1), known, limit, 'weights');
      const wantC = slope((h) => value(x, { c: c + h, weights }), 1e-5 * c * (share > 0.9 ? 0.1 : 100));
      close(t, [gradC[0]!, ...byX.data], [wantC, ...byX.data], limit, 'c');
    });
  }
}

test('the mean of two points is the midpoint of their geodesic, with its derivative', (t) => {
  const c = 0.8;
  const [x, y] = [cloud(Float64Array, 1, 4, 0.9, 1), cloud(Float64Array, 1, 4, 0.9, 2)];
  const both = matrix(Float64Array.of(...x.data, ...y.data), 2, 4);
  const mean = frechetMean.sync(both, { c });
  close(t, mean.data, geodesic.sync(0.5, x, y, { c }).data, coreError.tree, 'middle');
  const third = frechetMean.sync(both, { c, weights: Float64Array.of(2, 1) });
  close(t, third.data, geodesic.sync(1 / 3, x, y, { c }).data, coreError.tree, 'a third');
  const shift = cloud(Float64Array, 1, 4, 0.6, 3);
  const moved = frechetMean.sync(mobiusAdd.sync(shift, both, { c }) as Matrix<Float64Array>, { c });
  close(t, moved.data, mobiusAdd.sync(shift, mean, { c }).data, coreError.tree, 'moved');
});

test('handles one row, coincident rows, zero weights, no rows, float32 and NaN', async (t) => {
  const c = 1;
  const x = matrix(Float64Array.of(0.3, -0.2), 1, 2);
  close(t, frechetMean.sync(x, { c }).data, x.data, coreError.tree, 'one row');
  const same = matrix(Float64Array.of(0.3, -0.2, 0.3, -0.2), 2, 2);
  close(t, frechetMean.sync(same, { c }).data, x.data, coreError.tree, 'coincident');
  const [byX] = frechetMean.vjp.sync(same, Float64Array.of(1, 2), { c });
  close(t, byX.data, [0.5, 1, 0.5, 1], coreError.tree, 'gradient of coincident rows');
  const none = { c, weights: new Float64Array(2) };
  t.deepEqual([...frechetMean.sync(same, none).data], [0, 0]);
  const gradC = Float64Array.of(7);
  const [zero, zeroWeights] = frechetMean.vjp.sync(same, Float64Array.of(1, 2), { ...none, gradC });
  t.deepEqual([...zero.data, ...zeroWeights!.data, gradC[0]], [0, 0, 0, 0, 0, 0, 0]);
  t.deepEqual([...frechetMean.sync(matrix(new Float64Array(0), 0, 2), { c }).data], [0, 0]);
  const cloudy = cloud(Float64Array, 20, 5, 0.9, 6) as Matrix<Float64Array>;
  const single = matrix(Float32Array.from(cloudy.data), 20, 5);
  const wide = matrix(Float64Array.from(single.data), 20, 5);
  const got = await frechetMean(single, { c });
  t.true(got.data instanceof Float32Array);
  close(
    t,
    got.data,
    frechetMean.sync(wide, { c }).data,
    allowed(Float32Array, coreError.rounding),
    'float32',
  );
  single.data[7] = Number.NaN;
  t.true(frechetMean.sync(single, { c }).data.every(Number.isNaN));
});

test('weights whose sum overflows give the mean of their ratios', (t) => {
  const x = matrix(Float64Array.of(0.1, 0, 0.5, 0), 2, 2);
  const mean = (scale: number) =>
    frechetMean.sync(x, { c: 1, weights: Float64Array.of(scale, 1.5 * scale) }).data;
  close(t, mean(1.1e308), mean(1), coreError.tree, 'mean');
});

test('rejects invalid weights', (t) => {
  const x = matrix(new Float64Array(4), 2, 2);
  for (const weights of [Float64Array.of(1, -1), Float64Array.of(1, Number.NaN)])
    t.throws(() => frechetMean.sync(x, { c: 1, weights }), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => frechetMean.sync(x, { c: 1, weights: Float64Array.of(1) }), { code: 'ERR_HOROBALL_SHAPE' });
  t.throws(() => frechetMean.vjp.sync(x, x, { c: 1 }), { code: 'ERR_HOROBALL_SHAPE' });
});

test('the gradients are an array, and keep the names of earlier versions', async (t) => {
  const x = cloud(Float32Array, 5, 3, 0.9, 6) as Matrix<Float32Array>;
  const cotangent = Float32Array.of(1, 2, 3);
  const [weights, gradC] = [new Float32Array(5).fill(1), new Float64Array(1)];
  const got = await frechetMean.vjp(x, cotangent, { c: 1, weights, gradC });
  t.is(got.length, 2);
  t.deepEqual(Object.keys(got), ['0', '1']);
  t.is(got.x, got[0]);
  t.is(got.weights, got[1]!);
  t.is(got.c, gradC[0]!);
  const without = frechetMean.vjp.sync(x, cotangent, { c: 1 });
  t.is(without[1], undefined);
  t.false('weights' in without);
  t.deepEqual(without[0], got[0]);
  t.throws(() => frechetMean.vjp.sync(x, cotangent, { c: 1, gradC: new Float64Array(2) }), {
    code: 'ERR_HOROBALL_TYPE',
    message: /gradC/,
  });
});
