import test, { type ExecutionContext } from 'ava';
import { geometries } from '../lib/card-names.ts';
import { geometryCard } from '../lib/cards.ts';
import {
  hybridContrastiveLoss,
  type LossOptions,
  type LossResult,
  type Matrix,
  matrix,
  type Reals,
} from '../lib/index.ts';
import { batch, gradients } from './loss-batch.ts';
import { limitsIn, wide } from './metric-cases.ts';
import { head, hybridLoss, table } from './oracle.ts';
import { close, failure, inner, noise, type RealsType, Reference, types } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

const reference = await Reference.open('loss');

interface Case {
  key: string;
  geometry: 'hybrid' | 'euclidean' | 'hyperbolic';
  head: 'tied' | 'untied';
  mode: 'compat' | 'clean';
  V: number;
  tau_e: number;
  tau_h: number;
  lam: number;
  c: number;
}

const cases = JSON.parse(reference.metadata['cases']!) as Case[];

function options(one: Case, type: RealsType): LossOptions {
  return {
    euclidean: reference.matrix(`${one.key}.e`, type),
    ...(one.head === 'tied' ? { tied: true } : { hyperbolic: reference.matrix(`${one.key}.h`, type) }),
    ...(one.mode === 'compat' ? { compat: 'hypmix' } : {}),
    geometry: one.geometry,
    views: one.V,
    tauE: one.tau_e,
    tauH: one.tau_h,
    lambda: one.lam,
    c: one.c,
  };
}

function check(t: ExecutionContext, one: Case, got: LossResult, type: RealsType): void {
  const limit = limitsIn(type, geometryCard(one.geometry).tolerance);
  const { loss, gradEuclidean, gradHyperbolic, gradParams, stats } = got;
  close(t, [loss], reference.reals(`${one.key}.loss`), limit.value, 'loss');
  const params = [gradParams!.tauE, gradParams!.tauH, gradParams!.lambda, gradParams!.c];
  close(t, params, reference.reals(`${one.key}.grad_params`), limit.parameters, 'parameters');
  const { min, mean, max, accuracy } = stats;
  const [lowest, middle, highest, share] = reference.reals(`${one.key}.stats`);
  close(t, [min, mean, max], [lowest!, middle!, highest!], limit.value, 'logits');
  close(t, [accuracy], [share!], allowed(Float64Array, coreError.rounding), 'accuracy');
  if (one.head === 'tied') {
    t.is(gradHyperbolic, undefined);
    close(
      t,
      gradEuclidean!.data,
      reference.reals(`${one.key}.grad_z_tangential`),
      limit.gradient,
      'gradient in z',
    );
  } else {
    close(t, gradEuclidean!.data, reference.reals(`${one.key}.grad_e`), limit.gradient, 'gradient in e');
    close(t, gradHyperbolic!.data, reference.reals(`${one.key}.grad_h`), limit.gradient, 'gradient in h');
  }
}

test('the reference file covers every case', (t) => {
  t.is(cases.length, 60);
});

for (const one of cases) {
  test(`${one.key}: value, gradients, parameter gradients and statistics equal the reference`, async (t) => {
    check(t, one, await hybridContrastiveLoss(options(one, Float64Array)), Float64Array);
    check(t, one, hybridContrastiveLoss.sync(options(one, Float32Array)), Float32Array);
  });
}

const settings = { tauE: 0.3, tauH: 0.7, lambda: 1.3, c: 0.6 };

for (const geometry of geometries) {
  for (const [classes, views, cols] of [
    [1, 2, 3],
    [2, 5, 1],
    [7, 3, 19],
    [151, 2, 33],
  ] as const) {
    test(`${geometry} ${classes} classes x ${views} views x ${cols}: equals the formula`, async (t) => {
      const { euclidean, hyperbolic } = batch(Float64Array, classes * views, cols, settings.c, geometry);
      const options = { euclidean, hyperbolic, geometry, views, ...settings };
      const want = hybridLoss(table(euclidean.data, cols), table(hyperbolic.data, hyperbolic.cols), options);
      const got = await hybridContrastiveLoss(options);
      if (classes === 1)
        t.is(got.loss, 0); // no negatives
      else close(t, [got.loss], [want], geometryCard(geometry).tolerance.value.float64, 'loss');
      const mean = hybridContrastiveLoss.sync({ ...options, reduction: 'mean', grad: false });
      const limit = allowed(Float64Array, coreError.rounding);
      close(t, [mean.loss], [got.loss / (views * (views - 1))], limit, 'mean');
      t.deepEqual(Object.keys(mean).sort(), ['loss', 'stats']);
    });
  }

  // At the low temperature, the log-sum-exps of the rows differ too much to share one exponential per pair.
  for (const [warmth, step] of [
    [1, 1e-6],
    [0.02, 2e-8],
  ] as const) {
    const warm = { ...settings, tauE: warmth * settings.tauE, tauH: warmth * settings.tauH };
    test(`${geometry}, temperatures x ${warmth}: gradients equal central differences of the formula`, (t) => {
      const [views, cols] = [3, 5];
      const { euclidean, hyperbolic } = batch(Float64Array, 12, cols, settings.c, geometry);
      const options = { euclidean, hyperbolic, geometry, views, ...warm };
      const { loss, gradEuclidean, gradHyperbolic, gradParams } = hybridContrastiveLoss.sync(options);
      const [e, h] = [table(euclidean.data, cols), table(hyperbolic.data, hyperbolic.cols)];
      const { value, gradient, parameters } = geometryCard(geometry).tolerance;
      close(t, [loss], [hybridLoss(e, h, options)], value.float64, 'loss');
      const limit = allowed(Float64Array, gradient, referenceError.differences);
      const slopes = (rows: number[][]) =>
        rows.flatMap((row) =>
          row.map((value, k) => {
            const at = (moved: number) => {
              row[k] = moved;
              return hybridLoss(e, h, options);
            };
            const slope = (at(value + step) - at(value - step)) / (2 * step);
            row[k] = value;
            return slope;
          }),
        );
      close(t, gradEuclidean!.data, slopes(e), limit, 'euclidean');
      close(t, gradHyperbolic!.data, slopes(h), limit, 'hyperbolic');
      const names = ['tauE', 'tauH', 'lambda', 'c'] as const;
      const want = names.map((name) => {
        const at = (moved: number) => hybridLoss(e, h, { ...options, [name]: moved });
        return (at(warm[name] + step) - at(warm[name] - step)) / (2 * step);
      });
      close(
        t,
        names.map((name) => gradParams![name]),
        want,
        allowed(Float64Array, parameters, referenceError.differences),
        'parameters',
      );
    });
  }
}

for (const geometry of geometries) {
  test(`${geometry}: reduction mean also divides gradients by the number of ordered pairs of views`, (t) => {
    for (const type of types) {
      const { euclidean, hyperbolic } = batch(type, 21, 6, settings.c, geometry);
      for (const heads of [
        { euclidean, hyperbolic },
        { euclidean, tied: true },
      ]) {
        for (const views of [3, 7]) {
          const options = { ...heads, geometry, views, ...settings };
          const sum = gradients(hybridContrastiveLoss.sync(options));
          const mean = gradients(hybridContrastiveLoss.sync({ ...options, reduction: 'mean' }));
          const what = `${type.name}, ${views} views, ${Object.keys(heads)}`;
          t.is(mean.length, sum.length);
          sum.forEach((each, i) => {
            const part = each.map((value) => value / (views * (views - 1)));
            close(t, mean[i]!, part, allowed(type, coreError.rounding), `${what}: gradient ${i}`);
          });
        }
      }
    }
  });

  test(`${geometry}, float32: loss and gradients equal those of float64 at the same points`, (t) => {
    const { euclidean, hyperbolic } = batch(Float32Array, 60, 17, settings.c, geometry);
    for (const tied of [false, true]) {
      const run = (as: (given: Matrix) => Matrix) => {
        const heads = { euclidean: as(euclidean), ...(tied ? { tied } : { hyperbolic: as(hyperbolic) }) };
        return hybridContrastiveLoss.sync({ ...heads, geometry, views: 3, ...settings });
      };
      const [got, want] = [run((given) => given), run(wide)];
      const limit = limitsIn(Float32Array, geometryCard(geometry).tolerance);
      close(t, [got.loss], [want.loss], limit.value, `tied ${tied}: loss`);
      gradients(want).forEach((each, i, all) => {
        const part = i === all.length - 1 ? limit.parameters : limit.gradient;
        close(t, gradients(got)[i]!, each, part, `tied ${tied}: gradient ${i}`);
      });
    }
  });
}

test('a head without effect gets a zero gradient, written to out, and is still validated', async (t) => {
  const { euclidean, hyperbolic } = batch(Float64Array, 12, 4, 1);
  const shared = { euclidean, hyperbolic, views: 3, c: 1 };
  for (const [geometry, key] of [
    ['hyperbolic', 'gradEuclidean'],
    ['euclidean', 'gradHyperbolic'],
  ] as const) {
    const place = new Float64Array(48).fill(7);
    const got = await hybridContrastiveLoss({ ...shared, geometry, out: { [key]: place } });
    t.is(got[key]!.data, place);
    t.true(place.every((value) => value === 0));
  }
  const odd = { ...shared, geometry: 'hyperbolic', euclidean: {} as Matrix } as const;
  await t.throwsAsync(hybridContrastiveLoss(odd), { code: 'ERR_HOROBALL_TYPE', message: /euclidean: / });
});

test('tied chordal equals the limit of tied hyperbolic as c goes to 0', (t) => {
  const { euclidean } = batch(Float64Array, 20, 6, 1);
  const options = { euclidean, tied: true, views: 4, tauH: 0.5, c: 1e-9 };
  const flat = hybridContrastiveLoss.sync({ ...options, geometry: 'chordal' });
  const curved = hybridContrastiveLoss.sync({ ...options, geometry: 'hyperbolic' });
  const { value, gradient } = geometryCard('chordal').tolerance;
  const own = referenceError.smallCurvature;
  close(t, [curved.loss], [flat.loss], allowed(Float64Array, value, own), 'loss');
  close(
    t,
    curved.gradEuclidean!.data,
    flat.gradEuclidean!.data,
    allowed(Float64Array, gradient, own),
    'gradient',
  );
});

test("tied: for small c, the gradient with respect to c includes the dependence of the points' radius on c", (t) => {
  const { euclidean } = batch(Float64Array, 12, 4, 1);
  for (const c of [1e-6, 1e-9, 1e-12]) {
    const reach = 0.8;
    // tanh(sqrt(c) R)/sqrt(c) = R - c R^3/3 + 2 c^2 R^5/15 - ...
    const radius = reach - (c * reach ** 3) / 3;
    const slope = -(reach ** 3) / 3 + (4 * c * reach ** 5) / 15;
    const hyperbolic = matrix(
      euclidean.data.map((v) => v * radius),
      12,
      4,
    );
    const shared = { euclidean, views: 3, c, geometry: 'hyperbolic' } as const;
    const untied = hybridContrastiveLoss.sync({ ...shared, hyperbolic });
    const byRadius = inner(untied.gradHyperbolic!.data, euclidean.data);
    const tied = hybridContrastiveLoss.sync({ ...shared, tied: true, clipR: reach });
    const want = untied.gradParams!.c + byRadius * slope;
    close(
      t,
      [tied.gradParams!.c],
      [want],
      geometryCard('hyperbolic').tolerance.parameters.float64,
      `c = ${c}`,
    );
  }
});

test('tied: equals the formula at every radius that clipping and projection permit, with and without guards', (t) => {
  const { euclidean } = batch(Float64Array, 12, 4, 1);
  for (const [c, clipR] of [
    [0.1, 2.3],
    [1, 0.4],
    [20, 2.3],
    [1, null],
  ] as const) {
    for (const compat of [undefined, 'hypmix'] as const) {
      const [[radius = 0] = []] = head([[1, 0, 0, 0]], { c, clip: clipR, hypmix: compat === 'hypmix' });
      const points = euclidean.data.map((v) => v * radius);
      const shared = { euclidean, views: 3, c, compat, grad: false };
      const tied = hybridContrastiveLoss.sync({ ...shared, tied: true, clipR });
      const untied = hybridContrastiveLoss.sync({ ...shared, hyperbolic: matrix(points, 12, 4) });
      close(
        t,
        [tied.loss],
        [untied.loss],
        geometryCard('hybrid').tolerance.value.float64,
        `c = ${c}, ${compat}`,
      );
    }
  }
});

test('labels: any order of rows gives the same loss, and gradients in that order', async (t) => {
  for (const type of types) {
    const { euclidean, hyperbolic } = batch(type, 24, 7, 0.1);
    const ordered = hybridContrastiveLoss.sync({ euclidean, hyperbolic, views: 4, c: 0.1 });
    // The i-th row of a class is its view i, so the order within each class is kept.
    const next = noise(3);
    const key = Array.from({ length: 24 }, next);
    const place = Array.from(key.keys()).sort((a, b) => (a % 4) - (b % 4) || key[a]! - key[b]!);
    const shuffled = (from: Matrix) => matrix(permute(from, place), 24, 7);
    const labels = place.map((row) => `class ${Math.floor(row / 4)}`);
    const got = await hybridContrastiveLoss({
      euclidean: shuffled(euclidean),
      hyperbolic: shuffled(hyperbolic),
      labels,
      c: 0.1,
    });
    const { value, gradient } = limitsIn(type, geometryCard('hybrid').tolerance);
    close(t, [got.loss], [ordered.loss], value, 'loss');
    const [e, h] = [ordered.gradEuclidean!, ordered.gradHyperbolic!];
    close(t, got.gradEuclidean!.data, permute(e, place), gradient, 'gradient in e');
    close(t, got.gradHyperbolic!.data, permute(h, place), gradient, 'gradient in h');
  }
});

function permute({ data, cols }: Matrix, place: readonly number[]): Reals {
  return data.map((_, at) => data[place[Math.floor(at / cols)]! * cols + (at % cols)]!);
}

test('labels: the error for unequal counts names the class', async (t) => {
  const { euclidean } = batch(Float32Array, 5, 3, 1);
  const options = { euclidean, tied: true, c: 1, labels: ['cat', 'dog', 'cat', 'dog', 'dog'] };
  const { code, message, name } = await failure(() => hybridContrastiveLoss(options));
  t.is(code, 'ERR_HOROBALL_LABELS');
  t.is(name, 'RangeError');
  t.regex(message, /got 3 for class dog and 2 for class cat/);
});

test('out: gradients are written to the given arrays', (t) => {
  const { euclidean, hyperbolic } = batch(Float64Array, 8, 3, 1);
  const gradEuclidean = new Float64Array(24);
  const result = hybridContrastiveLoss.sync({
    euclidean,
    hyperbolic,
    views: 2,
    c: 1,
    out: { gradEuclidean },
  });
  t.is(result.gradEuclidean!.data, gradEuclidean);
  t.true(gradEuclidean.some((v) => v !== 0));
});

test('NaN in a row makes the loss NaN and never crashes', (t) => {
  for (const type of types) {
    const { euclidean, hyperbolic } = batch(type, 40, 9, 1);
    euclidean.data[100] = Number.NaN;
    t.is(hybridContrastiveLoss.sync({ euclidean, hyperbolic, views: 2, c: 1 }).loss, Number.NaN);
    t.is(hybridContrastiveLoss.sync({ euclidean, tied: true, views: 2, c: 1 }).loss, Number.NaN);
  }
});

test('near-duplicates stay accurate in float32', (t) => {
  const { euclidean, hyperbolic } = batch(Float32Array, 60, 16, 0.1);
  for (let k = 0; k < 16; ++k) {
    euclidean.data[16 + k] = Math.fround(euclidean.data[k]! * (1 + 1e-6 * k));
    hyperbolic.data[16 + k] = Math.fround(hyperbolic.data[k]! * (1 + 1e-6 * k));
  }
  const shared = { views: 2, tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1 };
  const single = hybridContrastiveLoss.sync({ ...shared, euclidean, hyperbolic });
  const double = hybridContrastiveLoss.sync({
    ...shared,
    euclidean: wide(euclidean),
    hyperbolic: wide(hyperbolic),
  });
  const { value, gradient } = limitsIn(Float32Array, geometryCard('hybrid').tolerance);
  close(t, [single.loss], [double.loss], value, 'loss');
  close(t, single.gradHyperbolic!.data, double.gradHyperbolic!.data, gradient, 'gradient in h');
});
