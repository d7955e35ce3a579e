// Runs embedTree in Node's worker threads, so that the calling thread only waits.
import { Locator } from '../locate.ts';
import type { OnEpoch, TreeJob } from './epochs.ts';

/**
 * Runs all epochs in worker threads.
 * @param threads - 0 means all CPUs
 */
export async function runTree(
  work: Omit<TreeJob, 'part' | 'parts'>,
  threads: number,
  onEpoch: OnEpoch,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { Worker } = process.getBuiltinModule('node:worker_threads');
  const { availableParallelism } = process.getBuiltinModule('node:os');
  const parts = Math.min(threads || availableParallelism(), work.state.batch);
  const file = new Locator().files().tree;
  const workers = Array.from({ length: parts }, (_, part) => {
    const workerData = { ...work, part, parts } satisfies TreeJob;
    return new Worker(file, { workerData, execArgv: [] });
  });
  const stop = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { signal: stop.signal });
      let left = parts;
      for (const worker of workers) {
        worker.on('message', ([done, loss]: [number, number]) => {
          if (stop.signal.aborted) return;
          try {
            onEpoch(done, loss);
          } catch (error) {
            reject(error);
          }
        });
        worker.on('error', reject);
        worker.on('exit', () => {
          left -= 1;
          if (left === 0) resolve();
        });
      }
    });
  } finally {
    stop.abort();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
