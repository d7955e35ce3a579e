import { getEventListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import { contrast, delta, pairLoss, pairwise, pairwiseVjp, select } from '../../lib/call/binding-calls.ts';
import {
  contrastiveLoss,
  Gallery,
  gromovDelta,
  hybridContrastiveLoss,
  matrix,
  normalize,
  pairwiseDistance,
  retrievalMetrics,
  topK,
} from '../../lib/index.ts';
import { core, type Outcome } from '../../lib/native.ts';
import { rowCards } from '../../lib/row/card.ts';
import { coreCalls } from '../core-calls.ts';
import { cloud, failure } from '../support.ts';

const x = cloud(Float32Array, 12_000, 128, 0.95);
const unit = normalize.sync(x);
const labels = new Int32Array(x.rows).map((_, i) => i >> 2);

const calls = {
  pairwiseDistance: (signal: AbortSignal) => pairwiseDistance(x, undefined, { c: 1, signal }),
  'pairwiseDistance.vjp': (signal: AbortSignal) =>
    pairwiseDistance.vjp(x, cloud(Float32Array, 3000, 128, 0.9), cloud(Float32Array, 12_000, 3000, 1), {
      c: 1,
      signal,
    }),
  hybridContrastiveLoss: (signal: AbortSignal) =>
    hybridContrastiveLoss({ euclidean: unit, hyperbolic: x, views: 2, c: 1, signal }),
  contrastiveLoss: (signal: AbortSignal) =>
    contrastiveLoss({ euclidean: unit, hyperbolic: x, labels, c: 1, signal }),
  topK: (signal: AbortSignal) => topK(x, x, { k: 10, c: 1, signal }),
  retrievalMetrics: (signal: AbortSignal) => retrievalMetrics(x, labels, { c: 1, signal }),
  gromovDelta: (signal: AbortSignal) => gromovDelta(x, { size: 2000, samples: 50, signal }),
};

/** A sanitizer slows the kernels by a factor of ten or more. */
const mostMs = process.env['HOROBALL_SANITIZER'] === undefined ? 1000 : 20_000;

for (const [name, call] of Object.entries(calls)) {
  test.serial(`${name}: aborting stops the work and rejects with the signal's reason`, async (t) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const promise = failure(() => call(controller.signal));
    await wait(5);
    const before = performance.now();
    controller.abort(reason);
    t.is((await promise).message, 'enough');
    t.true(performance.now() - before < mostMs);
  });
}

test('aborting closes an iterator of the caller', async (t) => {
  let isClosed = false;
  function* labels(): Generator<number> {
    try {
      for (let i = 0; i < 1e9; ++i) yield 1;
    } finally {
      isClosed = true;
    }
  }
  using gallery = new Gallery({ c: 1 });
  await gallery.add(new Float32Array(2));
  const controller = new AbortController();
  const { signal } = controller;
  const promise = failure(() => gallery.topK(new Float32Array(2), { k: 1, labels: labels(), signal }));
  await wait(5);
  controller.abort(new Error('enough'));
  t.is((await promise).message, 'enough');
  t.true(isClosed);
});

/** Options that run a job on the CPU (device -1), on one thread. */
const how = { device: -1, threads: 1 };

/** A job of each family that runs long enough to be canceled before it ends. */
const jobs: Readonly<Record<string, (job: number) => Outcome>> = {
  pairwise: (job) => {
    const n = 3000;
    const x = cloud(Float32Array, n, 512, 0.9);
    const out = matrix(new Float32Array(n * n), n, n);
    return pairwise(core(), { metric: 0, guards: 0, c: 1, x, y: x, out, ...how, job });
  },
  pairwiseVjp: (job) => {
    const [n, d] = [3000, 256];
    const x = cloud(Float32Array, n, d, 0.9);
    const cotangent = matrix(new Float32Array(n * n), n, n);
    const gradient = () => matrix(new Float32Array(n * d), n, d);
    const matrices = { x, y: x, cotangent, gradX: gradient(), gradY: gradient() };
    return pairwiseVjp(core(), { metric: 0, guards: 0, c: 1, ...matrices, gradC: null, ...how, job });
  },
  contrast: (job) => {
    const none = { data: null, rows: x.rows, cols: x.cols };
    return contrast(core(), {
      ...{ geometry: 0, guards: 0, tied: true, mean: false, views: 2 },
      ...{ tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 1, clip: 2.3 },
      ...{ euclidean: x, hyperbolic: none, order: null, loss: new Float64Array(1) },
      ...{ gradEuclidean: none, gradHyperbolic: none, gradParams: null, stats: null, ...how, job },
    });
  },
  pairLoss: (job) => {
    const none = { data: null, rows: x.rows, cols: x.cols };
    const absent = { data: null, rows: 0, cols: 0 };
    return pairLoss(core(), {
      ...{ variant: 0, geometry: 0, guards: 0, tied: true, reduction: 0 },
      ...{ tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 1, clip: 2.3, alpha: 2, beta: 50, base: 0.5, margin: 0.1 },
      ...{ euclidean: x, hyperbolic: none, refEuclidean: absent, refHyperbolic: absent },
      ...{ columns: 1, labels, refLabels: null, positiveCount: 0, starts: null, positives: null },
      ...{
        weights: null,
        loss: new Float64Array(1),
        losses: null,
        gradEuclidean: none,
        gradHyperbolic: none,
      },
      ...{ gradRefEuclidean: absent, gradRefHyperbolic: absent, gradParams: null, ...how, job },
    });
  },
  select: (job) => {
    const found = { indices: new Int32Array(x.rows), distances: matrix(new Float32Array(x.rows), x.rows, 1) };
    const among = { queries: x, gallery: x, exclude: null, allowed: null };
    return select(core(), { metric: 0, guards: 0, c: 1, k: 1, ...among, ...found, ...how, job });
  },
  delta: (job) => {
    const n = 2000;
    const distances = matrix(new Float32Array(n * n), n, n);
    const results = { delta: new Float64Array(1), diameter: new Float64Array(1) };
    return delta(core(), { distances, base: 0, ...results, ...how, job });
  },
  row: (job) => {
    const [n, classes, d] = [4000, 1000, 128];
    const [points, planes] = [cloud(Float32Array, n, d, 0.9), cloud(Float32Array, classes, d, 0.9)];
    const op = rowCards().findIndex(({ family }) => family === 'planes');
    const numbers = Float64Array.of(op, 0, 1, 0, n, n, d, classes, d, classes, d, n, classes, -1, 1, job);
    return core().row(numbers, points.data, planes.data, planes.data, new Float32Array(n * classes));
  },
};

for (const [name, start] of Object.entries(jobs)) {
  test.serial(
    `${name}: a canceled job reports that it was canceled, so partial results are never taken for complete ones`,
    async (t) => {
      const job = 0xfffffff0;
      const outcome = start(job);
      core().cancel(job);
      await t.throwsAsync(async () => outcome, { code: 'ERR_HOROBALL_CANCELLED' });
    },
  );
}

test.serial(
  'a signal that is already aborted rejects every call and throws from every variant',
  async (t) => {
    const { calls, close } = await coreCalls({ rows: 64, side: 16 });
    const without = new Set(['Gallery.add', 'Gallery.remove', 'Gallery.save', 'Gallery.load']);
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    let variants = 0;
    for (const { name, run, sync } of calls) {
      if (without.has(name)) continue;
      await t.throwsAsync(run({ signal }), { is: reason }, name);
      if (sync === undefined) continue;
      t.throws(() => sync({ signal }), { is: reason }, `${name}.sync`);
      sync({ signal: new AbortController().signal });
      t.throws(() => sync({ signal: 3 as never }), {
        code: 'ERR_HOROBALL_TYPE',
        message: /signal: expected/,
      });
      ++variants;
    }
    await close();
    t.true(variants > 70, `${variants} variants`);
  },
);

test('without a reason of its own, the error of an aborted signal is an AbortError', async (t) => {
  const options = { c: 1, signal: AbortSignal.abort() };
  const point = x.data.subarray(0, 128);
  t.is((await failure(() => pairwiseDistance(point, options))).name, 'AbortError');
  t.is((await failure(() => pairwiseDistance.sync(point, options))).name, 'AbortError');
});

test.serial('rejects with TimeoutError when a timeout signal fires', async (t) => {
  const signal = AbortSignal.timeout(10);
  t.is(
    (await failure(() => hybridContrastiveLoss({ euclidean: unit, hyperbolic: x, views: 2, c: 1, signal })))
      .name,
    'TimeoutError',
  );
});

test.serial('the event loop is not blocked while a job runs', async (t) => {
  let turns = 0;
  const timer = setInterval(() => ++turns, 2);
  const before = performance.now();
  await hybridContrastiveLoss({ euclidean: unit, hyperbolic: x, views: 2, c: 1, threads: 1 });
  const elapsed = performance.now() - before;
  clearInterval(timer);
  t.true(turns > elapsed / 40, `${turns} turns in ${elapsed} ms`);
});

test.serial('a completed job leaves no listener on its signal', async (t) => {
  const controller = new AbortController();
  await pairwiseDistance(x.data.subarray(0, 128), undefined, { c: 1, signal: controller.signal });
  t.is(getEventListeners(controller.signal, 'abort').length, 0);
});
