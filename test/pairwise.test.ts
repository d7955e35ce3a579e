import test, { type ExecutionContext } from 'ava';
import {
  type Matrix,
  type MetricOptions,
  matrix,
  metricCards,
  pairwiseDistance,
  type Reals,
} from '../lib/index.ts';
import {
  accuracyOf,
  limitsOf,
  type MetricCase,
  metricCases,
  optionsOf,
  pairOfRows,
  pointsOf,
  wide,
} from './metric-cases.ts';
import { hypmixDistance, hypmixRatio, pairwise, table } from './oracle.ts';
import { slope } from './row-points.ts';
import { close, cloud, eachClose, inner, Reference, types } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

const oracle = await Reference.open('distance_oracle');
for (const type of types) {
  const short = type === Float64Array ? 'f64' : 'f32';
  const limit = limitsOf('poincare', type);
  for (const c of ['0.1', '1.0']) {
    const key = `${short}.pairs.c${c}`;
    const options = { c: Number(c) };

    test(`${key}: every distance of a matrix with near-duplicates equals the reference`, async (t) => {
      const x = oracle.matrix(`${key}.x`, type);
      const y = oracle.matrix(`${key}.y`, type);
      const d = await pairwiseDistance(x, y, options);
      eachClose(t, d.data, oracle.reals(`${key}.dist`), limit.value, key);
      const transposed = pairwiseDistance.sync(y, x, options);
      t.is(transposed.data[3 * x.rows + 5], d.data[5 * y.rows + 3]!);
    });

    test(`${key}: the gradient equals the reference`, async (t) => {
      const x = oracle.matrix(`${key}.x`, type);
      const y = oracle.matrix(`${key}.y`, type);
      const cotangent = oracle.matrix(`${key}.cot`, type);
      const [gradX] = await pairwiseDistance.vjp(x, y, cotangent, options);
      close(t, gradX!.data, oracle.reals(`${key}.grad_x`), limit.gradient, key);
      const swapped = matrix(transpose(cotangent), y.rows, x.rows);
      const [, gradY] = pairwiseDistance.vjp.sync(y, x, swapped, options);
      close(t, gradY!.data, oracle.reals(`${key}.grad_x`), limit.gradient, `${key} as y`);
    });

    for (const d of [2, 128]) {
      test(`${short}.d${d}.c${c}: rows at every scale of distance, up to the rim, equal the reference`, (t) => {
        const rows = `${short}.d${d}.c${c}`;
        const x = oracle.matrix(`${rows}.x`, type);
        const y = oracle.matrix(`${rows}.y`, type);
        const all = pairwiseDistance.sync(x, y, options).data;
        const diagonal = Array.from({ length: x.rows }, (_, i) => all[i * x.rows + i]!);
        eachClose(t, diagonal, oracle.reals(`${rows}.dist`), limit.value, rows);
      });
    }
  }

  for (const [rows, others, cols] of [
    [1, 1, 1],
    [1, 7, 3],
    [5, 1, 8],
    [33, 47, 17],
    [150, 301, 31],
  ] as const) {
    for (const name of metricCases) {
      test(`${type.name} ${name} ${rows} x ${others} x ${cols}: equals the formula, also sync; gradients equal differences`, async (t) => {
        const c = 0.7;
        const options = optionsOf(name, c);
        const x = pointsOf(name, cloud(type, rows, cols, 0.9, 1), c);
        const y = pointsOf(name, cloud(type, others, cols, 0.8, 2), c);
        const want = pairwise(name, table(x.data, x.cols), table(y.data, y.cols), c).flat();
        const got = await pairwiseDistance(x, y, options);
        // In one dimension a cosine distance is 0 or 2, and 0 has no relative error.
        if (cols > 1) eachClose(t, got.data, want, limitsOf(name, type).value, 'each distance');
        const { value, gradient } = limitsOf(name, type);
        close(t, got.data, want, Math.min(value, gradient), 'distances');
        t.deepEqual(got, pairwiseDistance.sync(x, y, options));
        if (type === Float64Array) checkGradient(t, x, y, name, c);
      });
    }
  }
}

/** Compares gradients with central differences along one direction. */
function checkGradient(t: ExecutionContext, x: Matrix, y: Matrix, name: MetricCase, c: number): void {
  const cotangent = cloud(Float64Array, x.rows, y.rows, 1, 3);
  const gradC = new Float64Array(1);
  const [gradX, gradY] = pairwiseDistance.vjp.sync(x, y, cotangent, { ...optionsOf(name, c), gradC });
  const [alongX, alongY] = [x, y].map((m) => cloud(Float64Array, m.rows, m.cols, 1, 4).data) as [
    Reals,
    Reals,
  ];
  const value = (dx: number, dy: number, dc: number) =>
    inner(pairwise(name, stepped(x, alongX, dx), stepped(y, alongY, dy), c + dc).flat(), cotangent.data);
  const step = 1e-6;
  const slopes = [
    (value(step, 0, 0) - value(-step, 0, 0)) / (2 * step),
    (value(0, step, 0) - value(0, -step, 0)) / (2 * step),
    (value(0, 0, step) - value(0, 0, -step)) / (2 * step),
  ];
  const found = [inner(gradX!.data, alongX), inner(gradY!.data, alongY), gradC[0]!];
  const limit = allowed(Float64Array, accuracyOf(name).gradient, referenceError.differences);
  close(t, found, slopes, limit, 'gradient against differences');
}

function stepped({ data, cols }: Matrix, along: Reals, by: number): number[][] {
  return table(
    Float64Array.from(data, (value, i) => value + by * along[i]!),
    cols,
  );
}

for (const name of metricCases) {
  test(`${name}, float32: distances and gradients equal those of float64 at the same points`, (t) => {
    const c = 0.8;
    const options = optionsOf(name, c);
    // Away from the clamp, the published distance is as accurate as the exact one.
    const limit = limitsOf(name === 'hypmix' ? 'poincare' : name, Float32Array);
    for (const [n, m, d] of [
      [9, 5, 3],
      [66, 31, 2],
      [65, 129, 17],
      [40, 70, 130],
    ] as const) {
      const [x, y] = nearRows(n, m, d, 0.99 / Math.sqrt(c)).map((points) => pointsOf(name, points, c));
      const cotangent = cloud(Float32Array, n, m, 1, 3);
      const all = [x!, y!, cotangent];
      const [got, want] = [results(all, options), results(all.map(wide), options)];
      const what = `${n} x ${m} x ${d}`;
      eachClose(t, got.distances, want.distances, limit.value, `${what}: distances`);
      close(t, got.x, want.x, limit.gradient, `${what}: gradient in x`);
      close(t, got.y, want.y, limit.gradient, `${what}: gradient in y`);
      close(t, got.c, want.c, limit.parameters, `${what}: gradient in c`);
    }
  });
}

/** Clouds with a coincident and a nearly coincident row, because the kernels handle such pairs on a separate path. */
function nearRows(n: number, m: number, d: number, radius: number): Matrix[] {
  const [x, y] = [cloud(Float32Array, n, d, radius, 1), cloud(Float32Array, m, d, radius, 2)];
  for (let k = 0; k < d; ++k) {
    y.data[k] = x.data[2 * d + k]!;
    y.data[d + k] = x.data[3 * d + k]! * (1 + 1e-5 * k);
  }
  return [x, y];
}

function results([x, y, cotangent]: readonly Matrix[], options: MetricOptions) {
  const gradC = new Float64Array(1);
  const distances = pairwiseDistance.sync(x!, y, options).data;
  const [gradX, gradY] = pairwiseDistance.vjp.sync(x!, y, cotangent!, { ...options, gradC });
  return { distances, x: gradX!.data, y: gradY!.data, c: gradC };
}

test('compat: equals the published distance, which saturates at 12.206 / sqrt(c)', (t) => {
  const c = 0.1;
  const x = cloud(Float64Array, 24, 6, 3.162);
  const rows = table(x.data, 6);
  const want = rows.flatMap((a) => rows.map((b) => hypmixDistance(a, b, c)));
  const got = pairwiseDistance.sync(x, undefined, { c, compat: 'hypmix' }).data;
  const off = Array.from(got.keys()).filter((i) => Math.floor(i / 24) !== i % 24);
  close(
    t,
    off.map((i) => got[i]!),
    off.map((i) => want[i]!),
    allowed(Float64Array, accuracyOf('hypmix').value, referenceError.unguarded),
    'published distance',
  );
  t.true(Math.max(...got) <= (2 / Math.sqrt(c)) * Math.atanh(1 - 1e-5) * (1 + 1e-12));
});

test("compat: beyond the clamp, the gradient uses artanh's slope at the clamp", (t) => {
  const c = 0.1;
  const top = 1 - 1e-5;
  for (const type of types) {
    const [x, y] = [cloud(type, 1, 6, 3.155, 1), cloud(type, 1, 6, 3.155, 5)];
    const rows = [...x.data, ...y.data];
    const ratio = (at: number[], c: number) => hypmixRatio(at.slice(0, 6), at.slice(6), c);
    const start = ratio(rows, c);
    t.true(start > top);
    const straight = (at: number[], c: number) =>
      (2 / Math.sqrt(c)) * (Math.atanh(top) + (ratio(at, c) - start) / (1 - top * top));
    const along = rows.map((_, k) => slope((h) => straight(rows.with(k, rows[k]! + h), c)));
    const options = { c, compat: 'hypmix', gradC: new Float64Array(1) } as const;
    const [gradX, gradY] = pairwiseDistance.vjp.sync(x, y, new type(1).fill(1), options);
    const limit = allowed(type, accuracyOf('hypmix').gradient, referenceError.fivePoints);
    close(t, [...gradX!.data, ...gradY!.data], along, limit, `${type.name}: points`);
    const byC = slope((h) => straight(rows, c + h));
    close(t, options.gradC, [byC], limit, `${type.name}: c`);
  }
});

test('compat: float32 gradients are accurate at every curvature, from the origin to the rim', (t) => {
  for (const c of [1e-12, 1e-8, 1e-4, 0.01, 0.8, 10]) {
    for (const reach of [1e-3, 0.3, 0.9, 0.99, 0.999, 0.9999, 0.99999]) {
      const size = Math.min(3, 1 / Math.sqrt(c)) * reach;
      const [x, y] = [cloud(Float32Array, 40, 17, size, 1), cloud(Float32Array, 30, 17, size, 2)];
      const all = [x, y, cloud(Float32Array, 40, 30, 1, 3)];
      const options = { c, compat: 'hypmix' } as const;
      const [got, want] = [results(all, options), results(all.map(wide), options)];
      const what = `c ${c}, reach ${reach}`;
      const { gradient, parameters } = limitsOf('hypmix', Float32Array);
      close(t, got.x, want.x, gradient, `${what}: gradient in x`);
      close(t, got.y, want.y, gradient, `${what}: gradient in y`);
      close(t, got.c, want.c, parameters, `${what}: gradient in c`);
    }
  }
});

test('compat: the gradient with respect to c for small c equals the limit of the formula', (t) => {
  // d is 2|w| + 2/3 c|w|^3 + ..., |w| = sqrt(s D)/(D + e), D = 1 + c (s - |x|^2 - |y|^2) + ... and e = 1e-5.
  const [x, y] = [Float64Array.of(0.3, -0.4), Float64Array.of(0.5, 1.1)];
  const [s, shared, e] = [0.2 ** 2 + 1.5 ** 2, 0.25 + 1.46, 1e-5];
  const w = Math.sqrt(s) / (1 + e);
  const want = w * (s - shared) * (1 - 2 / (1 + e)) + (2 / 3) * w ** 3;
  for (const curvature of [1e-7, 1e-9, 1e-12]) {
    const gradC = new Float64Array(1);
    pairwiseDistance.vjp.sync(x, y, Float64Array.of(1), { c: curvature, compat: 'hypmix', gradC });
    const limit = allowed(
      Float64Array,
      accuracyOf('hypmix').parameters,
      referenceError.perCurvature * curvature,
    );
    close(t, gradC, [want], limit, `c ${curvature}`);
  }
});

test('NaN makes its row of distances NaN and no other', (t) => {
  for (const type of types) {
    for (const name of metricCases) {
      const [x, y] = [cloud(type, 30, 9, 0.9, 1), cloud(type, 40, 9, 0.9, 2)].map((points) =>
        pointsOf(name, points, 1),
      );
      const options = optionsOf(name, 1);
      const good = pairwiseDistance.sync(x!, y!, options).data;
      x!.data[7 * x!.cols + 4] = Number.NaN;
      const bad = pairwiseDistance.sync(x!, y!, options).data;
      const want = good.map((value, at) => (Math.floor(at / 40) === 7 ? Number.NaN : value));
      t.deepEqual(bad, want, `${type.name} ${name}`);
    }
  }
});

test('a set with itself gives a symmetric matrix with a zero diagonal, and the total gradient', async (t) => {
  for (const type of types) {
    const x = cloud(type, 50, 9, 0.95);
    x.data.set(x.data.subarray(9, 18), 18); // rows 1 and 2 coincide
    const { data } = pairwiseDistance.sync(x, undefined, { c: 1 });
    for (let i = 0; i < 50; ++i) t.is(data[i * 51], 0);
    t.is(data[1 * 50 + 2], 0);
    t.is(data[7 * 50 + 31], data[31 * 50 + 7]);
    const cotangent = cloud(type, 50, 50, 1, 5);
    const [total, none] = pairwiseDistance.vjp.sync(x, undefined, cotangent, { c: 1 });
    t.is(none, undefined);
    t.deepEqual(await pairwiseDistance.vjp(x, undefined, cotangent, { c: 1 }), [total]);
    const copy = matrix(x.data.slice(), 50, 9);
    const [a, b] = pairwiseDistance.vjp.sync(x, copy, cotangent, { c: 1 });
    const sum = a!.data.map((v, i) => v + b!.data[i]!);
    close(t, total!.data, sum, allowed(type, coreError.rounding), 'total gradient');
  }
});

test('coincident points have a zero gradient, and no result in the ball is NaN', (t) => {
  for (const type of types) {
    const rim = 1 - (type === Float64Array ? 1e-15 : 1e-7);
    const x = matrix(type.from([0, 0, rim, 0, 0, -rim, 1e-30, 0, 0.5, 0.5, 0.5, 0.5]), 6, 2);
    const { data } = pairwiseDistance.sync(x, x, { c: 1 });
    t.true(data.every(Number.isFinite), type.name);
    const ones = matrix(new type(36).fill(1), 6, 6);
    const [g] = pairwiseDistance.vjp.sync(x, x, ones, { c: 1 });
    t.true(g!.data.every(Number.isFinite), type.name);
    const [same] = pairwiseDistance.vjp.sync(x.data.slice(8, 10), x.data.slice(10, 12), new type(1).fill(1), {
      c: 1,
    });
    t.deepEqual([...same!.data], [0, 0]);
  }
});

test('zero rows give an empty matrix and zero gradients', async (t) => {
  const none = matrix(new Float32Array(0), 0, 4);
  const some = matrix(new Float32Array(12), 3, 4);
  t.deepEqual(await pairwiseDistance(none, some, { c: 1 }), matrix(new Float32Array(0), 0, 3));
  const [a, b] = pairwiseDistance.vjp.sync(none, some, matrix(new Float32Array(0), 0, 3), { c: 1 });
  t.is(a!.data.length, 0);
  t.deepEqual(b!.data, new Float32Array(12));
});

test('out: writes to the given array, even in shared memory', (t) => {
  const shared = new Float32Array(new SharedArrayBuffer(4 * 8));
  const x = matrix(new Float32Array(new SharedArrayBuffer(16)), 2, 2);
  x.data.set([0, 0, 0.5, 0]);
  const result = pairwiseDistance.sync(x, undefined, { c: 1, out: shared.subarray(2, 6) });
  t.is(result.data.buffer, shared.buffer);
  t.is(shared[3], Math.fround(Math.log(3)));
  t.is(shared[0], 0);
});

for (const part of [1e-3, 0.02, 0.1, 0.15, 0.25, 0.4]) {
  test(`float32 is accurate with many columns: coordinates 0.01 ± ${part} apart`, (t) => {
    for (const cols of [64, 600, 1500]) {
      for (let seed = 0; seed < 20; ++seed) {
        const x = pairOfRows(cols, part, seed);
        for (const { name: metric } of metricCards().filter(({ points }) => points !== 'hyperboloid')) {
          const [, found] = pairwiseDistance.sync(x, undefined, { metric, c: 1 }).data;
          const [, truth] = pairwiseDistance.sync(wide(x), undefined, { metric, c: 1 }).data;
          const limit = limitsOf(metric, Float32Array).value;
          t.true(Math.abs(found! / truth! - 1) < limit, `${metric}, ${cols}: ${found} for ${truth}`);
        }
      }
    }
  });
}

test('pairs with a point outside the ball have no gradient', (t) => {
  for (const type of types) {
    const inside = [
      [0.1, 0],
      [0, 0.3],
    ];
    const gradients = (rows: number[][], partners: number[][]) => {
      const [x, y] = [rows, partners].map((each) => matrix(type.from(each.flat()), each.length, 2));
      const ones = matrix(new type(rows.length * partners.length).fill(1), rows.length, partners.length);
      const gradC = new Float64Array(1);
      const both = pairwiseDistance.vjp.sync(x!, y!, ones, { c: 1, gradC });
      return [...both.map(({ data }) => Array.from(data)), Array.from(gradC)];
    };
    const [x, y, c] = gradients([[2, 0], ...inside], [...inside, [0, 1.5]]);
    const [wantX, wantY, wantC] = gradients(inside, inside);
    t.deepEqual(x, [0, 0, ...wantX!]);
    t.deepEqual(y, [...wantY!, 0, 0]);
    t.deepEqual(c, wantC);
  }
});

test('accurate for many near points, with duplicates and one outside the ball', (t) => {
  const { data } = cloud(Float32Array, 60, 20, 1, 3);
  const near = data.map((v, i) => 0.2 + 1e-3 * v + (i < 20 ? 0.9 : 0));
  near.copyWithin(5 * 20, 4 * 20, 5 * 20);
  const x = matrix(near, 60, 20);
  for (const metric of ['poincare', 'euclidean', 'cosine'] as const) {
    const found = pairwiseDistance.sync(x, undefined, { metric, c: 1 }).data;
    const truth = pairwiseDistance.sync(wide(x), undefined, { metric, c: 1 }).data;
    const limit = limitsOf(metric, Float32Array).value;
    const wrong = found.findIndex((d, i) => d !== truth[i] && !(Math.abs(d / truth[i]! - 1) < limit));
    t.is(wrong, -1, `${metric}: ${found[wrong]} for ${truth[wrong]}`);
    t.is(found[4 * 60 + 5], 0, 'duplicates');
  }
});

test('without y, the options or the cotangent may come second', async (t) => {
  const x = cloud(Float64Array, 4, 3, 0.9, 1) as Matrix<Float64Array>;
  const square = cloud(Float64Array, 4, 4, 1, 2) as Matrix<Float64Array>;
  const options = { metric: 'poincare', c: 1 } as const;
  const want = pairwiseDistance.sync(x, undefined, options);
  t.deepEqual(pairwiseDistance.sync(x, options), want);
  t.deepEqual(await pairwiseDistance(x, options), want);
  t.deepEqual(pairwiseDistance.sync(x, Object.assign(Object.create(null) as object, options)), want);
  const gradients = pairwiseDistance.vjp.sync(x, undefined, square, options);
  t.is(gradients.length, 1);
  const [gradX]: [Matrix<Float64Array>] = pairwiseDistance.vjp.sync(x, square, options);
  t.deepEqual([gradX], gradients);
  t.deepEqual(await pairwiseDistance.vjp(x, square, options), gradients);
  const signal = AbortSignal.abort(new Error('stopped'));
  await t.throwsAsync(pairwiseDistance(x, { c: 1, signal }), { message: 'stopped' });
  await t.throwsAsync(pairwiseDistance.vjp(x, square, { c: 1, signal }), { message: 'stopped' });
});

test('names the argument that is wrong when y is omitted', (t) => {
  const x = cloud(Float64Array, 4, 3, 0.9, 1) as Matrix<Float64Array>;
  const { sync, vjp } = pairwiseDistance as unknown as Record<
    'sync' | 'vjp',
    (...args: unknown[]) => unknown
  > & {
    vjp: { sync: (...args: unknown[]) => unknown };
  };
  const cases: [() => unknown, RegExp][] = [
    [() => sync(x), /\] c: expected/],
    [() => sync(x, x), /\] c: expected/],
    [() => sync(x, [[1, 2, 3]]), /\] y: expected a matrix/],
    [() => sync(x, 'poincare'), /\] y: expected a matrix/],
    [() => sync(x, { c: 1, metrics: 'euclidean' }), /\] options: expected one of metric, .* got 'metrics'/],
    [() => sync(x, {}, { c: 1 }), /\] y: expected a matrix/],
    [() => vjp.sync(x, { c: 1 }), /\] y: expected a matrix/],
    [() => vjp.sync(x, x, { c: 1 }), /\] cotangent: expected 4 x 4, got 4 x 3/],
  ];
  for (const [call, message] of cases) t.throws(call, { message });
});

function transpose({ data, rows, cols }: Matrix): Reals {
  return data.map((_, i) => data[(i % rows) * cols + Math.floor(i / rows)]!);
}
