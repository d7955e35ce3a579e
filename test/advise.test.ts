import test from 'ava';
import { adviceOn, shapeOf } from '../lib/advise.ts';
import { matrix } from '../lib/index.ts';
import { cloud } from './support.ts';

const shape = {
  delta: 0.1,
  interval: [0.09, 0.11],
  distortion: 0.1,
  spread: 0.4,
  radiusSpread: 0.1,
  c: 1,
} as const;

test('advises hyperbolic only for a small delta and distances that differ', (t) => {
  t.is(adviceOn(shape).geometry, 'hyperbolic');
  t.is(adviceOn({ ...shape, interval: [0.2, 0.4] }).geometry, 'euclidean');
  t.is(adviceOn({ ...shape, spread: 0.1 }).geometry, 'euclidean');
  t.is(adviceOn({ ...shape, radiusSpread: 0.5 }).head, 'hyp-vit');
  t.is(adviceOn(shape).head, 'hypmix');
});

test('points on a line form a tree without distortion', async (t) => {
  const line = matrix(
    Float64Array.from({ length: 40 }, (_, i) => i * i),
    40,
    1,
  );
  const found = await shapeOf(line);
  t.is(found.delta, 0);
  t.is(found.distortion, 0);
  t.true(found.spread > 0.5);
  t.is(found.c, 3); // the upper limit
});

test('advises euclidean for rows that are equally far from each other', async (t) => {
  const rows = 20;
  const star = matrix(new Float64Array(rows * rows), rows, rows);
  for (let i = 0; i < rows; i++) star.data[i * rows + i] = 2;
  const found = await shapeOf(star);
  t.true(found.spread < 0.01 && found.radiusSpread < 0.01);
  t.is(adviceOn(found).geometry, 'euclidean');
});

test('the interval contains delta, results depend only on the seed, and too few rows are rejected', async (t) => {
  const x = cloud(Float64Array, 60, 3, 1, 2);
  const found = await shapeOf(x, { seed: 3 });
  t.deepEqual(await shapeOf(x, { seed: 3 }), found);
  t.true(found.interval[0] < found.delta && found.delta < found.interval[1]);
  t.true(found.distortion > 0.01);
  await t.throwsAsync(shapeOf(cloud(Float64Array, 7, 3, 1, 2)), { code: 'ERR_HOROBALL_SHAPE' });
});

test('rejects features without any distance', async (t) => {
  const equal = matrix(new Float32Array(100).fill(3), 50, 2);
  const tiny = matrix(
    Float32Array.from({ length: 100 }, (_, i) => i * 1e-30),
    50,
    2,
  );
  for (const x of [equal, tiny])
    await t.throwsAsync(shapeOf(x), {
      code: 'ERR_HOROBALL_RANGE',
      message:
        /^\[advise\] source: expected features that differ, got distances of 0 between all of 50 random rows/,
    });
  const pair = matrix(
    Float32Array.from({ length: 100 }, (_, i) => (i < 2 ? 4 : 3)),
    50,
    2,
  );
  t.true((await shapeOf(pair)).spread > 0);
});
