// Tests the published guards one by one, each with a value and a slope that only this guard gives.
import test from 'ava';
import {
  dist0,
  distToPlane,
  expmap,
  expmap0,
  hyperbolicSoftmax,
  logmap0,
  mobiusAdd,
  mobiusMatvec,
  pairwiseDistance,
  project,
} from '../lib/index.ts';
import { slope } from './row-points.ts';
import { cloud, eachClose, inner, types } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

const compat = 'hypmix';

/** Tolerance of one rounding: every guard is reproduced exactly. */
const rounding = allowed(Float64Array, coreError.rounding);

test('norms are at least 1e-5, with no gradient below that', (t) => {
  const c = 1e8; // at the minimum norm of 1e-5, sqrt(c) |u| is 0.1
  const u = Float64Array.of(6e-7, 8e-7);
  const shrunk = Math.tanh(0.1) / 0.1;
  const stretched = Math.atanh(0.1) / 0.1;
  const scaled = (k: number) => Array.from(u, (value) => k * value);
  eachClose(t, expmap0.sync(u, { c, compat }).data, scaled(shrunk), rounding, 'expmap0');
  eachClose(t, expmap0.vjp.sync(u, u, { c, compat })[0].data, scaled(shrunk), rounding, 'expmap0, back');
  eachClose(t, logmap0.sync(u, { c, compat }).data, scaled(stretched), rounding, 'logmap0');
  eachClose(t, logmap0.vjp.sync(u, u, { c, compat })[0].data, scaled(stretched), rounding, 'logmap0, back');
  const fromOrigin = expmap.sync(new Float64Array(2), u, { c, compat }).data;
  eachClose(t, fromOrigin, scaled(shrunk / (1 + 1e-5)), rounding, 'expmap');
  const identity = { data: Float64Array.of(1, 0, 0, 1), rows: 2, cols: 2 };
  const length = Math.tanh(1e-6 * 1e4 * stretched) / (1e-6 * 1e4);
  eachClose(t, mobiusMatvec.sync(identity, u, { c, compat }).data, scaled(length), rounding, 'mobiusMatvec');
  // The guarded norm of u is 1e-5. It is 10 times the radius of this ball, so u is scaled by (1 - 1e-3)/10.
  const small = project.sync(u, { c: 1e12, compat }).data;
  eachClose(t, small, scaled((1 - 1e-3) * 1e-1), rounding, 'project');
});

test("tanh's argument is clamped at 15, above which the gradient is 0", (t) => {
  const u = Float64Array.of(20, 0);
  t.is(expmap0.sync(u, { c: 1, compat }).data[0], Math.tanh(15));
  t.true(Math.abs(expmap0.vjp.sync(u, u, { c: 1, compat })[0].data[0]!) <= rounding);
  const gradC = new Float64Array(1);
  expmap0.vjp.sync(u, Float64Array.of(1, 0), { c: 1, compat, gradC });
  t.true(Math.abs(gradC[0]! + Math.tanh(15) / 2) <= rounding); // d/dc of tanh(15)/sqrt(c)
});

test("artanh's argument is at most 1 - 1e-5, beyond which the slope stays constant", (t) => {
  const top = 1 - 1e-5;
  const steep = 1 / (1 - top * top);
  for (const c of [0.25, 1, 9]) {
    const x = Float64Array.of(0.6, 0.8).map((value) => (value * (1 - 1e-7)) / Math.sqrt(c));
    const got = dist0.sync(x, { c, compat }).data;
    eachClose(t, got, [(2 / Math.sqrt(c)) * Math.atanh(top)], rounding, 'value');
    const [gradient] = dist0.vjp.sync(x, Float64Array.of(1), { c, compat });
    eachClose(t, gradient.data, [2 * steep * 0.6, 2 * steep * 0.8], rounding, 'slope');
  }
});

test('the argument of the logarithm in arsinh is at least 1e-5, and has the slope of the unclamped argument', (t) => {
  const p = new Float64Array(2);
  const a = Float64Array.of(-1, 0);
  // With p = 0 and |a| = 1, the argument of arsinh is -2w/(1 - w^2) with w = x/(1 + 1e-5).
  const height = (x: number) => (-2 * (x / (1 + 1e-5))) / (1 - (x / (1 + 1e-5)) ** 2);
  const x = 1 - 1e-9;
  t.true(height(x) + Math.hypot(1, height(x)) < 1e-5);
  const logit = hyperbolicSoftmax.sync(Float64Array.of(x, 0), p, a, { c: 1, compat }).data;
  eachClose(t, logit, [2 * Math.log(1e-5)], rounding, 'value');
  const [gradient] = hyperbolicSoftmax.vjp.sync(Float64Array.of(x, 0), p, a, Float64Array.of(1), {
    c: 1,
    compat,
  });
  const want = (2 * slope((h) => height(x + h), 1e-9)) / Math.hypot(1, height(x));
  const limit = allowed(Float64Array, coreError.rounding, referenceError.differences);
  eachClose(t, gradient.data.slice(0, 1), [want], limit, 'slope');
});

test('a plane with a zero normal vector gives 0, with gradient 0', (t) => {
  const [x, p, a] = [Float64Array.of(0.1, 0.2), Float64Array.of(0.3, 0), new Float64Array(2)];
  const one = Float64Array.of(1);
  for (const options of [{ c: 1 }, { c: 1, compat }] as const) {
    t.is(distToPlane.sync(x, p, a, options).data[0], 0);
    t.is(Math.abs(hyperbolicSoftmax.sync(x, p, a, options).data[0]!), 0);
    for (const { data } of distToPlane.vjp.sync(x, p, a, one, options))
      t.true(data.every((value) => value === 0));
    for (const { data } of hyperbolicSoftmax.vjp.sync(x, p, a, one, options)) {
      t.true(data.every((value) => value === 0));
    }
  }
});

// For these pairs, the divisor D of Möbius addition is 0 up to rounding. The square root of a negative D would be NaN,
// which the clamp would turn into the largest distance.
test('a point and its inversion in the boundary of the ball are at a small distance', (t) => {
  for (const type of types) {
    for (const c of [0.3, 1]) {
      const x = cloud(type, 200, 3, 0.9 / Math.sqrt(c));
      const inverse = { ...x, data: x.data.slice() };
      for (let i = 0; i < x.rows; ++i) {
        const row = x.data.subarray(3 * i, 3 * i + 3);
        const square = inner(row, row);
        inverse.data.set(
          row.map((value) => (square === 0 ? 0 : value / (c * square))),
          3 * i,
        );
      }
      const all = pairwiseDistance.sync(x, inverse, { c, compat }).data;
      const largest = (2 / Math.sqrt(c)) * Math.atanh(1 - 1e-5);
      for (let i = 0; i < x.rows; ++i) {
        const d = all[i * x.rows + i]!;
        t.true(d >= 0 && d < largest / 2, `${type.name}, c ${c}, row ${i}: ${d}`);
      }
    }
  }
});

test('a point on the rim is at distance 0 from itself', (t) => {
  for (const type of types) {
    const rows = { data: type.from([1, 0, 0, -1]), rows: 2, cols: 2 }; // 1 - c x^2 is 0 exactly
    const copy = { ...rows, data: rows.data.slice() };
    const all = pairwiseDistance.sync(rows, copy, { c: 1, compat }).data;
    t.deepEqual([all[0], all[3]], [0, 0], type.name);
  }
});

test('on the rim, the published formulas keep the gradient of 1 - c x^2', (t) => {
  const y = Float64Array.of(0.3, 0.2);
  const value = (h: number): number => {
    const { data } = mobiusAdd.sync(Float64Array.of(1 + h, 0), y, { c: 1, compat });
    return data[0]! - 2 * data[1]!;
  };
  const [byX] = mobiusAdd.vjp.sync(Float64Array.of(1, 0), y, Float64Array.of(1, -2), { c: 1, compat });
  const limit = allowed(Float64Array, coreError.rounding, referenceError.differences);
  eachClose(t, byX.data.slice(0, 1), [slope(value, 1e-6)], limit, 'by x');
});
