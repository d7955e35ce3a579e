// node --expose-gc dist/test/soak/child.js PART COUNT: runs a tenth of COUNT rounds of a part to fill caches, then COUNT
// rounds, and prints as JSON the resources that the process holds before and after the latter.
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Gallery, matrix, type Reals, topK } from '../../lib/index.ts';
import type { LabeledBatch } from '../../lib/train/data/types.ts';
import { setThreads, train } from '../../lib/train/index.ts';
import { StudyFolder } from '../../lib/train/study/folder.ts';
import { sweep } from '../../lib/train/study/runner.ts';
import { cloud } from '../support.ts';
import { tinyConfig, tinySamples } from '../train/run/tiny-learner.ts';
import { plan } from '../train/study/synthetic-study.ts';
import { temporary } from '../train/tiny-data.ts';

/** The resources of a process. */
export interface Held {
  /** Resident memory, memory outside of V8's heap, and heap, in bytes. */
  rss: number;
  external: number;
  heap: number;
  descriptors: number;
  threads: number;
  /** Timers, sockets, files and other resources of the event loop. */
  resources: number;
}

async function held(): Promise<Held> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc!();
    await new Promise((resolve) => setTimeout(resolve, 20)); // time for finalizers and for threads to end
  }
  const { rss, external, heapUsed } = process.memoryUsage();
  const status = readFileSync('/proc/self/status', 'utf8');
  return {
    ...{ rss, external, heap: heapUsed, descriptors: readdirSync('/proc/self/fd').length },
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)![1]),
    resources: process.getActiveResourcesInfo().length,
  };
}

const library = new URL('../../lib/index.js', import.meta.url).href;
const worker = `
  const { parentPort } = require('node:worker_threads');
  import('${library}').then(async ({ matrix, pairwiseDistance }) => {
    const x = matrix(new Float32Array(40000).fill(0.01), 1000, 40);
    parentPort.postMessage('begun');
    await pairwiseDistance(x, undefined, { c: 1 });
    parentPort.postMessage('done');
  });`;

/** Terminates a worker, during its call in every other round, otherwise after it. */
async function endWorker(round: number): Promise<void> {
  const made = new Worker(worker, { eval: true });
  const wanted = round % 2 === 0 ? 'begun' : 'done';
  await new Promise<void>((resolve, reject) => {
    made.on('message', (message) => message === wanted && resolve());
    made.once('error', reject);
  });
  await made.terminate();
}

async function useGallery(round: number): Promise<void> {
  using gallery = new Gallery<Reals>({ c: 1 });
  const x = cloud(Float32Array, 200, 8, 0.9, 1 + (round % 100));
  await gallery.add(x, new Int32Array(200));
  await gallery.remove([0, 5, 7]);
  await gallery.topK(matrix(x.data.subarray(0, 16), 2, 8), { k: 3 });
}

async function* endless(): AsyncGenerator<LabeledBatch> {
  for (let i = 0; ; i++) yield tinySamples(1 + (i % 100));
}

/** Trains for `count` steps on generated batches, without a folder. */
async function trainSteps(count: number): Promise<void> {
  const controller = new AbortController();
  let steps = 0;
  const onStep = (): void => {
    if (++steps === count) controller.abort();
  };
  const { runs: _, ...options } = tinyConfig({ threads: 1 });
  await train({ ...options, runs: null }, { data: endless(), signal: controller.signal, onStep });
}

/** Runs a study with `count` seeds and one run per seed, in a new folder. */
async function study(count: number): Promise<void> {
  const { path, remove } = await temporary();
  const made = plan();
  const cells = made.cells.slice(0, 1);
  const folder = await StudyFolder.open(path, { ...made, cells, seeds: [...Array(count).keys()] });
  await sweep(folder, {
    run: async ({ seed }) => {
      await trainSteps(3);
      return { evaluations: [], steps: 3, interrupted: false, seed } as never;
    },
  });
  await remove();
}

const eachOf =
  (work: (round: number) => Promise<unknown>) =>
  async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await work(i);
  };

export const parts: Readonly<Record<string, (count: number) => Promise<void>>> = {
  workers: eachOf(endWorker),
  galleries: eachOf(useGallery),
  searches: eachOf((round) =>
    topK(cloud(Float32Array, 64, 8, 0.9, 1 + (round % 100)), cloud(Float32Array, 64, 8, 0.9), { k: 3, c: 1 }),
  ),
  steps: trainSteps,
  sweeps: study,
};

const [part = '', count = '0'] = process.argv.slice(2);
if (parts[part] !== undefined) {
  if (part === 'steps' || part === 'sweeps') setThreads(1);
  await parts[part](Math.ceil(Number(count) / 10)); // fills pools and caches
  const before = await held();
  await parts[part](Number(count));
  const after = await held();
  process.stdout.write(JSON.stringify({ before, after }));
}
