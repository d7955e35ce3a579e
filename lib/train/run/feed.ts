import type { Batch } from '../lane/tensor.ts';
import type { RunConfig } from '../options/options.ts';
import type { Learner } from './learner.ts';
import { checkBatch, type Source, type StepBatch } from './source.ts';

/** A batch for one step. */
export interface FeedBatch extends Disposable {
  readonly samples: StepBatch;
  /** The samples on the device, if they were prefetched. */
  readonly prefetched: Batch | null;
  /** Number of images in the batch, over all ranks. */
  readonly count: number;
  /** Data-loading wait in milliseconds. */
  readonly waitMs: number;
}

/**
 * Supplies the batches of a run. On a GPU, the next batch is transferred while the kernels of a step run: call `prefetch`
 * after queueing them and before waiting for them.
 */
export class Feed implements AsyncDisposable {
  readonly #batches: AsyncIterator<StepBatch>;
  readonly #check: (samples: StepBatch) => void;
  readonly #send: ((samples: StepBatch) => Batch) | null;
  #next: FeedBatch | null | undefined;

  /** @param send - queues the transfer of a batch to the device; null: each step transfers its own batch */
  constructor(
    batches: AsyncIterable<StepBatch>,
    check: (samples: StepBatch) => void,
    send: ((samples: StepBatch) => Batch) | null,
  ) {
    this.#batches = batches[Symbol.asyncIterator]();
    this.#check = check;
    this.#send = send;
  }

  /** Returns the next batch, which the caller must dispose of; null after the last. */
  async next(): Promise<FeedBatch | null> {
    const item = this.#next === undefined ? await this.#take(null) : this.#next;
    this.#next = undefined;
    return item;
  }

  /** Prefetches and transfers the next batch, if enabled. */
  async prefetch(): Promise<void> {
    if (this.#send !== null && this.#next === undefined) this.#next = await this.#take(this.#send);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#next?.[Symbol.dispose]();
    await this.#batches.return?.();
  }

  async #take(send: ((samples: StepBatch) => Batch) | null): Promise<FeedBatch | null> {
    const start = performance.now();
    const { value: samples, done } = await this.#batches.next();
    const waitMs = performance.now() - start;
    if (done) return null;
    this.#check(samples);
    const prefetched = send?.(samples) ?? null;
    const count = samples.whole?.labels.length ?? samples.count;
    return { samples, prefetched, count, waitMs, [Symbol.dispose]: () => prefetched?.dispose() };
  }
}

/**
 * Returns the batches of a run after its first `done` steps. They are prefetched on a GPU, unless a step transfers chunks
 * or the source does not support prefetching.
 */
export function feedOf(
  config: RunConfig,
  source: Source,
  learner: Learner,
  { done, signal }: { done: number; signal: AbortSignal },
): Feed {
  const prefetches = source.prefetch && config.device !== 'cpu' && config.chunk === null;
  const send = prefetches ? (samples: StepBatch) => learner.batch(samples) : null;
  return new Feed(source.batches(done, signal), (samples) => checkBatch(samples, config), send);
}
