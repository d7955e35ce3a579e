// The loss at its ends: anchors that are far from all their negatives, and no negatives.
import test from 'ava';
import { hybridContrastiveLoss, type LossOptions, matrix } from '../lib/index.ts';
import { geometries } from '../lib/loss.ts';
import { batch, clusters, gradients } from './loss-batch.ts';
import { wide } from './metric-cases.ts';
import { hybridLoss, table } from './oracle.ts';
import { close, types, within } from './support.ts';

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
