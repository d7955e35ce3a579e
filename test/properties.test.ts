// Checks identities of gyrovector spaces over a grid of seeds, curvatures and types: those of geoopt's test suite,
// reimplemented. Most of the operations are also differentiated on this grid, and no gradient may be NaN or infinite.
import test, { type ExecutionContext } from 'ava';
import {
  conformalFactor,
  dist,
  dist0,
  distToPlane,
  einsteinMidpoint,
  expmap,
  expmap0,
  geodesic,
  gyration,
  logmap,
  logmap0,
  lorentzToPoincare,
  type Matrix,
  matrix,
  mobiusAdd,
  mobiusMatvec,
  mobiusScalarMul,
  mobiusSub,
  parallelTransport,
  parallelTransport0,
  poincareToLorentz,
  project,
  type Reals,
  weightedMidpoint,
} from '../lib/index.ts';
import { inner, noise, type RealsType, types } from './support.ts';
import { allowed, identityError } from './tolerances.ts';

const { afterHugeSteps, composed, exact, innerProducts, lengths, repeated, rounding } = identityError;

const rows = 40;
const cols = 10;

/** A case of the grid: an element type, a curvature, and random points, each coordinate scaled by a separate factor. */
interface Case {
  readonly type: RealsType;
  readonly c: number;
  readonly a: Matrix;
  readonly b: Matrix;
  readonly next: () => number;
  /** Bound on the absolute coordinates: the ball's radius, or 100 if that is smaller. */
  readonly scale: number;
}

function pointsOf(type: RealsType, c: number, next: () => number): Matrix {
  const radius = Math.min(1 / Math.sqrt(c), 100);
  const data = new type(rows * cols);
  for (let i = 0; i < rows; ++i) {
    const row = Array.from({ length: cols }, () => next() + next() + next() - 1);
    const size = radius / Math.hypot(...row);
    row.forEach((value, k) => {
      data[i * cols + k] = (value * size * (next() + 1)) / 2;
    });
  }
  return project.sync(matrix(data, rows, cols), { c, margin: type === Float64Array ? 1e-5 : 4e-3 });
}

const grid: readonly { seed: number; c: number }[] = [
  { seed: 30, c: 1e-12 },
  { seed: 31, c: 1 },
  ...[32, 33, 34, 35, 36, 37, 38].map((seed) => ({ seed, c: (noise(seed)() + 1) / 2 + 1e-3 })),
  ...Array.from({ length: 16 }, (_, i) => ({ seed: 39 + i, c: 10 ** (i - 15) })),
  { seed: 60, c: 25 },
];

const cases: readonly Case[] = types.flatMap((type) =>
  grid.map(({ seed, c }) => {
    const next = noise(seed);
    const [a, b] = [pointsOf(type, c, next), pointsOf(type, c, next)];
    return { type, c, a, b, next, scale: Math.min(1 / Math.sqrt(c), 100) };
  }),
);

/**
 * Checks one identity at every point of the grid.
 *
 * @param roundings - allowed error of a coordinate, in units of the rounding error of max(`scale`, |coordinate|)
 */
function identity(
  name: string,
  roundings: number,
  sides: (it: Case) => readonly [got: ArrayLike<number>, want: ArrayLike<number>],
): void {
  test(name, (t) => {
    for (const it of cases) {
      const [got, want] = sides(it);
      const unit = allowed(it.type, rounding);
      t.is(got.length, want.length);
      let worst = 0;
      for (let k = 0; k < got.length; ++k) {
        const off = Math.abs(got[k]! - want[k]!) / (unit * Math.max(it.scale, Math.abs(want[k]!)));
        worst = Math.max(worst, off); // propagates NaN
      }
      t.true(worst <= roundings, `${it.type.name}, c ${it.c}: ${worst} roundings`);
    }
  });
}

function times(k: number, { data, rows, cols }: Matrix): Matrix {
  return matrix(data.map((value) => k * value) as Reals, rows, cols);
}
function minus(x: Matrix): Matrix {
  return times(-1, x);
}
function zerosLike({ data, rows, cols }: Matrix): Matrix {
  return matrix(data.map(() => 0) as Reals, rows, cols);
}
function random({ type, next }: Case, n: number, d: number): Matrix {
  return matrix(new type(n * d).map(next) as Reals, n, d);
}

/** Returns the Riemannian inner product lambda_x^2 <u, v> of every row. */
function metric(x: Matrix, u: Matrix, v: Matrix, c: number): number[] {
  const factors = conformalFactor.sync(x, { c }).data;
  return Array.from(factors, (factor, i) => {
    const row = ({ data, cols }: Matrix) => data.subarray(i * cols, (i + 1) * cols);
    return factor ** 2 * inner(row(u), row(v));
  });
}

// ---- Addition --------------------------------------------------------------------------------------------

identity('left cancellation: (-a) + (a + b) = b', composed, ({ a, b, c }) => [
  mobiusAdd.sync(minus(a), mobiusAdd.sync(a, b, { c }), { c }).data,
  b.data,
]);
identity('left identity: 0 + b = b', composed, ({ b, c }) => [
  mobiusAdd.sync(zerosLike(b), b, { c }).data,
  b.data,
]);
identity('right identity: a + 0 = a', composed, ({ a, c }) => [
  mobiusAdd.sync(a, zerosLike(a), { c }).data,
  a.data,
]);
identity('inverse: a + (-a) = 0, exactly', exact, ({ a, c }) => [
  mobiusAdd.sync(a, minus(a), { c }).data.map(Math.abs),
  zerosLike(a).data,
]);
identity('automorphic inverse: (-b) + (-a) = -(b + a)', exact, ({ a, b, c }) => [
  mobiusAdd.sync(minus(b), minus(a), { c }).data,
  minus(mobiusAdd.sync(b, a, { c })).data,
]);
identity('subtraction: a - b = a + (-b)', exact, ({ a, b, c }) => [
  mobiusSub.sync(a, b, { c }).data,
  mobiusAdd.sync(a, minus(b), { c }).data,
]);
identity('coaddition: (a [+] b) - b = a', composed, ({ a, b, c }) => {
  const coadded = mobiusAdd.sync(a, gyration.sync(a, minus(b), b, { c }), { c });
  return [mobiusSub.sync(coadded, b, { c }).data, a.data];
});
identity('cosubtraction: (a + b) [-] b = a', repeated, ({ a, b, c }) => {
  const sum = mobiusAdd.sync(a, b, { c });
  const back = gyration.sync(sum, b, minus(b), { c });
  return [mobiusAdd.sync(sum, back, { c }).data, a.data];
});
identity('gyration: (a + b) + gyr[a,b]w = a + (b + w)', composed, ({ a, b, c }) => {
  const w = times(0.3, b);
  const turned = gyration.sync(a, b, w, { c });
  return [
    mobiusAdd.sync(mobiusAdd.sync(a, b, { c }), turned, { c }).data,
    mobiusAdd.sync(a, mobiusAdd.sync(b, w, { c }), { c }).data,
  ];
});

// ---- Scalar multiplication -------------------------------------------------------------------------------

for (const n of [0, 1, 2, 3, 4]) {
  identity(`repeated addition: a added ${n} times = n a`, composed, ({ a, c }) => {
    let sum = zerosLike(a);
    for (let i = 0; i < n; ++i) sum = mobiusAdd.sync(a, sum, { c });
    return [sum.data, mobiusScalarMul.sync(n, a, { c }).data];
  });
}
identity('scalars distribute: (r + s) a = r a + s a', composed, ({ a, c, next }) => {
  const [r, s] = [next(), next()];
  const parts = [r, s].map((factor) => mobiusScalarMul.sync(factor, a, { c }));
  return [mobiusAdd.sync(parts[0]!, parts[1]!, { c }).data, mobiusScalarMul.sync(r + s, a, { c }).data];
});
identity('scalars associate: (r s) a = r (s a)', composed, ({ a, c, next }) => {
  const [r, s] = [next(), next()];
  return [
    mobiusScalarMul.sync(r, mobiusScalarMul.sync(s, a, { c }), { c }).data,
    mobiusScalarMul.sync(r * s, a, { c }).data,
  ];
});
identity('scaling: |r| a has the direction of a', composed, ({ a, c, next }) => {
  const r = next();
  const ends = mobiusScalarMul.sync(Math.abs(r), a, { c });
  return [unit(ends).data, unit(a).data];
});

function unit({ data, rows, cols }: Matrix): Matrix {
  const out = data.slice();
  for (let i = 0; i < rows; ++i) {
    const row = out.subarray(i * cols, (i + 1) * cols);
    const length = Math.hypot(...row);
    for (let k = 0; k < cols; ++k) row[k]! /= length;
  }
  return matrix(out, rows, cols);
}

// ---- Geodesics and maps ----------------------------------------------------------------------------------

identity('geodesic begins at a', composed, ({ a, b, c }) => [geodesic.sync(0, a, b, { c }).data, a.data]);
identity('geodesic ends at b', composed, ({ a, b, c }) => [geodesic.sync(1, a, b, { c }).data, b.data]);
identity('geodesic equals its formula: a + t (-a + b)', composed, ({ a, b, c }) => {
  const away = mobiusAdd.sync(minus(a), b, { c });
  const part = mobiusScalarMul.sync(0.4, away, { c });
  return [geodesic.sync(0.4, a, b, { c }).data, mobiusAdd.sync(a, part, { c }).data];
});
identity('geodesic has constant speed', repeated, ({ a, b, c }) => {
  const at = Array.from({ length: 13 }, (_, i) => geodesic.sync(i / 12, a, b, { c }));
  const steps = at.slice(1).flatMap((point, i) => [...dist.sync(at[i]!, point, { c }).data]);
  const whole = dist.sync(a, b, { c }).data;
  return [steps, at.slice(1).flatMap(() => Array.from(whole, (length) => length / 12))];
});
identity('a unit vector moves by t in time t', lengths, (it) => {
  const { a, c } = it;
  const u = random(it, rows, cols);
  const lengths = metric(a, u, u, c).map(Math.sqrt);
  const got: number[] = [];
  for (const t of [0.1, 0.5, 1]) {
    const step = matrix(
      u.data.map((value, i) => (t * value) / lengths[Math.floor(i / cols)]!) as Reals,
      rows,
      cols,
    );
    got.push(...dist.sync(a, expmap.sync(a, step, { c }), { c }).data);
  }
  return [got, [0.1, 0.5, 1].flatMap((t) => new Array<number>(rows).fill(t))];
});
identity('exp after log: exp_a(log_a b) = b', composed, ({ a, b, c }) => [
  expmap.sync(a, logmap.sync(a, b, { c }), { c }).data,
  b.data,
]);
identity('exp0 after log0: exp0(log0 a) = a', composed, ({ a, c }) => [
  expmap0.sync(logmap0.sync(a, { c }), { c }).data,
  a.data,
]);
identity('|log0 a| at 0 is the distance', composed, ({ a, c }) => {
  const v = logmap0.sync(a, { c });
  return [metric(zerosLike(a), v, v, c).map(Math.sqrt), dist0.sync(a, { c }).data];
});
identity('|log_a b| at a is the distance', composed, ({ a, b, c }) => {
  const v = logmap.sync(a, b, { c });
  return [metric(a, v, v, c).map(Math.sqrt), dist.sync(a, b, { c }).data];
});
identity('negation preserves distances: d(-a, -b) = d(a, b)', exact, ({ a, b, c }) => [
  dist.sync(minus(a), minus(b), { c }).data,
  dist.sync(a, b, { c }).data,
]);
identity('translations preserve distances: d(s + a, s + b) = d(a, b)', composed, ({ a, b, c }) => {
  const s = times(0.5, minus(b));
  const [sa, sb] = [a, b].map((point) => mobiusAdd.sync(s, point, { c }));
  return [dist.sync(sa!, sb!, { c }).data, dist.sync(a, b, { c }).data];
});

// ---- Matrices --------------------------------------------------------------------------------------------

identity('the zero matrix gives 0, exactly', exact, (it) => [
  mobiusMatvec.sync(zerosLike(random(it, 3, cols)), it.a, { c: it.c }).data,
  new Float64Array(3 * rows),
]);
identity('a matrix acts in the tangent space at 0', composed, (it) => {
  const { a, c } = it;
  const m = random(it, 3, cols);
  return [
    mobiusMatvec.sync(m, a, { c }).data,
    expmap0.sync(product(it.type, m, logmap0.sync(a, { c })), { c }).data,
  ];
});
identity('applying two matrices equals applying their product', composed, (it) => {
  const { a, c } = it;
  const [m, k] = [times(0.5, random(it, cols, cols)), times(0.5, random(it, cols, cols))];
  const tangent = product(it.type, k, product(it.type, m, logmap0.sync(a, { c })));
  return [
    mobiusMatvec.sync(k, mobiusMatvec.sync(m, a, { c }), { c }).data,
    expmap0.sync(tangent, { c }).data,
  ];
});

/** Returns every row of x multiplied by m. */
function product(type: RealsType, m: Matrix, x: Matrix): Matrix {
  const rowOf = ({ data, cols }: Matrix, i: number) => data.subarray(i * cols, (i + 1) * cols);
  const data = new type(x.rows * m.rows);
  for (let at = 0; at < data.length; ++at) {
    data[at] = inner(rowOf(m, at % m.rows), rowOf(x, Math.floor(at / m.rows)));
  }
  return matrix(data, x.rows, m.rows);
}

// ---- Transport, planes, models, midpoints ----------------------------------------------------------------

identity('transport from 0 preserves inner products', lengths, (it) => {
  const { a, c } = it;
  const [u, v] = [random(it, rows, cols), random(it, rows, cols)];
  const [tu, tv] = [u, v].map((each) => parallelTransport0.sync(a, each, { c }));
  return [metric(a, tu!, tv!, c), metric(zerosLike(a), u, v, c)];
});
identity('transport from 0 equals general transport', composed, (it) => {
  const { a, c } = it;
  const u = random(it, rows, cols);
  return [parallelTransport0.sync(a, u, { c }).data, parallelTransport.sync(zerosLike(a), a, u, { c }).data];
});
identity('transport preserves inner products', innerProducts, (it) => {
  const { a, b, c } = it;
  const [u, v] = [
    parallelTransport0.sync(a, random(it, rows, cols), { c }),
    parallelTransport0.sync(a, random(it, rows, cols), { c }),
  ];
  const [tu, tv] = [u, v].map((each) => parallelTransport.sync(a, b, each, { c }));
  return [metric(b, tu!, tv!, c), metric(a, u, v, c)];
});
identity('transport along a geodesic maps its velocity to that at the other end', composed, ({ a, b, c }) => [
  parallelTransport.sync(a, b, logmap.sync(a, b, { c }), { c }).data,
  minus(logmap.sync(b, a, { c })).data,
]);
identity('the distance to a plane along its normal is the distance to its base point', composed, (it) => {
  const { a, c } = it;
  const normal = parallelTransport0.sync(a, times(0.4, random(it, rows, cols)), { c });
  const away = expmap.sync(a, normal, { c });
  return [distToPlane.sync(away, a, normal, { c }).data, dist.sync(a, away, { c }).data];
});
identity('mapping to the hyperboloid and back changes nothing', composed, ({ a, c }) => [
  lorentzToPoincare.sync(poincareToLorentz.sync(a, { c }), { c }).data,
  a.data,
]);
identity('the midpoint of two points is halfway along their geodesic', composed, ({ a, b, c }) => {
  const pairs = Array.from({ length: rows }, (_, i) => {
    const both = new Float64Array(2 * cols);
    both.set(a.data.subarray(i * cols, (i + 1) * cols));
    both.set(b.data.subarray(i * cols, (i + 1) * cols), cols);
    return [...einsteinMidpoint.sync(matrix(both, 2, cols), { c }).data];
  });
  return [pairs.flat(), geodesic.sync(0.5, a, b, { c }).data];
});
identity('weights that are all 0 give the origin', exact, ({ type, a, c }) => [
  weightedMidpoint.sync(a, new type(rows), { c }).data,
  new Float64Array(cols),
]);
identity('integer weights are equivalent to repeated points', composed, ({ type, a, c }) => {
  const weights = type.from(Array.from({ length: rows }, (_, i) => i % 3));
  const rowsOf = Array.from({ length: rows }, (_, i) => [...a.data.subarray(i * cols, (i + 1) * cols)]);
  const repeated = rowsOf.flatMap((row, i) => new Array<number[]>(i % 3).fill(row)).flat();
  return [
    weightedMidpoint.sync(a, weights, { c }).data,
    einsteinMidpoint.sync(matrix(type.from(repeated), repeated.length / cols, cols), { c }).data,
  ];
});

// ---- Extreme points --------------------------------------------------------------------------------------

test('a hundred huge steps stay finite', (t) => {
  for (const it of cases.filter(({ c }) => c > 1e-3)) {
    const { c, b } = it;
    let { a } = it;
    let giant = times(1e7, b);
    const margin = it.type === Float64Array ? 1e-5 : 4e-3;
    for (let i = 0; i < 100; ++i) {
      let z = project.sync(expmap.sync(a, giant, { c }), { c, margin });
      z = project.sync(mobiusScalarMul.sync(1000, z, { c }), { c, margin });
      giant = parallelTransport.sync(a, z, giant, { c });
      a = z;
    }
    finite(t, a, giant);
    const back = project.sync(expmap.sync(a, minus(giant), { c }), { c, margin });
    const want = minus(a).data;
    const worst = Math.max(...back.data.map((value, k) => Math.abs(value - want[k]!) * Math.sqrt(c)));
    t.true(worst <= allowed(it.type, afterHugeSteps), `${it.type.name}, c ${c}: ${worst}`);
  }
});

test('gradients are finite everywhere on the grid, at the origin and at coincident points', (t) => {
  for (const it of cases) {
    const { a, b, c } = it;
    const gradC = new Float64Array(1);
    const options = { c, gradC };
    const ones = matrix(new it.type(rows).fill(1), rows, 1);
    for (const other of [b, a, zerosLike(a)]) {
      finite(t, ...mobiusAdd.vjp.sync(a, other, a, options), ...mobiusSub.vjp.sync(a, other, a, options));
      finite(t, ...expmap.vjp.sync(a, other, a, options), ...logmap.vjp.sync(a, other, a, options));
      finite(
        t,
        ...dist.vjp.sync(a, other, ones, options),
        ...distToPlane.vjp.sync(a, other, b, ones, options),
      );
      finite(
        t,
        ...gyration.vjp.sync(a, other, b, a, options),
        ...parallelTransport.vjp.sync(a, other, b, a, options),
      );
      const [byT, ...ends] = geodesic.vjp.sync(0.3, a, other, a, options);
      finite(t, ...ends, ...expmap0.vjp.sync(other, a, options), ...logmap0.vjp.sync(other, a, options));
      finite(
        t,
        ...dist0.vjp.sync(other, ones, options),
        ...einsteinMidpoint.vjp.sync(other, a.data.slice(0, cols), options),
      );
      t.true(Number.isFinite(byT) && Number.isFinite(gradC[0]!));
    }
  }
});

function finite(t: ExecutionContext, ...all: readonly Matrix[]): void {
  for (const { data } of all) t.true(data.every(Number.isFinite));
}
