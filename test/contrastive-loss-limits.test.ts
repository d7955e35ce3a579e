// Edge cases of contrastiveLoss: small losses, unusual batches, invalid arguments; and comparisons with other
// implementations.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { parametersOf } from '../lib/batch-loss.ts';
import { contrastiveLosses, geometries } from '../lib/card-names.ts';
import { geometryCard } from '../lib/cards.ts';
import {
  type ContrastiveLossOptions,
  type ContrastiveLossResult,
  contrastiveLoss,
  hybridContrastiveLoss,
  type Matrix,
  matrix,
  normalize,
} from '../lib/index.ts';
import { batch, clusters, optionsOf, samplesOf } from './loss-batch.ts';
import { limitsIn } from './metric-cases.ts';
import { hybridLoss, pairLoss, table } from './oracle.ts';
import { close, failure, fixture, types } from './support.ts';
import { allowed, referenceError } from './tolerances.ts';

const numbers = { tauE: 0.6, tauH: 0.9, lambda: 1.3, c: 0.6, alpha: 2, beta: 7, base: 0.3, margin: 0.2 };

test('for two views, ntxent is half of the hybrid loss', (t) => {
  for (const type of types) {
    const { euclidean, hyperbolic } = batch(type, 200, 9, 0.5);
    const views = Array.from({ length: 200 }, (_, i) => i >> 1);
    const want = hybridContrastiveLoss.sync({ euclidean, hyperbolic, views: 2, c: 0.5 });
    const got = contrastiveLoss.sync({ euclidean, hyperbolic, labels: views, c: 0.5 });
    const limit = limitsIn(type, geometryCard('hybrid').tolerance);
    close(t, [2 * got.loss], [want.loss], limit.value, 'loss');
    const doubled = (given: ArrayLike<number>) => Array.from(given, (value) => 2 * value);
    close(t, doubled(got.gradEuclidean!.data), want.gradEuclidean.data, limit.gradient, 'euclidean');
    close(t, doubled(got.gradHyperbolic!.data), want.gradHyperbolic.data, limit.gradient, 'hyperbolic');
    close(
      t,
      doubled(Object.values(got.gradParams!)),
      Object.values(want.gradParams),
      limit.parameters,
      'parameters',
    );
  }
});

test('small losses are accurate', (t) => {
  const [classes, views, width] = [10, 2, 7];
  for (const type of types) {
    for (const geometry of geometries) {
      const { euclidean, hyperbolic } = clusters(type, classes, views, width, 0.6, geometry);
      const settings = { geometry, c: 0.6, lambda: 0.5, tauE: 0.03, tauH: 0.09 };
      const [e, h] = [table(euclidean.data, width), table(hyperbolic.data, hyperbolic.cols)];
      const want = hybridLoss(e, h, { ...settings, views }) / 2;
      const { separated } = geometryCard(geometry);
      t.true(want < 1e-8 && want > 0, `${geometry}: ${want}`);
      for (const loss of ['ntxent', 'supcon', 'supcon-in'] as const) {
        const options = { euclidean, hyperbolic, ...settings, loss, reduction: 'mean' } as const;
        const got = contrastiveLoss.sync({ ...options, labels: Array.from(e, (_, i) => i >> 1) });
        close(t, [got.loss], [want], allowed(type, separated.value), `${geometry} ${loss} ${type.name}`);
        const all = hybridContrastiveLoss.sync({ euclidean, hyperbolic, ...settings, views });
        const half = Array.from(all.gradHyperbolic!.data, (value) => value / 2);
        close(
          t,
          got.gradHyperbolic!.data,
          half,
          allowed(type, separated.gradient),
          `${geometry} ${loss}: gradient`,
        );
      }
    }
  }
});

interface PeerCase {
  loss: (typeof contrastiveLosses)[number];
  options: object;
  rows: number[][];
  labels: number[];
  value: number;
  gradient: number[];
  ref?: number[][];
  refLabels?: number[];
  refGradient?: number[];
}

test('agrees with pytorch-metric-learning in values and gradients', (t) => {
  const cases = JSON.parse(readFileSync(fixture('pair_losses.json'), 'utf8')) as PeerCase[];
  t.deepEqual([...new Set(cases.map(({ loss }) => loss))].sort(), [
    'dcl',
    'multi-similarity',
    'ntxent',
    'supcon',
  ]);
  for (const type of types) {
    const limit = allowed(type, referenceError.metricLearning);
    for (const one of cases) {
      const made = (given: number[][]): Matrix =>
        matrix(type.from(given.flat()), given.length, given[0]!.length);
      const ref = one.ref && { euclidean: made(one.ref), labels: one.refLabels! };
      const got: ContrastiveLossResult = contrastiveLoss.sync({
        ...{ euclidean: made(one.rows), normalize: true, labels: one.labels, geometry: 'euclidean' },
        ...{ loss: one.loss, ...one.options, ...(ref ? { ref } : {}) },
      });
      const what = `${one.loss} ${JSON.stringify(one.options)} ${one.rows.length} ${type.name}`;
      close(t, [got.loss], [one.value], limit, what);
      close(t, got.gradEuclidean!.data, one.gradient, limit, `${what}: gradient`);
      if (ref) close(t, got.gradRefEuclidean!.data, one.refGradient!, limit, `${what}: gradient in ref`);
    }
  }
});

interface ProxyCase extends PeerCase {
  peer: string;
  batch: string;
  proxies: number[][];
  proxyGradient: number[];
}

test('agrees with the published Proxy-Anchor, and with Proxy-Anchor and ProxyNCA of pytorch-metric-learning', (t) => {
  const cases = JSON.parse(readFileSync(fixture('proxy_losses.json'), 'utf8')) as ProxyCase[];
  const peers = new Set(cases.map(({ peer, loss }) => `${peer} ${loss}`));
  t.is(peers.size, 3);
  for (const type of types) {
    const limit = allowed(type, referenceError.metricLearning);
    const made = (given: number[][]): Matrix =>
      matrix(type.from(given.flat()), given.length, given[0]!.length);
    for (const one of cases) {
      const batch = { euclidean: made(one.rows), labels: one.labels };
      const proxies = { euclidean: made(one.proxies), labels: one.proxies.map((_, i) => i) };
      const isAnchor = one.loss === 'proxy-anchor';
      const [anchors, ref] = isAnchor ? [proxies, batch] : [batch, proxies];
      const got: ContrastiveLossResult = contrastiveLoss.sync({
        ...{ ...anchors, ref, normalize: true, geometry: 'euclidean', loss: one.loss, ...one.options },
      });
      const [own, other] = [got.gradEuclidean!.data, got.gradRefEuclidean!.data];
      const what = `${one.peer} ${one.loss} ${JSON.stringify(one.options)} ${one.batch} ${type.name}`;
      close(t, [got.loss], [one.value], limit, what);
      close(t, isAnchor ? other : own, one.gradient, limit, `${what}: gradient`);
      close(
        t,
        isAnchor ? own : other,
        one.proxyGradient,
        limit,
        `${what}: gradient with respect to the proxies`,
      );
    }
  }
});

test('proxies of classes without a sample have only a negative term', (t) => {
  const proxies = { euclidean: matrix([[1, 0], [0, 1], [-0.6, 0.8]]), labels: [0, 1, 2] }; // biome-ignore format: rows
  const ref = { euclidean: matrix([[0.6, 0.8], [0.8, 0.6]]), labels: [5, 5] }; // biome-ignore format: rows
  const shared = { geometry: 'euclidean', tauE: 1, loss: 'proxy-anchor' } as const;
  const alone = contrastiveLoss.sync({ ...shared, ...proxies, ref });
  const none = contrastiveLoss.sync({ ...shared, ...proxies, ref, alpha: 3 });
  t.is(alone.loss, none.loss, 'alpha scales the positive term');
  t.deepEqual(alone.gradEuclidean, none.gradEuclidean);
  t.true(alone.loss > 0);
  // Now one proxy has a positive, which adds its positive term.
  const one = contrastiveLoss.sync({ ...shared, ...proxies, ref: { ...ref, labels: [5, 1] }, margin: 1e6 });
  t.true(Number.isFinite(one.loss) && one.loss > alone.loss);
});

const few = normalize.sync(
  matrix([
    [1, 0],
    [0.9, 0.3],
    [0, 1],
    [-1, 0.2],
    [0.5, 0.5],
  ]),
);
const plain = { euclidean: few, geometry: 'euclidean' } as const;

test('batches without positives or negatives have the documented values', (t) => {
  const one = { ...plain, labels: [7, 7, 7, 7, 7] };
  t.is(contrastiveLoss.sync({ ...one, loss: 'ntxent' }).loss, 0, 'no negatives');
  t.is(contrastiveLoss.sync({ ...one, loss: 'dcl' }).loss, 0, 'no terms');
  t.true(contrastiveLoss.sync({ ...one, loss: 'supcon' }).loss >= Math.log(4));
  const single = { ...plain, labels: [0, 1, 2, 3, 4] };
  for (const loss of ['ntxent', 'supcon', 'supcon-in', 'dcl'] as const) {
    for (const given of [single, { ...plain, positives: { indptr: [0, 0, 0, 0, 0, 0], indices: [] } }]) {
      const got = contrastiveLoss.sync({ ...given, loss });
      t.is(got.loss, 0);
      t.deepEqual([...got.losses], [0, 0, 0, 0, 0]);
      t.true(
        [...got.gradEuclidean!.data].every((value) => value === 0),
        `${loss}: no gradient`,
      );
      t.deepEqual(Object.values(got.gradParams!).map(Math.abs), [0, 0, 0, 0]);
    }
  }
  t.true(contrastiveLoss.sync({ ...single, loss: 'multi-similarity', tauE: 1 }).loss > 0, 'negatives alone');
  const far = contrastiveLoss.sync({ ...plain, labels: [2 ** 31, 2 ** 31, -(2 ** 53), 2 ** 31 + 1, 0] });
  t.deepEqual(far, contrastiveLoss.sync({ ...plain, labels: ['a', 'a', 'b', 'c', 'd'] }));
  t.is(contrastiveLoss.sync({ ...plain, labels: [1, 1, 2, 2, 3], weights: [0, 0, 0, 0, 0] }).loss, 0);
  t.is(
    contrastiveLoss.sync({ euclidean: matrix([[1, 0]]), geometry: 'euclidean', labels: [1] }).loss,
    0,
    'one row',
  );
});

for (const geometry of geometries) {
  test(`${geometry}: accepts a batch of a single class, and one of single-row classes`, (t) => {
    for (const count of [2, 65, 200]) {
      const { euclidean, hyperbolic } = batch(Float64Array, count, 2, numbers.c, geometry);
      const x = samplesOf({ euclidean, hyperbolic });
      const rows = Array.from(x, (_, i) => i);
      for (const loss of contrastiveLosses) {
        const settings = { ...numbers, geometry, loss, reduction: 'mean' } as const;
        for (const labels of [rows.map(() => 2 ** 31), rows]) {
          const isPositive = (i: number, j: number): boolean => labels[i] === labels[j];
          const want = count > 65 ? null : pairLoss(x, null, { ...settings, isPositive });
          const got = contrastiveLoss.sync({
            ...optionsOf(loss, numbers),
            geometry,
            euclidean,
            hyperbolic,
            labels,
          });
          const what = `${loss}, ${count} rows, ${labels[1]! > count ? 'one class' : 'single rows'}`;
          if (want !== null) t.true(Math.abs(got.loss - want) <= referenceError.sums * Math.abs(want), what);
          t.true([got.loss, ...got.losses].every(Number.isFinite), what);
          for (const { data } of [got.gradEuclidean, got.gradHyperbolic].filter((each) => each !== undefined))
            t.true([...data].every(Number.isFinite), what);
        }
      }
    }
  });
}

test('an empty mask is equivalent to single-row classes, and NaN affects only losses that have a term without positives', (t) => {
  const empty = { indptr: [0, 0, 0, 0, 0, 0], indices: [] };
  const broken = matrix(few.data.slice(), few.rows, few.cols);
  broken.data[0] = Number.NaN;
  for (const loss of contrastiveLosses) {
    const of = (options: Pick<ContrastiveLossOptions, 'euclidean' | 'labels' | 'positives'>) =>
      contrastiveLoss.sync({ ...plain, loss, ...options });
    t.deepEqual(of({ positives: empty }), of({ labels: [0, 1, 2, 3, 4] }), loss);
    const got = of({ euclidean: broken, positives: empty }).loss;
    // Only losses with parameters have a term for rows without positives, so only these return NaN.
    t.is(got, Object.keys(parametersOf(loss)).length > 0 ? Number.NaN : 0, `${loss}: NaN only in a term`);
  }
});

test('handles a class of 1,000 rows among others', (t) => {
  const count = 1100;
  const { euclidean, hyperbolic } = batch(Float64Array, count, 2, numbers.c);
  const x = samplesOf({ euclidean, hyperbolic });
  const many = Array.from(x, (_, i) => (i % 11 === 0 ? i : -1));
  for (const loss of ['ntxent', 'supcon'] as const) {
    const settings = { ...numbers, geometry: 'hybrid', loss, reduction: 'mean' } as const;
    const want = pairLoss(x, null, { ...settings, isPositive: (i, j) => many[i] === many[j] });
    const got = contrastiveLoss.sync({ ...optionsOf(loss, numbers), euclidean, hyperbolic, labels: many });
    close(t, [got.loss], [want], referenceError.sums, loss);
    t.true([...got.gradHyperbolic!.data].every(Number.isFinite));
  }
});

test('NaN makes the loss NaN; points outside the ball are infinitely far', (t) => {
  const broken = matrix(few.data.slice(), few.rows, few.cols);
  broken.data[7] = Number.NaN;
  for (const loss of contrastiveLosses) {
    const got = contrastiveLoss.sync({ ...plain, euclidean: broken, loss, labels: [1, 1, 2, 2, 3] });
    t.is(got.loss, Number.NaN, loss);
  }
  const points = matrix([
    [0.1, 0],
    [0.2, 0.1],
    [1.5, 0],
    [-0.3, 0.1],
  ]);
  const outside = { hyperbolic: points, geometry: 'hyperbolic', c: 1 } as const;
  const negative = contrastiveLoss.sync({ ...outside, labels: [1, 1, 2, 3] });
  const inside = contrastiveLoss.sync({
    ...outside,
    hyperbolic: matrix([
      [0.1, 0],
      [0.2, 0.1],
      [-0.3, 0.1],
    ]),
    labels: [1, 1, 3],
  });
  close(t, [negative.loss], [inside.loss], referenceError.sums, 'a negative outside the ball');
  t.is(
    contrastiveLoss.sync({ ...outside, labels: [1, 2, 1, 3] }).loss,
    Infinity,
    'a positive outside the ball',
  );
});

const refused: readonly [string, Partial<ContrastiveLossOptions>, string, string][] = [
  ['no labels', {}, 'TYPE', 'labels'],
  [
    'labels and a mask',
    { labels: [1, 1, 2, 2, 3], positives: { indptr: [0], indices: [] } },
    'RANGE',
    'positives',
  ],
  ['too few labels', { labels: [1] }, 'SHAPE', 'labels'],
  ['too few in a column', { labels: [[1, 1, 2, 2, 3], [1]] }, 'SHAPE', 'labels[1]'],
  ['another loss', { labels: [1, 1, 2, 2, 3], loss: 'triplet' as 'dcl' }, 'TYPE', 'loss'],
  ['another reduction', { labels: [1, 1, 2, 2, 3], reduction: 'none' as 'sum' }, 'TYPE', 'reduction'],
  ['views', { labels: [1, 1, 2, 2, 3], views: 2 } as object, 'OPTION', 'options'],
  ['a negative weight', { labels: [1, 1, 2, 2, 3], weights: [1, 1, -1, 1, 1] }, 'RANGE', 'weights'],
  ['too few weights', { labels: [1, 1, 2, 2, 3], weights: [1] }, 'SHAPE', 'weights'],
  ['alpha = 0', { labels: [1, 1, 2, 2, 3], loss: 'multi-similarity', alpha: 0 }, 'RANGE', 'alpha'],
  ['a margin of NaN', { labels: [1, 1, 2, 2, 3], loss: 'proxy-anchor', margin: NaN }, 'RANGE', 'margin'],
  [
    'an infinite product',
    { labels: [1, 1, 2, 2, 3], loss: 'multi-similarity', beta: 1e308 },
    'RANGE',
    'beta',
  ],
  ['a short indptr', { positives: { indptr: [0, 0], indices: [] } }, 'SHAPE', 'positives.indptr'],
  [
    'a falling indptr',
    { positives: { indptr: [0, 1, 0, 1, 1, 1], indices: [1] } },
    'RANGE',
    'positives.indptr',
  ],
  [
    'an indptr that ends too early',
    { positives: { indptr: [0, 0, 0, 0, 0, 0], indices: [1] } },
    'RANGE',
    'positives.indptr',
  ],
  [
    'a row that does not exist',
    { positives: { indptr: [0, 1, 1, 1, 1, 1], indices: [5] } },
    'RANGE',
    'positives.indices',
  ],
  [
    'rows out of order',
    { positives: { indptr: [0, 2, 3, 4, 4, 4], indices: [2, 1, 0, 0] } },
    'RANGE',
    'positives.indices',
  ],
  ['a one-sided mask', { positives: { indptr: [0, 1, 1, 1, 1, 1], indices: [1] } }, 'RANGE', 'positives'],
  ['references without labels', { labels: [1, 1, 2, 2, 3], ref: { euclidean: few } }, 'TYPE', 'ref.labels'],
  ['references without rows', { labels: [1, 1, 2, 2, 3], ref: { labels: [1] } }, 'TYPE', 'ref.euclidean'],
  [
    'no references',
    { labels: [1, 1, 2, 2, 3], ref: { euclidean: matrix(new Float64Array(0), 0, 2), labels: [] } },
    'SHAPE',
    'ref',
  ],
  [
    'narrow references',
    { labels: [1, 1, 2, 2, 3], ref: { euclidean: matrix([[1]]), labels: [1] } },
    'SHAPE',
    'ref.euclidean',
  ],
];

for (const [title, options, code, argument] of refused) {
  test(`rejects ${title}`, async (t) => {
    const all = { ...plain, ...options };
    for (const call of [() => contrastiveLoss(all), () => contrastiveLoss.sync(all)]) {
      const error = await failure(call);
      t.is(error.code, `ERR_HOROBALL_${code}`);
      t.true(error.message.startsWith(`[contrastiveLoss] ${argument}: expected `), error.message);
    }
  });
}

test('the error for a parameter of another loss names the losses that have it', async (t) => {
  const counts = { alpha: 0, beta: 0, base: 0, margin: 0 };
  for (const loss of contrastiveLosses) {
    for (const name of ['alpha', 'beta', 'base', 'margin'] as const) {
      const options = { ...plain, labels: [1, 1, 2, 2, 3], loss: loss as 'proxy-anchor', [name]: 0.5 };
      if (parametersOf(loss)[name] !== undefined) {
        t.true(Number.isFinite(contrastiveLoss.sync(options).loss), `${loss} ${name}`);
        continue;
      }
      ++counts[name];
      for (const call of [() => contrastiveLoss(options), () => contrastiveLoss.sync(options)]) {
        const error = await failure(call);
        t.is(error.code, 'ERR_HOROBALL_OPTION', `${loss} ${name}`);
        t.regex(
          error.message,
          new RegExp(`^\\[contrastiveLoss\\] ${name}: expected loss .*proxy-anchor, got ${loss}\\.`),
        );
      }
    }
  }
  t.deepEqual(counts, { alpha: 4, beta: 4, base: 4, margin: 5 });
});
