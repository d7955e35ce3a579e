// Row-wise operations at the rim of the ball and beyond it.
import test from 'ava';
import fc from 'fast-check';
import {
  conformalFactor,
  dist,
  dist0,
  einsteinMidpoint,
  expmap,
  expmap0,
  geodesic,
  logmap0,
  lorentzFactor,
  type Matrix,
  matrix,
  mobiusAdd,
  mobiusScalarMul,
  project,
} from '../lib/index.ts';
import { finite, inside, pair } from './ball-points.ts';
import { accuracyOf } from './row-points.ts';
import { close, eachClose, inner, types } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

test('on the rim and outside, 1 - c|x|^2 is treated as 1e-30, and distances are infinite', (t) => {
  for (const type of types) {
    const limitOf = (name: string) => allowed(type, accuracyOf(name).value);
    for (const c of [0.25, 1, 16]) {
      const r = 1 / Math.sqrt(c);
      const out = matrix(type.from([r, 0, 0, -3 * r]), 2, 2);
      eachClose(
        t,
        conformalFactor.sync(out, { c }).data,
        [2e30, 2e30],
        limitOf('conformalFactor'),
        'conformalFactor',
      );
      eachClose(
        t,
        lorentzFactor.sync(out, { c }).data,
        [1e15, 1e15],
        limitOf('lorentzFactor'),
        'lorentzFactor',
      );
      const ones = matrix(new type(2).fill(1), 2, 1);
      t.true(conformalFactor.vjp.sync(out, ones, { c })[0]!.data.every((value) => value === 0));
      const origin = matrix(new type(4), 2, 2);
      for (const [x, y] of [
        [out, origin],
        [origin, out],
      ] as const) {
        t.true(dist.sync(x, y, { c }).data.every((d) => d === Infinity));
        t.true(dist.vjp.sync(x, y, ones, { c }).every(({ data }) => data.every((value) => value === 0)));
      }
      t.deepEqual(
        [...dist.sync(out, out, { c }).data, ...dist0.sync(out, { c }).data],
        [0, 0, Infinity, Infinity],
      );
      t.true(finite(logmap0.sync(out, { c }), mobiusAdd.sync(out, out, { c })));
    }
  }
});

test('project keeps points inside the margin and moves the others to it', (t) => {
  const c = 4;
  const x = matrix(Float64Array.of(0.3, 0, 0.4994, 0, 0, 0.49951, -7, 24), 4, 2);
  const out = project.sync(x, { c });
  t.deepEqual([...out.data.slice(0, 4)], [0.3, 0, 0.4994, 0]);
  const limit = allowed(Float64Array, coreError.rounding);
  eachClose(t, [out.data[5]!, Math.hypot(out.data[6]!, out.data[7]!)], [0.4995, 0.4995], limit, 'margin');
  const [gradient] = project.vjp.sync(x, x, { c });
  const radial =
    Math.abs(inner(gradient!.data.slice(6), x.data.slice(6))) / inner(x.data.slice(6), x.data.slice(6));
  t.true(radial <= limit, 'no radial part');
  eachClose(t, project.sync(x, { c, margin: 0.5 }).data.slice(0, 1), [0.25], limit, 'margin 0.5');
});

test('1 - c|x|^2 is exact near the rim, for any number of columns', (t) => {
  const [x, limit] = [1 - 2 ** -30, accuracyOf('conformalFactor').value.float64];
  for (const cols of [1, 2, 3, 4, 5, 7, 8, 9, 17]) {
    const row = new Float64Array(cols);
    row[cols - 1] = x;
    const got = conformalFactor.sync(matrix(row, 1, cols), { c: 1 });
    close(t, got.data, [2 / ((1 - x) * (1 + x))], limit, `${cols} columns`);
  }
});

test('a long step or a distant point rounds onto the rim, not beyond it', (t) => {
  for (const c of [0.01, 1, 100]) {
    const x = matrix(Float64Array.of(0.1, 0.2), 1, 2);
    const y = matrix(Float64Array.of(-0.05, 0.03), 1, 2);
    const inside = project.sync(x, { c });
    const ends = [
      expmap0.sync(matrix(Float64Array.of(3e8, 4e8), 1, 2), { c }),
      expmap.sync(inside, matrix(Float64Array.of(-3e8, 4e8), 1, 2), { c }),
      geodesic.sync(1e5, inside, project.sync(y, { c }), { c }),
      geodesic.sync(-1e7, inside, project.sync(y, { c }), { c }),
      geodesic.sync(1e17, inside, project.sync(y, { c }), { c }),
      geodesic.sync(-1e307, inside, project.sync(y, { c }), { c }),
      mobiusScalarMul.sync(1e9, inside, { c }),
      mobiusScalarMul.sync(-1e307, inside, { c }),
    ];
    // Near the rim, rounding moves the points themselves.
    const atRim = allowed(Float64Array, accuracyOf('geodesic').value, referenceError.midpointNearRim);
    for (const { data } of ends) {
      close(t, [Math.sqrt(c) * Math.hypot(...data)], [1], atRim, `c ${c}`);
    }
  }
});

test('a step that ends on the rim has a zero derivative along its direction, even if it starts near the rim', (t) => {
  for (const c of [0.01, 1, 100]) {
    const r = 1 / Math.sqrt(c);
    // The closer the start is to the rim, the less accurate the derivative is.
    for (const [left, limit] of coreError.ontoRim) {
      for (const step of [-3, -1, 1, 30]) {
        const x = Float64Array.of((1 - left) * r);
        const grads = expmap.vjp.sync(x, Float64Array.of(step * r), Float64Array.of(1), { c });
        for (const { data } of grads)
          t.true(Math.abs(data[0]!) < limit, `left ${left}, step ${step}: ${data}`);
      }
    }
  }
});

test('any point of a geodesic, at any t, is inside the ball or on the rim', (t) => {
  const holds = ({ c, x, y }: { c: number; x: number[]; y: number[] }) => {
    for (const apart of [0, 1e-12, 1e-6, 1]) {
      const [p, q] = [x, x.map((value, k) => value + apart * (y[k]! - value))].map((row) =>
        inside(Float64Array, row, c),
      );
      for (const far of [-1.7e308, -1e200, -1e17, -1e10, -30, 3, 1e5, 1e12, 1e100, 1e308]) {
        const places = [geodesic.sync(far, p!, q!, { c }), mobiusScalarMul.sync(far, p!, { c })];
        if (!places.every(({ data }) => c * inner(data, data) <= 1 + coreError.rounding.float64))
          return false; // also if it is NaN
        if (!finite(...(geodesic.vjp.sync(far, p!, q!, p!, { c }).slice(1) as Matrix[]))) return false;
      }
    }
    return true;
  };
  t.notThrows(() => fc.assert(fc.property(pair, holds), { seed: 7, numRuns: 300 }));
});

test('a geodesic through near points, followed far beyond them, ends in the right direction', (t) => {
  // A straight line through the origin, and the circle through (0.6, 0) that meets it at right angles.
  for (const apart of [1e-3, 1e-7, 1e-12]) {
    const x = Float64Array.of(0.6, 0);
    const along = geodesic.sync(1e20, x, Float64Array.of(0.6 + apart, 0), { c: 1 }).data;
    eachClose(t, along, [1, 0], accuracyOf('geodesic').value.float64, `along, ${apart}`);
    const across = geodesic.sync(1e20, x, Float64Array.of(0.6, apart), { c: 1 }).data;
    // The geodesic through x perpendicular to the radius ends at the radial coordinate 2r/(1 + r^2). The second point is
    // straight above x, so the end deviates from that by a small multiple of `apart`.
    const [end, rise] = [1.2 / 1.36, 0.64 / 1.36];
    t.true(Math.abs(across[0]! - end) < 3 * apart && Math.abs(across[1]! - rise) < 3 * apart, `${across}`);
    close(t, [Math.hypot(...across)], [1], accuracyOf('geodesic').value.float64, `on the rim, ${apart}`);
  }
});

test('midpoints of points at the rim stay inside', (t) => {
  for (const left of [1e-3, 1e-9, 1e-13]) {
    const x = matrix(Float64Array.from(new Array(5).fill([0.6 * (1 - left), 0.8 * (1 - left)]).flat()), 5, 2);
    const out = einsteinMidpoint.sync(x, { c: 1 });
    const own = left > 1e-4 ? referenceError.midpointNearRim : referenceError.midpointAtRim;
    const limit = allowed(Float64Array, accuracyOf('einsteinMidpoint').value, own);
    eachClose(t, out.data, x.data.slice(0, 2), limit, `left ${left}`);
    t.true(finite(...einsteinMidpoint.vjp.sync(x, out, { c: 1 })));
  }
});

test('gradients at the rim use 1 - |x|^2 with all its digits', (t) => {
  const x = Float64Array.of(0.6 * (1 - 1e-13), 0.8 * (1 - 1e-13));
  // 1 - |x|^2 is exact in integers, because both coordinates are multiples of 2^-53.
  const [one, first, second] = [1, x[0]!, x[1]!].map((value) => BigInt(value * 2 ** 53)) as [
    bigint,
    bigint,
    bigint,
  ];
  const inside = Number(one * one - first * first - second * second) / 2 ** 106;
  const norm = Math.hypot(...x);
  const [byDistance] = dist0.vjp.sync(x, Float64Array.of(1), { c: 1 });
  const [byFactor] = conformalFactor.vjp.sync(x, Float64Array.of(1), { c: 1 });
  const scaled = (factor: number): number[] => Array.from(x, (value) => factor * value);
  eachClose(t, byDistance.data, scaled(2 / inside / norm), accuracyOf('dist0').gradient.float64, 'dist0');
  const limit = accuracyOf('conformalFactor').gradient.float64;
  eachClose(t, byFactor.data, scaled(4 / inside ** 2), limit, 'conformalFactor');
});
