import test from 'ava';
import { areFinitePixels, isCurvature, leastC } from '../../lib/model/limits.ts';

test('c is a number from the least one to its reciprocal', (t) => {
  for (const c of [leastC, 0.1, 1, 1 / leastC]) t.true(isCurvature(c), `${c}`);
  for (const c of [0, -1, 5e-324, 0.9 * leastC, 1.1 / leastC, Infinity, Number.NaN, '1', null])
    t.false(isCurvature(c), `${c}`);
});

test('normalized pixels are finite in float32', (t) => {
  t.true(areFinitePixels([0.5, 0, -1], [0.5, 1e-30, 1e300]));
  t.false(areFinitePixels([0, 0, 0], [1, 1e-39, 1]));
  t.false(areFinitePixels([0, 0, 1e39], [1, 1, 1]));
});
