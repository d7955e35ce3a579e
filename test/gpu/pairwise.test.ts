// Compares distances, their gradients, searches and delta on the device with the CPU.
import type { ExecutionContext } from 'ava';
import { metrics } from '../../lib/card-names.ts';
import { gromovDelta, type Matrix, type Metric, matrix, pairwiseDistance, topK } from '../../lib/index.ts';
import { accuracyOf, pointsOf } from '../metric-cases.ts';
import { close, cloud, eachClose, noise, type RealsType, types } from '../support.ts';
import { allowed, coreError } from '../tolerances.ts';
import { gpu, logDevice } from './device.ts';

logDevice();

const shapes = [
  [1, 1, 1],
  [1, 9, 3],
  [66, 31, 2],
  [65, 129, 17],
  [72, 8, 5],
  [40, 70, 130],
] as const;
const c = 0.8;

/** Points that include a duplicate, a near-duplicate and the origin. */
function points(type: RealsType, n: number, d: number, metric: Metric, seed: number): Matrix {
  const rows = cloud(type, n, d, 0.99 / Math.sqrt(c), seed);
  const { data } = rows;
  if (n > 3) data.copyWithin(d, 0, d);
  if (n > 4) for (let k = 0; k < d; ++k) data[2 * d + k] = data[3 * d + k]! * (1 + 1e-5);
  if (n > 5 && metric !== 'cosine') data.fill(0, 4 * d, 5 * d);
  return pointsOf(metric, rows, c);
}

function cotangentOf(type: RealsType, rows: number, cols: number): Matrix {
  const next = noise(5);
  return matrix(type.from(Array.from({ length: rows * cols }, () => next())), rows, cols);
}

for (const metric of metrics) {
  for (const compat of metric === 'poincare' ? ([undefined, 'hypmix'] as const) : [undefined]) {
    const options = { metric, c, compat } as const;
    const title = compat === undefined ? metric : `${metric}, ${compat}`;

    gpu(`pairwiseDistance, ${title}: agrees with the CPU`, async (t) => {
      for (const type of types) {
        for (const [n, m, d] of shapes) {
          const x = points(type, n, d, metric, 1);
          for (const y of [undefined, points(type, m, d, metric, 2)]) {
            const want = pairwiseDistance.sync(x, y, options);
            const got = await pairwiseDistance(x, y, { ...options, device: 'cuda' });
            const what = `${type.name} ${n} x ${y === undefined ? n : m} x ${d}`;
            const { device } = accuracyOf(compat ?? metric);
            eachClose(t, got.data, want.data, allowed(type, device.value), what);
          }
        }
      }
    });

    gpu(`pairwiseDistance.vjp, ${title}: agrees with the CPU`, (t) => {
      for (const type of types) {
        for (const [n, m, d] of shapes) {
          const x = points(type, n, d, metric, 1);
          for (const y of [undefined, points(type, m, d, metric, 2)]) gradients(t, type, x, y, options);
        }
      }
    });

    gpu(`topK, ${title}: returns the nearest rows, with distances bit-identical to pairwiseDistance`, (t) => {
      for (const type of types) {
        for (const [n, m, d] of shapes)
          search(t, type, points(type, n, d, metric, 1), points(type, m, d, metric, 2), options);
      }
    });
  }
}

gpu('pairwiseDistance.vjp: pairs with a point outside the ball have no gradient, as on the CPU', (t) => {
  for (const type of types) {
    const x = points(type, 7, 3, 'poincare', 1);
    x.data.fill(1 / Math.sqrt(c), 0, 3);
    gradients(t, type, x, points(type, 9, 3, 'poincare', 2), { metric: 'poincare', c });
    gradients(t, type, x, undefined, { metric: 'poincare', c });
  }
});

type Options = { metric: Metric; c: number; compat?: 'hypmix' | undefined };

function gradients(
  t: ExecutionContext,
  type: RealsType,
  x: Matrix,
  y: Matrix | undefined,
  options: Options,
): void {
  const w = cotangentOf(type, x.rows, (y ?? x).rows);
  const grad = (device: 'cpu' | 'cuda') => {
    const gradC = new Float64Array(1);
    const all = pairwiseDistance.vjp.sync(x, y, w, { ...options, device, gradC });
    return { all, gradC };
  };
  const want = grad('cpu');
  const got = grad('cuda');
  const what = `${type.name} ${x.rows} x ${w.cols} x ${x.cols}`;
  const { gradient, parameters } = accuracyOf(options.compat ?? options.metric).device;
  t.is(got.all.length, want.all.length);
  want.all.forEach((each, i) => {
    close(t, got.all[i]!.data, each.data, allowed(type, gradient), `${what}, gradient ${i}`);
  });
  close(t, got.gradC, want.gradC, allowed(type, parameters), `${what}, c`);
}

function search(t: ExecutionContext, type: RealsType, x: Matrix, y: Matrix, options: Options): void {
  const distances = pairwiseDistance.sync(x, y, { ...options, device: 'cuda' }).data;
  for (const k of new Set([1, Math.min(3, y.rows), y.rows])) {
    const got = topK.sync(x, y, { ...options, k, device: 'cuda' });
    for (let i = 0; i < x.rows; ++i) {
      const row = Array.from(distances.subarray(i * y.rows, (i + 1) * y.rows), (d, j) => ({ d, j }));
      const want = row
        .filter(({ d }) => d < Infinity)
        .sort((a, b) => a.d - b.d || a.j - b.j)
        .slice(0, k);
      const what = `${type.name}, k ${k}, query ${i}`;
      const indices = Array.from(got.indices.subarray(i * k, i * k + want.length));
      t.deepEqual(
        indices,
        want.map(({ j }) => j),
        what,
      );
      t.deepEqual(
        Array.from(got.distances.subarray(i * k, i * k + want.length)),
        want.map(({ d }) => d),
        what,
      );
    }
  }
}

gpu('topK: points outside the ball are not returned, as on the CPU', (t) => {
  const y = matrix(new Float32Array([0.1, 0, 3, 0, 0.2, 0]), 3, 2);
  const { indices, distances } = topK.sync(y, y, { k: 3, c: 1, exclude: 'self', device: 'cuda' });
  const want = topK.sync(y, y, { k: 3, c: 1, exclude: 'self' });
  t.deepEqual(indices, want.indices);
  t.deepEqual(
    Array.from(distances, (d) => d === Infinity),
    Array.from(want.distances, (d) => d === Infinity),
  );
});

gpu('gromovDelta: agrees with the CPU', (t) => {
  for (const type of types) {
    for (const n of [2, 17, 70]) {
      const x = cloud(type, n, 5, 0.9, n);
      const options = { samples: 1, size: n } as const;
      const want = gromovDelta.sync(x, options);
      const got = gromovDelta.sync(x, { ...options, device: 'cuda' });
      const limit = allowed(type, coreError.deltaOnDevice);
      close(t, [got.delta, got.relative], [want.delta, want.relative], limit, `${n}`);
    }
  }
});
