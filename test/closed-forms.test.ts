// Compares row-wise operations with closed forms: slopes on both sides of every switch between a function and its series,
// distances, geodesics, and balls of extreme scales.
import test from 'ava';
import fc from 'fast-check';
import {
  conformalFactor,
  dist,
  dist0,
  expmap0,
  geodesic,
  logmap0,
  type Matrix,
  matrix,
  mobiusAdd,
  mobiusScalarMul,
} from '../lib/index.ts';
import { nearDuplicates, pair } from './ball-points.ts';
import { accuracyOf, cards, forward, pointsOf } from './row-points.ts';
import { close, eachClose, inner, relativeError } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

/** Tolerance of one rounding in float64. */
const rounding = allowed(Float64Array, coreError.rounding, coreError.rounding.float64);
/** Tolerance of a few successive operations in float64. */
const composed = allowed(Float64Array, accuracyOf('dist0').value, referenceError.closedForms);
/** Radii below and above every threshold at which the smooth functions change their formula. */
const radii = Array.from({ length: 120 }, (_, i) => 10 ** (-9 + i / 12));

/** The radial derivative of a map of vectors at u: <u, J u>/|u|^2. */
function radial(vjp: (u: Matrix, w: Matrix) => readonly Matrix[], r: number): number {
  const u = matrix(Float64Array.of(0.48 * r, -0.6 * r, 0.64 * r), 1, 3);
  return inner(vjp(u, u)[0]!.data, u.data) / inner(u.data, u.data);
}

test('the maps at 0 have the slopes of tanh and artanh at every radius', (t) => {
  for (const c of [0.25, 4]) {
    const k = Math.sqrt(c);
    const exp = radii.map((r) => radial((u, w) => expmap0.vjp.sync(u, w, { c }), r));
    exp.forEach((got, i) => {
      // The tolerance is absolute, because the radial derivative is a small difference of larger terms.
      t.true(Math.abs(got - 1 / Math.cosh(k * radii[i]!) ** 2) <= rounding, `expmap0 at ${radii[i]}: ${got}`);
    });
    const reach = radii.filter((r) => k * r < 0.999);
    const log = reach.map((r) => radial((u, w) => logmap0.vjp.sync(u, w, { c }), r));
    eachClose(
      t,
      log,
      reach.map((r) => 1 / (1 - c * r * r)),
      allowed(Float64Array, accuracyOf('logmap0').value, referenceError.closedForms),
      'logmap0',
    );
    for (const factor of [-2, 0.3, 5]) {
      const got = reach.map((r) =>
        radial((u, w) => mobiusScalarMul.vjp.sync(factor, u, w, { c }).slice(1) as Matrix[], r),
      );
      const want = reach.map((r) => factor / Math.cosh(factor * Math.atanh(k * r)) ** 2 / (1 - c * r * r));
      t.true(got.every((value, i) => Math.abs(value - want[i]!) <= composed / (1 - c * reach[i]! ** 2)));
    }
  }
});

test('the distance from the origin to expmap0(u) is 2|u|', (t) => {
  for (const c of [0.25, 4]) {
    const k = Math.sqrt(c);
    const u = matrix(Float64Array.from(radii.flatMap((r) => [0.6 * r, 0.8 * r])), radii.length, 2);
    const short = radii.map((r) => (k * r < 15 ? 2 * r : 0));
    const d = dist0.sync(expmap0.sync(u, { c }), { c }).data;
    // d(0, exp_0 u) = 2|u| for every c. From k r = 4 on, it is not checked, because of rounding near the rim.
    radii.forEach((r, i) => {
      if (k * r < 4) close(t, [d[i]!], [short[i]!], composed, `r ${r}`);
    });
  }
});

test('a geodesic has constant speed', (t) => {
  const c = 0.7;
  for (const apart of [1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1, 1.1, 1.3]) {
    const [x, y] = nearDuplicates(Float64Array, c, 0.9, apart);
    const length = dist.sync(x, y, { c }).data;
    for (const place of [-0.5, 0, 0.25, 1, 2]) {
      const at = geodesic.sync(place, x, y, { c });
      const factors = conformalFactor.sync(at, { c }).data;
      for (let i = 0; i < 6; ++i) {
        const speed = Array.from({ length: 9 }, (_, k) => {
          const w = matrix(new Float64Array(54), 6, 9);
          w.data[i * 9 + k] = 1;
          return geodesic.vjp.sync(place, x, y, w, { c })[0];
        });
        const ratio = (factors[i]! * Math.hypot(...speed)) / length[i]!;
        close(t, [ratio], [1], accuracyOf('geodesic').parameters.float64, `apart ${apart}, t ${place}`);
      }
    }
  }
});

test('the difference of two points has its closed forms', (t) => {
  const holds = ({ c, x, y }: { c: number; x: number[]; y: number[] }) => {
    const [p, q] = [x, y].map((row) => row.map((value) => value * 0.9));
    const [a, b] = [1 - c * inner(p!, p!), 1 - c * inner(q!, q!)];
    const s = p!.reduce((sum, value, k) => sum + (value - q![k]!) ** 2, 0);
    const divisor = 1 - 2 * c * inner(p!, q!) + c * c * inner(p!, p!) * inner(q!, q!);
    const w = mobiusAdd.sync(
      Float64Array.from(p!, (value) => -value),
      Float64Array.from(q!),
      { c },
    ).data;
    const w2 = inner(w, w);
    const d = dist.sync(Float64Array.from(p!), Float64Array.from(q!), { c }).data[0]!;
    return (
      Math.abs(c * w2 - (c * s) / divisor) <= composed &&
      Math.abs(1 - c * w2 - (a * b) / divisor) <= composed &&
      Math.abs(Math.cosh(Math.sqrt(c) * d) / (1 + (2 * c * s) / (a * b)) - 1) <= composed
    );
  };
  t.notThrows(() => fc.assert(fc.property(pair, holds), { seed: 5, numRuns: 500 }));
});

test('scaling the ball by 1e-4 and 1e4 scales all results', (t) => {
  for (const card of cards) {
    if (
      card.name === 'clip' ||
      card.family === 'matvec' ||
      card.inputs.some(({ domain }) => domain === 'hyperboloid')
    )
      continue;
    const unit = pointsOf(card, Float64Array, 5, 4, 1);
    const want = forward(card, unit, { c: 1 });
    for (const scale of [1e-4, 1e4]) {
      const inputs = pointsOf(card, Float64Array, 5, 4, 1 / scale ** 2);
      const got = forward(card, inputs, { c: 1 / scale ** 2 }).data;
      const plain = want.data.map((value, i) => got[i]! / value);
      const limit = allowed(Float64Array, card.tolerance.value, referenceError.closedForms);
      t.true(powerOf(plain, scale, limit), `${card.name} at ${scale}: ${plain.slice(0, 3)}`);
    }
  }
});

/** Whether all ratios equal scale^p with the same exponent p, which is 0, 1 or 2. */
function powerOf(ratios: ArrayLike<number>, scale: number, limit: number): boolean {
  return [0, 1, 2].some((power) => {
    const want = Array.from(ratios, () => scale ** power);
    return relativeError(ratios, want) <= limit;
  });
}
