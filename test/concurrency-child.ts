// The child process of test/concurrency.test.ts: makes 64 calls of the core at the same time, here and then in each of 8
// workers, aborts every other one, and prints how many results differ from those of sequential calls.
import { Worker } from 'node:worker_threads';
import { gromovDelta, hybridContrastiveLoss, normalize, pairwiseDistance, topK } from '../lib/index.ts';
import { cloud } from './support.ts';

export interface Concurrent {
  calls: number;
  aborted: number;
  different: number;
}

type Options = { c: number; signal?: AbortSignal };

const kinds: ((seed: number, options: Options) => Promise<unknown>)[] = [
  (seed, options) => pairwiseDistance(cloud(Float32Array, 150, 37, 0.9, seed), undefined, options),
  (seed, options) =>
    topK(cloud(Float64Array, 120, 20, 0.9, seed), cloud(Float64Array, 300, 20, 0.9), { k: 5, ...options }),
  (seed, { signal }) =>
    gromovDelta(cloud(Float32Array, 200, 16, 0.9, seed), { size: 90, samples: 2, ...(signal && { signal }) }),
  (seed, options) =>
    hybridContrastiveLoss({
      euclidean: normalize.sync(cloud(Float32Array, 64, 32, 1, seed)),
      tied: true,
      views: 2,
      ...options,
    }),
];
const count = 64;
const call = (i: number, signal?: AbortSignal): Promise<unknown> =>
  kinds[i % kinds.length]!(1 + i, { c: 0.5, ...(signal && { signal }) });

/** Runs the calls concurrently. Half of them are aborted after different delays: before, during or after their job. */
async function concurrently(): Promise<Concurrent> {
  const expected: string[] = [];
  for (let i = 0; i < count; i++) expected.push(JSON.stringify(await call(i), spread));
  const outcome: Concurrent = { calls: count, aborted: 0, different: 0 };
  await Promise.all(
    expected.map(async (text, i) => {
      const controller = new AbortController();
      const promise = call(i, i % 2 === 0 ? undefined : controller.signal);
      if (i % 2 === 1) setTimeout(() => controller.abort(), i / 4);
      try {
        if (JSON.stringify(await promise, spread) !== text) outcome.different++;
      } catch (error) {
        if ((error as Error).name !== 'AbortError') throw error;
        outcome.aborted++;
      }
    }),
  );
  return outcome;
}

/** Replacer for `JSON.stringify`: converts typed arrays to plain arrays. */
function spread(_: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? [...(value as Float64Array)] : value;
}

const outcomes: Concurrent[] = [await concurrently()];
if (process.argv[2] !== 'one') {
  const code = `import('${import.meta.url}?worker').then(({ run }) => run()).then(
    (outcome) => require('node:worker_threads').parentPort.postMessage(outcome));`;
  const workers = Array.from(
    { length: 8 },
    () =>
      new Promise<Concurrent>((resolve, reject) => {
        const worker = new Worker(code, { eval: true, argv: ['one'] });
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
  outcomes.push(...(await Promise.all(workers)));
  process.stdout.write(JSON.stringify(outcomes));
}

/** Returns, in a worker, the outcome of the calls that were made when the worker imported this module. */
export const run = (): Promise<Concurrent> => Promise.resolve(outcomes[0]!);
