// Edge cases of the loss: anchors far from all their negatives, no negatives, NaN, lambda 0, and rows on or outside the rim.
import test from 'ava';
import { geometries } from '../lib/card-names.ts';
import { geometryCard } from '../lib/cards.ts';
import {
  type Geometry,
  hybridContrastiveLoss,
  type LossOptions,
  type LossResult,
  matrix,
  type Reals,
} from '../lib/index.ts';
import { batch, clusters, gradients } from './loss-batch.ts';
import { limitsIn, wide } from './metric-cases.ts';
import { hybridLoss, table } from './oracle.ts';
import { close, type RealsType, types } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

const c = 0.6;
const [classes, views, cols] = [10, 3, 7];

/** Target losses of well separated classes; every geometry reaches each of them at some temperature. */
const targets = [1e-3, 1e-8, 1e-17, 1e-31] as const;

/** Finds, by bisection, the factor of the temperatures at which the loss is `target`; the loss increases with the factor. */
function factorFor(geometry: Geometry, target: number): number {
  const { euclidean, hyperbolic } = clusters(Float64Array, classes, views, cols, c, geometry);
  const [e, h] = [table(euclidean.data, cols), table(hyperbolic.data, hyperbolic.cols)];
  let [low, high] = [1e-4, 1e2];
  while (high / low > 1.01) {
    const middle = Math.sqrt(low * high);
    if (hybridLoss(e, h, at(geometry, middle)) < target) low = middle;
    else high = middle;
  }
  return high;
}

function at(geometry: Geometry, factor: number) {
  return { geometry, views, c, tauE: 0.4 * factor, tauH: 1.2 * factor, lambda: 0.5 };
}

for (const geometry of geometries) {
  const factors = targets.map((target) => factorFor(geometry, target));
  const { separated } = geometryCard(geometry);

  for (const type of types) {
    test(`${geometry}, ${type.name}: the loss of well separated classes is accurate`, (t) => {
      const { euclidean, hyperbolic } = clusters(type, classes, views, cols, c, geometry);
      const [e, h] = [table(euclidean.data, cols), table(hyperbolic.data, hyperbolic.cols)];
      let least = 1;
      for (const factor of factors) {
        const options = at(geometry, factor);
        const { loss } = hybridContrastiveLoss.sync({ euclidean, hyperbolic, ...options });
        const want = hybridLoss(e, h, options);
        close(t, [loss], [want], allowed(type, separated.value), `${factor}: ${want}`);
        least = Math.min(least, want);
      }
      t.true(least < 1e-28, `the smallest loss is ${least}`);
    });

    test(`${geometry}, ${type.name}: its gradients are accurate`, (t) => {
      const { euclidean, hyperbolic } = clusters(type, classes, views, cols, c, geometry);
      const [e, h] = [table(euclidean.data, cols), table(hyperbolic.data, hyperbolic.cols)];
      for (const factor of factors) {
        const options = at(geometry, factor);
        const got = hybridContrastiveLoss.sync({ euclidean, hyperbolic, ...options });
        const limit = allowed(type, separated.gradient, referenceError.differences);
        for (const [rows, gradient] of [
          [e, got.gradEuclidean!],
          [h, got.gradHyperbolic!],
        ] as const) {
          const want = rows.flatMap((row) =>
            row.map((_, k) => slope(row, k, 1e-5 * factor, () => hybridLoss(e, h, options))),
          );
          close(t, gradient.data, want, limit, `${factor}: rows`);
        }
        const names = ['tauE', 'tauH', 'lambda', 'c'] as const;
        const params: Record<(typeof names)[number], number> = { ...options };
        const want = names.map((name) =>
          slope(params, name, 1e-5 * factor * params[name], () =>
            hybridLoss(e, h, { ...options, ...params }),
          ),
        );
        close(
          t,
          names.map((name) => got.gradParams![name]),
          want,
          allowed(type, separated.parameters, referenceError.differences),
          `${factor}: parameters`,
        );
      }
    });
  }

  for (const compat of [undefined, 'hypmix'] as const) {
    test(`${geometry}, ${compat ?? 'clean'}: float32 agrees with float64, tied and untied`, (t) => {
      const { euclidean, hyperbolic } = clusters(Float32Array, classes, views, cols, c, geometry);
      for (const factor of factors) {
        const shared = { compat, ...at(geometry, factor) };
        const both = (heads: LossOptions, exact: LossOptions) => {
          const [got, want] = [heads, exact].map((each) =>
            hybridContrastiveLoss.sync({ ...shared, ...each }),
          );
          const limit = limitsIn(Float32Array, separated);
          close(t, [got!.loss], [want!.loss], limit.value, `${factor}: loss ${want!.loss}`);
          gradients(want!).forEach((each, i, all) => {
            const part = i === all.length - 1 ? limit.parameters : limit.gradient;
            close(t, gradients(got!)[i]!, each, part, `${factor}: gradient ${i}`);
          });
        };
        both({ euclidean, hyperbolic }, { euclidean: wide(euclidean), hyperbolic: wide(hyperbolic) });
        both({ euclidean, tied: true }, { euclidean: wide(euclidean), tied: true });
      }
    });
  }
}

/** Returns the central difference of `value` with respect to `of[at]`. */
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

test('anchors with a far positive are accurate among anchors with a near one', (t) => {
  // Rows with a near positive have a log-sum-exp of about 0 and hardly any loss. The loss comes from rows with a far
  // positive, whose log-sum-exp is about -100.
  const places = [0, 0.001, 85, 135, 220, 220.002, 305, 355];
  for (const type of types) {
    const hyperbolic = matrix(type.from(places), places.length, 1);
    const options = { geometry: 'chordal', views: 2, tauH: 1 } as const;
    const got = hybridContrastiveLoss.sync({ hyperbolic, ...options });
    const h = table(hyperbolic.data, 1);
    const all = { ...options, tauE: 1, lambda: 1, c: 1 };
    const want = hybridLoss(h, h, all);
    t.true(want < 1e-29 && want > 1e-32, `${want}`);
    const { value, gradient } = geometryCard('chordal').separated;
    close(t, [got.loss], [want], allowed(type, value), 'loss');
    const wanted = h.flatMap((row) => row.map((_, k) => slope(row, k, 1e-5, () => hybridLoss(h, h, all))));
    close(
      t,
      got.gradHyperbolic!.data,
      wanted,
      allowed(type, gradient, referenceError.differences),
      'gradient',
    );
  }
});

test('without negatives, the loss and its gradients are 0, even if a positive is at infinite distance', (t) => {
  for (const type of types) {
    for (const geometry of geometries) {
      const { euclidean, hyperbolic } = batch(type, 3, 4, c, geometry);
      const outside = matrix(hyperbolic.data.slice().fill(2, 4, 8), 3, hyperbolic.cols);
      for (const heads of [
        { hyperbolic },
        ...(hyperbolic.cols === 4 ? [{ hyperbolic: outside }] : []), // no distance on the hyperboloid (5 columns) is infinite
        { tied: true },
      ]) {
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

test('NaN propagates, even if the loss is small or has no negatives', (t) => {
  for (const type of types) {
    const { euclidean, hyperbolic } = clusters(type, classes, views, cols, c);
    hyperbolic.data[3 * cols] = Number.NaN;
    const alone = { euclidean: head(euclidean.data, views), hyperbolic: head(hyperbolic.data, views) };
    alone.hyperbolic.data[0] = Number.NaN;
    for (const heads of [{ euclidean, hyperbolic }, alone]) {
      for (const lambda of [0.5, 0]) {
        const got = hybridContrastiveLoss.sync({ ...heads, ...at('hybrid', 0.05), lambda });
        t.is(got.loss, Number.NaN);
        for (const each of gradients(got).slice(0, 2)) t.true(each.every(Number.isNaN));
      }
    }
  }
});

function head(data: Reals, rows: number) {
  return matrix(data.slice(0, rows * cols), rows, cols);
}

/** A batch with points on and outside the rim, some of them equal. */
function beyond(type: RealsType) {
  const made = batch(type, 12, 4, 1);
  const { data } = made.hyperbolic;
  data.fill(2, 8, 12);
  data.fill(0, 12, 16);
  data[12] = 1; // the positive of the previous row
  data.copyWithin(28, 8, 12);
  data.fill(1e4, 32, 36);
  return made;
}

test('with lambda 0, the loss is the Euclidean one, wherever the ball points are', (t) => {
  for (const type of types) {
    for (const compat of [undefined, 'hypmix'] as const) {
      for (const heads of [batch(type, 12, 4, 1), beyond(type), { ...batch(type, 12, 4, 1), tied: true }]) {
        const options = { ...('tied' in heads ? { euclidean: heads.euclidean, tied: true } : heads), compat };
        const shared = { ...options, views: 2, c: 1, tauE: 0.3 };
        const got = hybridContrastiveLoss.sync({ ...shared, lambda: 0 });
        const want = hybridContrastiveLoss.sync({ ...shared, geometry: 'euclidean' });
        const limit = allowed(type, coreError.rounding);
        close(t, [got.loss], [want.loss], limit, 'loss');
        t.deepEqual(got.stats, want.stats);
        close(t, got.gradEuclidean!.data, want.gradEuclidean!.data, limit, 'gradient in e');
        if (!('tied' in heads)) t.true(got.gradHyperbolic!.data.every((value) => value === 0));
        const { tauE, tauH, lambda, c } = got.gradParams!;
        close(t, [tauE], [want.gradParams!.tauE], limit, 'tauE');
        t.deepEqual([tauH, c].map(Math.abs), [0, 0]);
        t.false(Number.isNaN(lambda));
      }
    }
  }
});

test('with lambda 0, the gradient of lambda is that of the formula', (t) => {
  const { euclidean, hyperbolic } = batch(Float64Array, 12, 4, 1);
  const options = { views: 2, c: 1, tauE: 0.3, tauH: 0.7, lambda: 0 };
  const { gradParams } = hybridContrastiveLoss.sync({ euclidean, hyperbolic, ...options });
  const [e, h] = [table(euclidean.data, 4), table(hyperbolic.data, 4)];
  const want = slope(options, 'lambda', 1e-6, () => hybridLoss(e, h, { ...options, geometry: 'hybrid' }));
  const { parameters } = geometryCard('hybrid').tolerance;
  close(
    t,
    [gradParams!.lambda],
    [want],
    allowed(Float64Array, parameters, referenceError.nearlyLinear),
    'lambda',
  );
});

test('with points outside the ball, the gradients of an infinite loss are not NaN', (t) => {
  for (const type of types) {
    const got: LossResult = hybridContrastiveLoss.sync({ ...beyond(type), views: 2, c: 1 });
    t.is(got.loss, Infinity);
    for (const each of gradients(got)) t.false(each.some(Number.isNaN));
  }
});

test('parameters outside the range of float32 cause no out-of-bounds writes', (t) => {
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

test('labels with one row per class are rejected, because the loss has no pairs', (t) => {
  const { euclidean, hyperbolic } = batch(Float64Array, 3, 4, c);
  t.throws(() => hybridContrastiveLoss.sync({ euclidean, hyperbolic, labels: [0, 1, 2], c }), {
    code: 'ERR_HOROBALL_SHAPE',
    message: '[hybridContrastiveLoss] labels: expected at least 2 rows per class, got 1',
  });
});
