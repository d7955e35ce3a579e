// Compares the loss on the device with the CPU: every geometry, head and guard, and numbers of views and classes that do
// not fill a tile.
import type { ExecutionContext } from 'ava';
import { geometries } from '../../lib/card-names.ts';
import { geometryCard } from '../../lib/cards.ts';
import { hybridContrastiveLoss, type LossOptions, type Matrix, matrix } from '../../lib/index.ts';
import { clusters, gradients } from '../loss-batch.ts';
import { headOf, limitsIn } from '../metric-cases.ts';
import { close, cloud, noise, type RealsType, types } from '../support.ts';
import { gpu, logDevice } from './device.ts';

logDevice();

const shapes = [
  [2, 1, 3],
  [2, 5, 1],
  [3, 67, 17],
  [2, 65, 128],
  [4, 33, 140],
] as const;

/** Unit rows, with a duplicate and a near-duplicate. */
function unitRows(type: RealsType, n: number, d: number): Matrix {
  const next = noise(n + d);
  const data = new type(n * d);
  for (let i = 0; i < n; ++i) {
    const row = Array.from({ length: d }, () => next() + next());
    const length = Math.hypot(...row);
    row.forEach((value, k) => {
      data[i * d + k] = value / length;
    });
  }
  if (n > 5) {
    data.copyWithin(3 * d, 0, d);
    for (let k = 0; k < d; ++k) data[4 * d + k] = data[k]! * (1 + 1e-5);
  }
  return matrix(data, n, d);
}

/** Points inside the ball, with a duplicate and a near-duplicate. */
function ballPoints(type: RealsType, n: number, d: number, c: number): Matrix {
  const rows = cloud(type, n, d, 0.99 / Math.sqrt(c), n);
  if (n > 5) {
    rows.data.copyWithin(3 * d, 0, d);
    for (let k = 0; k < d; ++k) rows.data[5 * d + k] = rows.data[4 * d + k]! * (1 + 1e-5);
  }
  return rows;
}

function compare(
  t: ExecutionContext,
  options: LossOptions,
  type: RealsType,
  what: string,
  stated: 'tolerance' | 'separated' = 'tolerance',
): void {
  const limit = limitsIn(type, geometryCard(options.geometry ?? 'hybrid')[stated].device);
  const want = hybridContrastiveLoss.sync(options);
  const got = hybridContrastiveLoss.sync({ ...options, device: 'cuda' });
  const stats = ({ min, mean, max, accuracy }: typeof want.stats) => [min, mean, max, accuracy];
  close(t, [got.loss], [want.loss], limit.value, `${what}, loss`);
  close(t, stats(got.stats), stats(want.stats), limit.value, `${what}, statistics`);
  for (const name of ['gradEuclidean', 'gradHyperbolic'] as const) {
    t.is(got[name] === undefined, want[name] === undefined);
    if (want[name] !== undefined)
      close(t, got[name]!.data, want[name].data, limit.gradient, `${what}, ${name}`);
  }
  const params = Object.values(want.gradParams ?? {});
  close(t, Object.values(got.gradParams ?? {}), params, limit.parameters, `${what}, parameters`);
}

for (const geometry of geometries) {
  for (const compat of [undefined, 'hypmix'] as const) {
    for (const tied of [false, true]) {
      const title = [geometry, tied ? 'tied' : 'untied', compat ?? 'clean'].join(', ');
      gpu(`hybridContrastiveLoss, ${title}: agrees with the CPU`, (t) => {
        for (const type of types) {
          for (const [views, classes, d] of shapes) {
            if (tied && d === 1) continue; // in one dimension, unit rows have no tangential gradient
            const n = views * classes;
            const euclidean = unitRows(type, n, d);
            const base = { geometry, compat, views, c: 1.3, tauE: 0.1, tauH: 0.2, lambda: 0.7 };
            const what = `${type.name} ${views} x ${classes} x ${d}`;
            for (const reduction of ['sum', 'mean'] as const) {
              if (tied) {
                compare(t, { ...base, reduction, euclidean, tied }, type, what);
              } else {
                const hyperbolic = headOf(geometry, ballPoints(type, n, d, base.c), base.c);
                compare(t, { ...base, reduction, euclidean, hyperbolic }, type, what);
              }
            }
          }
        }
      });
    }
  }
}

gpu('hybridContrastiveLoss: accepts labels in any order', (t) => {
  const labels = Array.from({ length: 30 }, (_, i) => (i * 7) % 10);
  for (const type of types) {
    const options = {
      euclidean: unitRows(type, 30, 9),
      hyperbolic: ballPoints(type, 30, 9, 1),
      labels,
      c: 1,
    };
    compare(t, options, type, type.name);
  }
});

gpu('hybridContrastiveLoss: agrees for a point outside the ball', (t) => {
  const options = { geometry: 'hyperbolic', views: 2, c: 1 } as const;
  const hyperbolic = ballPoints(Float32Array, 8, 3, 1);
  hyperbolic.data.fill(2, 6, 9);
  const want = hybridContrastiveLoss.sync({ ...options, hyperbolic });
  const got = hybridContrastiveLoss.sync({ ...options, hyperbolic, device: 'cuda' });
  t.is(want.loss, Infinity);
  t.is(got.loss, Infinity);
  const { float32 } = geometryCard('hyperbolic').tolerance.device.gradient;
  close(t, got.gradHyperbolic!.data, want.gradHyperbolic!.data, float32, 'gradient');
});

// At these temperatures the losses range from 0.07 to 1e-53, and some underflow to 0 in float32. Such a loss is about the
// exponential of a difference of logits, so the absolute rounding error of a logit becomes a relative error of the loss.
for (const cold of [0.23, 0.1, 0.0285]) {
  gpu(`hybridContrastiveLoss: well separated classes at ${cold} of the temperature`, (t) => {
    for (const type of types) {
      for (const geometry of geometries) {
        for (const tied of [false, true]) {
          const { euclidean, hyperbolic } = clusters(type, 10, 3, 7, 0.6, geometry);
          const heads = tied ? { euclidean, tied } : { euclidean, hyperbolic };
          const how = { geometry, views: 3, c: 0.6, tauE: 0.4 * cold, tauH: 1.2 * cold, lambda: 0.5 };
          const what = `${type.name}, ${geometry}, tied ${tied}`;
          compare(t, { ...heads, ...how }, type, what, 'separated');
        }
      }
    }
  });
}

gpu('hybridContrastiveLoss: agrees without negatives', (t) => {
  for (const type of types) {
    const hyperbolic = ballPoints(type, 3, 4, 1);
    hyperbolic.data.fill(2, 4, 8);
    const options = { euclidean: unitRows(type, 3, 4), hyperbolic, views: 3, c: 1 };
    const got = hybridContrastiveLoss.sync({ ...options, device: 'cuda' });
    t.is(got.loss, 0);
    for (const each of gradients(got)) t.true(each.every((value) => value === 0));
  }
});

gpu('hybridContrastiveLoss: agrees for lambda 0 with points outside the ball', (t) => {
  for (const type of types) {
    const hyperbolic = ballPoints(type, 8, 3, 1);
    hyperbolic.data.fill(2, 6, 12);
    const options = { euclidean: unitRows(type, 8, 3), hyperbolic, views: 2, lambda: 0, c: 1 };
    compare(t, options, type, type.name);
    const got = hybridContrastiveLoss.sync({ ...options, device: 'cuda' });
    t.true(Number.isFinite(got.loss));
    t.true(got.gradHyperbolic!.data.every((value) => value === 0));
  }
});

gpu('hybridContrastiveLoss: agrees without gradients', (t) => {
  const euclidean = unitRows(Float32Array, 12, 4);
  compare(t, { euclidean, tied: true, views: 3, c: 1, grad: false }, Float32Array, 'no gradients');
});

gpu('hybridContrastiveLoss: repeated calls are bit-identical', (t) => {
  const n = 2 * 130;
  const options = { views: 2, c: 0.5, device: 'cuda' } as const;
  const euclidean = unitRows(Float32Array, n, 33);
  const hyperbolic = ballPoints(Float32Array, n, 33, 0.5);
  const first = hybridContrastiveLoss.sync({ ...options, euclidean, hyperbolic });
  for (let i = 0; i < 3; ++i) {
    t.deepEqual(hybridContrastiveLoss.sync({ ...options, euclidean, hyperbolic }), first);
  }
});
