import { getEventListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import {
  gromovDelta,
  hybridContrastiveLoss,
  pairwiseDistance,
  retrievalMetrics,
  topK,
} from '../lib/index.ts';
import { cloud, failure } from './support.ts';

const x = cloud(Float32Array, 12_000, 128, 0.95);
const labels = new Int32Array(x.rows).map((_, i) => i >> 2);

const calls = {
  pairwiseDistance: (signal: AbortSignal) => pairwiseDistance(x, undefined, { c: 1, signal }),
  'pairwiseDistance.vjp': (signal: AbortSignal) =>
    pairwiseDistance.vjp(x, cloud(Float32Array, 3000, 128, 0.9), cloud(Float32Array, 12_000, 3000, 1), {
      c: 1,
      signal,
    }),
  hybridContrastiveLoss: (signal: AbortSignal) =>
    hybridContrastiveLoss({ euclidean: x, hyperbolic: x, views: 2, c: 1, signal }),
  topK: (signal: AbortSignal) => topK(x, x, { k: 10, c: 1, signal }),
  retrievalMetrics: (signal: AbortSignal) => retrievalMetrics(x, labels, { c: 1, signal }),
  gromovDelta: (signal: AbortSignal) => gromovDelta(x, { size: 2000, samples: 50, signal }),
};

for (const [name, call] of Object.entries(calls)) {
  test.serial(`${name}: aborting stops the work, with the signal's reason`, async (t) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const promise = failure(() => call(controller.signal));
    await wait(5);
    const before = performance.now();
    controller.abort(reason);
    t.is((await promise).message, 'enough');
    t.true(performance.now() - before < 1000);
  });
}

test.serial('a signal that has been aborted rejects before any work', async (t) => {
  const { name } = await failure(() => pairwiseDistance(x, undefined, { c: 1, signal: AbortSignal.abort() }));
  t.is(name, 'AbortError');
});

test.serial('a time-out is one too', async (t) => {
  const signal = AbortSignal.timeout(10);
  t.is(
    (await failure(() => hybridContrastiveLoss({ euclidean: x, hyperbolic: x, views: 2, c: 1, signal })))
      .name,
    'TimeoutError',
  );
});

test.serial('the event loop turns while a job runs', async (t) => {
  let turns = 0;
  const timer = setInterval(() => ++turns, 2);
  const before = performance.now();
  await hybridContrastiveLoss({ euclidean: x, hyperbolic: x, views: 2, c: 1, threads: 1 });
  const elapsed = performance.now() - before;
  clearInterval(timer);
  t.true(turns > elapsed / 40, `${turns} turns in ${elapsed} ms`);
});

test.serial('a job that ends normally leaves no listener on its signal', async (t) => {
  const controller = new AbortController();
  await pairwiseDistance(x.data.subarray(0, 128), undefined, { c: 1, signal: controller.signal });
  t.is(getEventListeners(controller.signal, 'abort').length, 0);
});
