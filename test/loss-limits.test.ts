// The loss at its ends: anchors that are far from all their negatives, no negatives, and rows on or outside the rim.
import test from 'ava';
import {
  hybridContrastiveLoss,
  type LossOptions,
  type LossResult,
  matrix,
  type Reals,
} from '../lib/index.ts';
import { geometries } from '../lib/loss.ts';
import { batch, clusters, gradients } from './loss-batch.ts';
import { wide } from './metric-cases.ts';
import { hybridLoss, table } from './oracle.ts';
import { close, type RealsType, types, within } from './support.ts';

const c = 0.6;
const [classes, views, cols] = [10, 3, 7];

/** Temperatures at which the loss of well separated classes is about 10 to the power of -3, -8, -17 and -31. */
const colds = [0.23, 0.1, 0.049, 0.0285] as const;
const warmth = { hybrid: 1.7, euclidean: 1, hyperbolic: 1.3, chordal: 0.93 };

function settings(geometry: (typeof geometries)[number], cold: number) {
  const tau = warmth[geometry] * cold;
  return { geometry, views, c, tauE: 0.4 * tau, tauH: 1.2 * tau, lambda: 0.5 };
}

for (const geometry of geometries) {
  for (const type of types) {
    test(`${geometry}, ${type.name}: the loss of well separated classes has its digits`, (t) => {
      const { euclidean, hyperbolic } = clusters(type, classes, views, cols, c);
      const [e, h] = [table(euclidean.data, cols), table(hyperbolic.data, cols)];
      let least = 1;
      for (const cold of colds) {
        const options = settings(geometry, cold);
        const { loss } = hybridContrastiveLoss.sync({ euclidean, hyperbolic, ...options });
        const want = hybridLoss(e, h, options);
        close(t, [loss], [want], within(type, 1e-12, 2e-5), `${cold}: ${want}`);
        least = Math.min(least, want);
      }
      t.true(least < 1e-28, `the least loss is ${least}`);
    });

    test(`${geometry}, ${type.name}: and so have its gradients`, (t) => {
      const { euclidean, hyperbolic } = clusters(type, classes, views, cols, c);
      const [e, h] = [table(euclidean.data, cols), table(hyperbolic.data, cols)];
      for (const cold of colds) {
        const options = settings(geometry, cold);
        const got = hybridContrastiveLoss.sync({ euclidean, hyperbolic, ...options });
        const limit = within(type, 1e-7, 2e-5);
        for (const [rows, gradient] of [
          [e, got.gradEuclidean!],
          [h, got.gradHyperbolic!],
        ] as const) {
          const want = rows.flatMap((row) =>
            row.map((_, k) => slope(row, k, 1e-5 * cold, () => hybridLoss(e, h, options))),
          );
          close(t, gradient.data, want, limit, `${cold}: rows`);
        }
        const names = ['tauE', 'tauH', 'lambda', 'c'] as const;
        const params: Record<(typeof names)[number], number> = { ...options };
        const want = names.map((name) =>
          slope(params, name, 1e-5 * cold * params[name], () => hybridLoss(e, h, { ...options, ...params })),
        );
        close(
          t,
          names.map((name) => got.gradParams![name]),
          want,
          limit,
          `${cold}: parameters`,
        );
      }
    });
  }

  for (const compat of [undefined, 'hypmix'] as const) {
    test(`${geometry}, ${compat ?? 'clean'}: in float32 as in float64, tied and untied`, (t) => {
      const { euclidean, hyperbolic } = clusters(Float32Array, classes, views, cols, c);
      for (const cold of colds) {
        const shared = { compat, ...settings(geometry, cold) };
        const both = (heads: LossOptions, exact: LossOptions) => {
          const [got, want] = [heads, exact].map((each) =>
            hybridContrastiveLoss.sync({ ...shared, ...each }),
          );
          close(t, [got!.loss], [want!.loss], 2e-5, `${cold}: loss ${want!.loss}`);
          gradients(want!).forEach((each, i) => {
            close(t, gradients(got!)[i]!, each, 2e-5, `${cold}: gradient ${i}`);
          });
        };
        both({ euclidean, hyperbolic }, { euclidean: wide(euclidean), hyperbolic: wide(hyperbolic) });
        both({ euclidean, tied: true }, { euclidean: wide(euclidean), tied: true });
      }
    });
  }
}

/** Central difference of `value` in an entry of `of`. */
function slope<K extends PropertyKey>(
  of: Record<K, number>,
  at: K,
  step: number,
  value: () => number,
): number {
  const was = of[at];
  of[at] = was + step;
  const above = value();
  of[at] = was - step;
  const below = value();
  of[at] = was;
  return (above - below) / (2 * step);
}

test('anchors with a far positive among such with a near one', (t) => {
  // Rows' log-sum-exps are 0 and -100. The former have next to no loss, of the latter's weights is all there is.
  const places = [0, 0.001, 85, 135, 220, 220.002, 305, 355];
  for (const type of types) {
    const hyperbolic = matrix(type.from(places), places.length, 1);
    const options = { geometry: 'chordal', views: 2, tauH: 1 } as const;
    const got = hybridContrastiveLoss.sync({ hyperbolic, ...options });
    const h = table(hyperbolic.data, 1);
    const all = { ...options, tauE: 1, lambda: 1, c: 1 };
    const want = hybridLoss(h, h, all);
    t.true(want < 1e-29 && want > 1e-32, `${want}`);
    const limit = within(type, 1e-11, 2e-5);
    close(t, [got.loss], [want], limit, 'loss');
    const wanted = h.flatMap((row) => row.map((_, k) => slope(row, k, 1e-5, () => hybridLoss(h, h, all))));
    close(t, got.gradHyperbolic!.data, wanted, within(type, 1e-7, 2e-5), 'gradient');
  }
});

test('no negatives: the loss is 0 and so are its gradients, with a positive at an infinite distance too', (t) => {
  for (const type of types) {
    for (const geometry of geometries) {
      const { euclidean, hyperbolic } = batch(type, 3, 4, c);
      const outside = matrix(hyperbolic.data.slice().fill(2, 4, 8), 3, 4);
      for (const heads of [{ hyperbolic }, { hyperbolic: outside }, { tied: true }]) {
        for (const compat of [undefined, 'hypmix'] as const) {
          const got = hybridContrastiveLoss.sync({ euclidean, ...heads, geometry, compat, views: 3, c });
          const what = `${type.name}, ${geometry}, ${compat}, ${Object.keys(heads)}`;
          t.is(got.loss, 0, what);
          for (const each of gradients(got))
            t.true(
              each.every((value) => value === 0),
              what,
            );
        }
      }
    }
  }
});

test('NaN shows, where the loss is small and where there are no negatives', (t) => {
  for (const type of types) {
    const { euclidean, hyperbolic } = clusters(type, classes, views, cols, c);
    hyperbolic.data[3 * cols] = Number.NaN;
    const alone = { euclidean: head(euclidean.data, views), hyperbolic: head(hyperbolic.data, views) };
    alone.hyperbolic.data[0] = Number.NaN;
    for (const heads of [{ euclidean, hyperbolic }, alone]) {
      for (const lambda of [0.5, 0]) {
        const got = hybridContrastiveLoss.sync({ ...heads, ...settings('hybrid', 0.03), lambda });
        t.is(got.loss, Number.NaN);
        for (const each of gradients(got).slice(0, 2)) t.true(each.every(Number.isNaN));
      }
    }
  }
});

function head(data: Reals, rows: number) {
  return matrix(data.slice(0, rows * cols), rows, cols);
}

/** A batch some of whose points are on the rim, outside it, and the same. */
function beyond(type: RealsType) {
  const made = batch(type, 12, 4, 1);
  const { data } = made.hyperbolic;
  data.fill(2, 8, 12);
  data.fill(0, 12, 16);
  data[12] = 1; // the positive of the row before
  data.copyWithin(28, 8, 12);
  data.fill(1e4, 32, 36);
  return made;
}

test('lambda 0: the Euclidean loss, wherever the points of the ball are', (t) => {
  for (const type of types) {
    for (const compat of [undefined, 'hypmix'] as const) {
      for (const heads of [batch(type, 12, 4, 1), beyond(type), { ...batch(type, 12, 4, 1), tied: true }]) {
        const options = { ...('tied' in heads ? { euclidean: heads.euclidean, tied: true } : heads), compat };
        const shared = { ...options, views: 2, c: 1, tauE: 0.3 };
        const got = hybridContrastiveLoss.sync({ ...shared, lambda: 0 });
        const want = hybridContrastiveLoss.sync({ ...shared, geometry: 'euclidean' });
        close(t, [got.loss], [want.loss], within(type, 1e-14, 1e-6), 'loss');
        t.deepEqual(got.stats, want.stats);
        close(
          t,
          got.gradEuclidean!.data,
          want.gradEuclidean!.data,
          within(type, 1e-14, 1e-6),
          'gradient in e',
        );
        if (!('tied' in heads)) t.true(got.gradHyperbolic!.data.every((value) => value === 0));
        const { tauE, tauH, lambda, c } = got.gradParams!;
        close(t, [tauE], [want.gradParams!.tauE], within(type, 1e-14, 1e-6), 'tauE');
        t.deepEqual([tauH, c].map(Math.abs), [0, 0]);
        t.false(Number.isNaN(lambda));
      }
    }
  }
});

test('lambda 0: its own gradient is that of the formula', (t) => {
  const { euclidean, hyperbolic } = batch(Float64Array, 12, 4, 1);
  const options = { views: 2, c: 1, tauE: 0.3, tauH: 0.7, lambda: 0 };
  const { gradParams } = hybridContrastiveLoss.sync({ euclidean, hyperbolic, ...options });
  const [e, h] = [table(euclidean.data, 4), table(hyperbolic.data, 4)];
  const want = slope(options, 'lambda', 1e-6, () => hybridLoss(e, h, { ...options, geometry: 'hybrid' }));
  close(t, [gradParams!.lambda], [want], 1e-8, 'lambda');
});

test('points outside: an infinite loss has gradients that are numbers', (t) => {
  for (const type of types) {
    const got: LossResult = hybridContrastiveLoss.sync({ ...beyond(type), views: 2, c: 1 });
    t.is(got.loss, Infinity);
    for (const each of gradients(got)) t.false(each.some(Number.isNaN));
  }
});

test('numbers that float32 does not hold make no gradients, and write nowhere', (t) => {
  const heads = { euclidean: matrix(Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1), 4, 2), tied: true, views: 2 };
  for (const huge of [
    { lambda: 1e39 },
    { tauH: 1e-39 },
    { c: 1e39 },
    { c: 1e39, compat: 'hypmix' },
  ] as const) {
    const { gradEuclidean } = hybridContrastiveLoss.sync({ ...heads, c: 1, ...huge });
    t.true(gradEuclidean!.data.every(Number.isNaN), JSON.stringify(huge));
  }
});
