// The numerics contract of the row-wise operations: coincident and nearly coincident points, the origin, the rim and what
// lies beyond it, extreme scales, and slopes across every switch between a function and its series.
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
  mobiusSub,
  project,
} from '../lib/index.ts';
import { cards, forward, gradients, isSpoilt, pointsOf, spoilt } from './row-points.ts';
import { cloud, eachClose, inner, type RealsType, relativeError, types, within } from './support.ts';

const finite = (...all: readonly (Matrix | undefined)[]) =>
  all.every((each) => each === undefined || each.data.every(Number.isFinite));

/** A ball point: a direction, and how much of the radius is left. */
const point = (d: number, c: number) =>
  fc
    .tuple(
      fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: d, maxLength: d }),
      fc.oneof(fc.constantFrom(0, 1e-300, 1e-16, 1, 0.5), fc.double({ min: 1e-16, max: 1, noNaN: true })),
    )
    .map(([direction, left]) => {
      const length = Math.hypot(...direction);
      return direction.map((value) => (length > 1e-150 ? ((value / length) * (1 - left)) / Math.sqrt(c) : 0));
    });

const space = fc
  .tuple(fc.integer({ min: 1, max: 24 }), fc.double({ min: -8, max: 8, noNaN: true }))
  .map(([d, exponent]) => ({ d, c: 10 ** exponent }));

const pair = space.chain(({ d, c }) => fc.record({ c: fc.constant(c), x: point(d, c), y: point(d, c) }));

/** A point in a type's own numbers, brought back inside where rounding has put it on the rim. */
function inside(type: RealsType, row: readonly number[], c: number): Matrix {
  const data = type.from(row);
  const outside = c * inner(data, data) >= 1 - 1e-15;
  return matrix(outside ? (data.map((value) => value * (1 - 2 ** -22)) as typeof data) : data, 1, row.length);
}

for (const card of cards) {
  test(`${card.name}: finite everywhere in the ball, forwards and backwards`, (t) => {
    const run = ({ c, x, y }: { c: number; x: number[]; y: number[] }) => {
      for (const type of types) {
        const [a, b] = [inside(type, x, c), inside(type, y, c)];
        const d = x.length;
        const inputs = pointsOf(card, type, 1, d, c).map((own, i) => {
          const { domain } = card.inputs[i]!;
          return domain === 'ball' || domain === 'klein'
            ? i === 0
              ? a
              : card.family === 'planes'
                ? own
                : b
            : own;
        });
        for (const compat of [undefined, 'hypmix'] as const) {
          const out = forward(card, inputs, { c, compat });
          const { rows, cols } = out;
          const got = gradients(card, inputs, { c, compat }, cloud(type, rows, cols, 1, 3));
          // The published formulas have no guard of their own where 1 - c|x|^2 rounds to 0.
          if (compat === undefined || card.published) {
            if (!finite(out, ...got.inputs) || !Number.isFinite(got.c))
              throw new Error(
                `${type.name} ${compat}: ${out.data}, ${got.inputs.map(({ data }) => data)}, ${got.c}`,
              );
          }
        }
      }
      return true;
    };
    t.notThrows(() => fc.assert(fc.property(pair, run), { seed: 11, numRuns: 150 }));
  });

  test(`${card.name}: a NaN makes its row NaN, in whichever input it is, and no other`, (t) => {
    for (const type of types) {
      for (const compat of [undefined, 'hypmix'] as const) {
        for (const d of [1, 3, 9, 33]) {
          const inputs = pointsOf(card, type, 4, d, 1);
          const good = forward(card, inputs, { c: 1, compat });
          for (const place of inputs.keys()) {
            if (card.inputs[place]!.name === 'weights') continue; // refused
            const bad = forward(card, spoilt(inputs, place), { c: 1, compat });
            const want = good.data.map((value, at) =>
              isSpoilt(card, place, at, good.cols) ? Number.NaN : value,
            );
            t.deepEqual(bad.data, want, `${type.name}, ${compat}, ${card.inputs[place]!.name}, ${d} columns`);
          }
        }
      }
    }
  });

  if (card.family === 'row') {
    test(`${card.name}: so are the gradients of that row`, (t) => {
      for (const type of types) {
        const inputs = pointsOf(card, type, 4, 9, 1);
        const weights = forward(card, inputs, { c: 1 });
        const good = gradients(card, inputs, { c: 1 }, weights);
        for (const place of inputs.keys()) {
          const bad = gradients(card, spoilt(inputs, place), { c: 1 }, weights);
          bad.inputs.forEach(({ data, cols }, i) => {
            const want = good.inputs[i]!.data.map((value, at) =>
              Math.floor(at / cols) === 1 ? Number.NaN : value,
            );
            t.deepEqual(data, want, `${type.name}, ${card.inputs[place]!.name}`);
          });
        }
      }
    });
  }
}

// ---- Coincident and nearly coincident points -------------------------------------------------------------

/** Pairs of points at a radius (as a part of the ball's) and at a distance from each other. */
function twins(type: RealsType, c: number, radius: number, apart: number): [Matrix, Matrix] {
  const x = cloud(Float64Array, 6, 9, 1, 2);
  const step = cloud(Float64Array, 6, 9, 1, 4);
  const place = radius / Math.sqrt(c);
  const data = x.data.map((value, i) => (value / rowNorm(x, i)) * place) as Float64Array;
  const other = data.map(
    (value, i) => value * (1 - apart) + (apart * place * step.data[i]!) / rowNorm(step, i) / 2,
  );
  return [matrix(type.from(data), 6, 9), matrix(type.from(other), 6, 9)];
}

function rowNorm({ data, cols }: Matrix, at: number): number {
  const start = at - (at % cols);
  return Math.hypot(...data.subarray(start, start + cols));
}

for (const type of types) {
  test(`${type.name}: equal points are exactly 0 apart, with gradient 0`, (t) => {
    for (const c of [1e-8, 0.1, 1, 1e8]) {
      for (const radius of [0, 1e-8, 0.5, 0.99, 1 - 1e-7, 1]) {
        const [x] = twins(type, c, radius, 0);
        const ones = matrix(new type(6).fill(1), 6, 1);
        for (const compat of [undefined, 'hypmix'] as const) {
          t.true(dist.sync(x, x, { c, compat }).data.every((d) => d === 0));
          const gradC = new Float64Array(1);
          const [gx, gy] = dist.vjp.sync(x, x, ones, { c, compat, gradC });
          t.true([...gx!.data, ...gy!.data, ...gradC].every((value) => value === 0));
        }
        t.true(mobiusSub.sync(x, x, { c }).data.every((value) => value === 0));
      }
    }
  });

  // The gradient of a distance has norm 1 in the metric: |grad| (1 - c|x|^2)/2 = 1, at any distance.
  test(`${type.name}: the gradient of dist has length 1, from the rim to the last digit of nearness`, (t) => {
    const nearest = type === Float64Array ? 1e-12 : 1e-5;
    for (const c of [0.1, 1, 40]) {
      for (const radius of [0.3, 0.99, 0.9999]) {
        for (let apart = 0.5; apart > nearest; apart /= 7) {
          const [x, y] = twins(type, c, radius, apart);
          const ones = matrix(new type(6).fill(1), 6, 1);
          const [gx, gy] = dist.vjp.sync(x, y, ones, { c });
          for (const [at, gradient] of [
            [x, gx!],
            [y, gy!],
          ] as const) {
            const factors = conformalFactor.sync(at, { c }).data;
            const lengths = Array.from(factors, (factor, i) => rowNorm(gradient, i * 9) / factor);
            eachClose(
              t,
              lengths,
              new Array(6).fill(1),
              within(type, 1e-11, 3e-7),
              `c ${c}, ${radius}, ${apart}`,
            );
          }
        }
      }
    }
  });

  test(`${type.name}: nearly equal points keep every digit of their difference`, (t) => {
    const c = 1;
    for (const radius of [0.3, 0.99]) {
      for (const apart of [1e-2, 1e-4, ...(type === Float64Array ? [1e-7, 1e-10, 1e-13] : [])]) {
        const [x, y] = twins(type, c, radius, apart);
        const d = dist.sync(x, y, { c }).data;
        const w = mobiusSub.sync(x, y, { c });
        const want = Array.from(d, (each) => Math.tanh(each / 2));
        const got = Array.from(d, (_, i) => rowNorm(w, i * 9));
        eachClose(t, got, want, within(type, 1e-13, 3e-7), `radius ${radius}, apart ${apart}`);
        const direct = Array.from(d, (_, i) => {
          const [a, b] = [x, y].map(({ data }) => Array.from(data.subarray(i * 9, (i + 1) * 9), Number));
          const s = a!.reduce((sum, value, k) => sum + (value - b![k]!) ** 2, 0);
          return 2 * Math.asinh(Math.sqrt(s / ((1 - inner(a!, a!)) * (1 - inner(b!, b!)))));
        });
        eachClose(t, d, direct, within(type, 1e-12, 1e-6), `radius ${radius}, apart ${apart}`);
      }
    }
  });
}

// ---- Closed forms ----------------------------------------------------------------------------------------

/** Radii across every switch of the smooth functions. */
const radii = Array.from({ length: 120 }, (_, i) => 10 ** (-9 + i / 12));

/** The radial derivative of a map of vectors at u: <u, J u>/|u|^2. */
function radial(vjp: (u: Matrix, w: Matrix) => readonly Matrix[], r: number): number {
  const u = matrix(Float64Array.of(0.48 * r, -0.6 * r, 0.64 * r), 1, 3);
  return inner(vjp(u, u)[0]!.data, u.data) / inner(u.data, u.data);
}

test('slopes of the maps at 0 are those of tanh and artanh, at every radius', (t) => {
  for (const c of [0.25, 4]) {
    const k = Math.sqrt(c);
    const exp = radii.map((r) => radial((u, w) => expmap0.vjp.sync(u, w, { c }), r));
    exp.forEach((got, i) => {
      // Against the tangential part, which is larger: the radial part is what is left of it.
      t.true(Math.abs(got - 1 / Math.cosh(k * radii[i]!) ** 2) < 2e-15, `expmap0 at ${radii[i]}: ${got}`);
    });
    const reach = radii.filter((r) => k * r < 0.999);
    const log = reach.map((r) => radial((u, w) => logmap0.vjp.sync(u, w, { c }), r));
    eachClose(
      t,
      log,
      reach.map((r) => 1 / (1 - c * r * r)),
      4e-13,
      'logmap0',
    );
    for (const factor of [-2, 0.3, 5]) {
      const got = reach.map((r) =>
        radial((u, w) => mobiusScalarMul.vjp.sync(factor, u, w, { c }).slice(1) as Matrix[], r),
      );
      const want = reach.map((r) => factor / Math.cosh(factor * Math.atanh(k * r)) ** 2 / (1 - c * r * r));
      t.true(got.every((value, i) => Math.abs(value - want[i]!) < 1e-13 / (1 - c * reach[i]! ** 2)));
    }
  }
});

test('distances to 0 and from the origin along a vector', (t) => {
  for (const c of [0.25, 4]) {
    const k = Math.sqrt(c);
    const u = matrix(Float64Array.from(radii.flatMap((r) => [0.6 * r, 0.8 * r])), radii.length, 2);
    const short = radii.map((r) => (k * r < 15 ? 2 * r : 0));
    const d = dist0.sync(expmap0.sync(u, { c }), { c }).data;
    // d(0, exp_0 u) = 2|u|, whatever c is; the rim's rounding comes in from k r = 4 on.
    radii.forEach((r, i) => {
      if (k * r < 4) t.true(Math.abs(d[i]! / short[i]! - 1) < 1e-12, `r ${r}`);
    });
  }
});

test('a geodesic passes every place at the speed of its length', (t) => {
  const c = 0.7;
  for (const apart of [1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1, 1.1, 1.3]) {
    const [x, y] = twins(Float64Array, c, 0.9, apart);
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
        t.true(Math.abs(ratio - 1) < 1e-7, `apart ${apart}, t ${place}: ${ratio}`);
      }
    }
  }
});

test('closed forms of the difference of two points', (t) => {
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
      Math.abs(c * w2 - (c * s) / divisor) < 1e-13 &&
      Math.abs(1 - c * w2 - (a * b) / divisor) < 1e-13 &&
      Math.abs(Math.cosh(Math.sqrt(c) * d) / (1 + (2 * c * s) / (a * b)) - 1) < 1e-12
    );
  };
  t.notThrows(() => fc.assert(fc.property(pair, holds), { seed: 5, numRuns: 500 }));
});

test('a larger ball is the same space: scales of 1e-4 and 1e4', (t) => {
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
      t.true(powerOf(plain, scale), `${card.name} at ${scale}: ${plain.slice(0, 3)}`);
    }
  }
});

/** Whether all ratios are one power of the scale, 0 to 2: a length, an area, or neither. */
function powerOf(ratios: ArrayLike<number>, scale: number): boolean {
  return [0, 1, 2].some((power) => {
    const want = Array.from(ratios, () => scale ** power);
    return relativeError(ratios, want) < 1e-11;
  });
}

// ---- The rim, and beyond ---------------------------------------------------------------------------------

test('on the rim and outside, 1 - c|x|^2 counts as 1e-30, and distances are infinite', (t) => {
  for (const type of types) {
    for (const c of [0.25, 1, 16]) {
      const r = 1 / Math.sqrt(c);
      const out = matrix(type.from([r, 0, 0, -3 * r]), 2, 2);
      eachClose(t, conformalFactor.sync(out, { c }).data, [2e30, 2e30], 1e-6, 'conformalFactor');
      eachClose(t, lorentzFactor.sync(out, { c }).data, [1e15, 1e15], 1e-6, 'lorentzFactor');
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

test('project leaves the inside alone and brings the rest to its margin', (t) => {
  const c = 4;
  const x = matrix(Float64Array.of(0.3, 0, 0.4994, 0, 0, 0.49951, -7, 24), 4, 2);
  const out = project.sync(x, { c });
  t.deepEqual([...out.data.slice(0, 4)], [0.3, 0, 0.4994, 0]);
  eachClose(t, [out.data[5]!, Math.hypot(out.data[6]!, out.data[7]!)], [0.4995, 0.4995], 1e-15, 'margin');
  const [gradient] = project.vjp.sync(x, x, { c });
  t.true(Math.abs(inner(gradient!.data.slice(6), x.data.slice(6))) < 1e-12, 'no radial part');
  eachClose(t, project.sync(x, { c, margin: 0.5 }).data.slice(0, 1), [0.25], 1e-15, 'margin 0.5');
});

test('a long step or a far place rounds onto the rim, and no further', (t) => {
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
    for (const { data } of ends) {
      t.true(Math.abs(Math.sqrt(c) * Math.hypot(...data) - 1) < 1e-8, `c ${c}: ${data}`);
    }
  }
});

test('a step that ends on the rim has no slope along itself, from a place near the rim either', (t) => {
  for (const c of [0.01, 1, 100]) {
    const r = 1 / Math.sqrt(c);
    // What is left of the radius loses digits by its square.
    for (const [left, limit] of [
      [1e-2, 1e-10],
      [1e-3, 1e-9],
      [1e-5, 1e-5],
    ] as const) {
      for (const step of [-3, -1, 1, 30]) {
        const x = Float64Array.of((1 - left) * r);
        const grads = expmap.vjp.sync(x, Float64Array.of(step * r), Float64Array.of(1), { c });
        for (const { data } of grads)
          t.true(Math.abs(data[0]!) < limit, `left ${left}, step ${step}: ${data}`);
      }
    }
  }
});

test('however far along a geodesic, and from however near a point, points are inside or on the rim', (t) => {
  const holds = ({ c, x, y }: { c: number; x: number[]; y: number[] }) => {
    for (const apart of [0, 1e-12, 1e-6, 1]) {
      const [p, q] = [x, x.map((value, k) => value + apart * (y[k]! - value))].map((row) =>
        inside(Float64Array, row, c),
      );
      for (const far of [-1.7e308, -1e200, -1e17, -1e10, -30, 3, 1e5, 1e12, 1e100, 1e308]) {
        const places = [geodesic.sync(far, p!, q!, { c }), mobiusScalarMul.sync(far, p!, { c })];
        if (!places.every(({ data }) => c * inner(data, data) <= 1 + 1e-15)) return false; // NaN neither
        if (!finite(...(geodesic.vjp.sync(far, p!, q!, p!, { c }).slice(1) as Matrix[]))) return false;
      }
    }
    return true;
  };
  t.notThrows(() => fc.assert(fc.property(pair, holds), { seed: 7, numRuns: 300 }));
});

test('far beyond near points a geodesic ends where it points to', (t) => {
  // A straight line through the origin, and the circle through (0.6, 0) that meets it at right angles.
  for (const apart of [1e-3, 1e-7, 1e-12]) {
    const x = Float64Array.of(0.6, 0);
    const along = geodesic.sync(1e20, x, Float64Array.of(0.6 + apart, 0), { c: 1 }).data;
    eachClose(t, along, [1, 0], 1e-13, `along, ${apart}`);
    const across = geodesic.sync(1e20, x, Float64Array.of(0.6, apart), { c: 1 }).data;
    // The ends of the geodesic through x across the radius: 2r/(1 + r^2) along it. A step straight up leaves it by
    // its own length.
    const [end, rise] = [1.2 / 1.36, 0.64 / 1.36];
    t.true(Math.abs(across[0]! - end) < 3 * apart && Math.abs(across[1]! - rise) < 3 * apart, `${across}`);
    t.true(Math.abs(Math.hypot(...across) - 1) < 1e-13, `on the rim, ${apart}`);
  }
});

test('midpoints of points at the rim stay inside', (t) => {
  for (const left of [1e-3, 1e-9, 1e-13]) {
    const x = matrix(Float64Array.from(new Array(5).fill([0.6 * (1 - left), 0.8 * (1 - left)]).flat()), 5, 2);
    const out = einsteinMidpoint.sync(x, { c: 1 });
    eachClose(t, out.data, x.data.slice(0, 2), left > 1e-4 ? 1e-13 : 1e-7, `left ${left}`);
    t.true(finite(...einsteinMidpoint.vjp.sync(x, out, { c: 1 })));
  }
});
