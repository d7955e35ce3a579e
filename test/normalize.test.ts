import test from 'ava';
import { geometryCard, hybridContrastiveLoss, matrix, negativeWeights, normalize } from '../lib/index.ts';
import { batch } from './loss-batch.ts';
import { limitsIn } from './metric-cases.ts';
import { close, cloud, failure, types } from './support.ts';
import { allowed, coreError } from './tolerances.ts';

const limits = limitsIn(Float64Array, geometryCard('hybrid').tolerance);

for (const type of types) {
  test(`${type.name}: rows get norm 1 and keep their direction`, async (t) => {
    const x = cloud(type, 300, 17, 5);
    const unit = await normalize(x);
    t.deepEqual(unit, normalize.sync(x));
    t.is(unit.data.constructor, type);
    for (let i = 0; i < x.rows; ++i) {
      const row = x.data.subarray(i * 17, (i + 1) * 17);
      const norm = Math.hypot(...row);
      const want = Array.from(row, (value) => value / norm);
      close(t, unit.row(i), want, allowed(type, coreError.rounding), `row ${i}`);
    }
  });
}

test('the norm neither overflows nor underflows', (t) => {
  const rows = matrix([
    [3e200, 4e200],
    [3e-200, 4e-200],
    [1.5e308, 0],
    [0, 5e-324],
  ]);
  const unit = normalize.sync(rows);
  for (const i of [0, 1])
    close(t, unit.row(i), [0.6, 0.8], allowed(Float64Array, coreError.rounding), `row ${i}`);
  t.deepEqual([unit.row(2), unit.row(3)], [Float64Array.of(1, 0), Float64Array.of(0, 1)]);
  const single = matrix(Float32Array.of(3e-45, 0, 3e38, 3e38), 2, 2);
  t.deepEqual(normalize.sync(single).row(0), Float32Array.of(1, 0));
  const limit = allowed(Float32Array, coreError.rounding);
  close(t, normalize.sync(single).row(1), [Math.SQRT1_2, Math.SQRT1_2], limit, 'float32');
});

test('only rows with NaN or infinity become NaN', (t) => {
  const rows = matrix([
    [Number.NaN, 1],
    [Infinity, 1],
    [0, 2],
  ]);
  const { NaN: nan } = Number;
  t.deepEqual(normalize.sync(rows).data, Float64Array.of(nan, nan, nan, nan, 0, 1));
});

test('writes the result to out', (t) => {
  const out = new Float64Array(2);
  t.is(normalize.sync(Float64Array.of(0, 2), { out }).data, out);
  t.deepEqual(out, Float64Array.of(0, 1));
});

test('normalize: true gives the loss of the unit rows, and the gradient of the given rows', async (t) => {
  const { euclidean: unit, hyperbolic } = batch(Float64Array, 12, 5, 0.3);
  const scale = 2.5;
  const euclidean = matrix(unit.data.map((value) => scale * value) as Float64Array, 12, 5);
  for (const heads of [{ tied: true } as const, { hyperbolic }]) {
    const options = { ...heads, views: 3, c: 0.3 };
    const want = await hybridContrastiveLoss({ euclidean: unit, ...options });
    const got = await hybridContrastiveLoss({ euclidean, normalize: true, ...options });
    close(t, [got.loss], [want.loss], limits.value, 'loss');
    const along = (matrix: { data: ArrayLike<number> }, i: number) =>
      [0, 1, 2, 3, 4].reduce((sum, k) => sum + matrix.data[5 * i + k]! * unit.data[5 * i + k]!, 0);
    const tangential = Array.from(
      want.gradEuclidean!.data,
      (value, at) => (value - along(want.gradEuclidean!, Math.floor(at / 5)) * unit.data[at]!) / scale,
    );
    close(t, got.gradEuclidean!.data, tangential, limits.gradient, 'gradient');
  }
});

test('negativeWeights with normalize: true gives the weights of the unit rows', async (t) => {
  const { euclidean: unit } = batch(Float64Array, 12, 5, 0.3);
  const euclidean = matrix(unit.data.map((value) => 4 * value) as Float64Array, 12, 5);
  const options = { tied: true, views: 3, c: 0.3 };
  const want = await negativeWeights({ euclidean: unit, ...options });
  const got = await negativeWeights({ euclidean, normalize: true, ...options });
  close(t, got.q.data, want.q.data, limits.gradient, 'weights');
});

test('the loss accepts unit rows of low precision, and the error for other rows names the row', async (t) => {
  const { euclidean } = batch(Float32Array, 4, 8, 0.3);
  const rounded = matrix(
    Float32Array.from(euclidean.data, (value) => Math.round(value * 256) / 256),
    4,
    8,
  );
  const options = { tied: true, views: 2, c: 0.3 } as const;
  t.true(Number.isFinite((await hybridContrastiveLoss({ euclidean: rounded, ...options })).loss));
  euclidean.data.set(
    euclidean.data.subarray(16, 24).map((value) => 1.02 * value),
    16,
  );
  const { message } = await failure(() => hybridContrastiveLoss({ euclidean, ...options }));
  t.is(
    message,
    '[hybridContrastiveLoss] euclidean: expected rows of unit length, got norm 1.02 in row 2. Set normalize: true, or call normalize() first.',
  );
  const untied = { ...options, tied: false, geometry: 'euclidean' } as const;
  t.true(Number.isFinite((await hybridContrastiveLoss({ euclidean, ...untied })).loss), 'an inner product');
});
