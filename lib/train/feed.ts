import type { Pictures } from './source.ts';
import type { Batch } from './tensor.ts';

/** A batch that a step takes. */
export interface Fed extends Disposable {
  readonly pictures: Pictures;
  /** Already under way to the device, where it was asked for ahead. */
  readonly batch: Batch | null;
  /** Milliseconds for which the run waited for the pictures. */
  readonly waitMs: number;
}

/**
 * Hands out the batches of a run. On a GPU the next one can be sent while a step's kernels run: `ahead` is called when
 * they are queued and before the host waits for them.
 */
export class Feed implements AsyncDisposable {
  readonly #batches: AsyncIterator<Pictures>;
  readonly #check: (pictures: Pictures) => void;
  readonly #send: ((pictures: Pictures) => Batch) | null;
  #next: Fed | null | undefined;

  /** @param send - queues the way of a batch to the device; null: each step sends its own */
  constructor(
    batches: AsyncIterable<Pictures>,
    check: (pictures: Pictures) => void,
    send: ((pictures: Pictures) => Batch) | null,
  ) {
    this.#batches = batches[Symbol.asyncIterator]();
    this.#check = check;
    this.#send = send;
  }

  /** The next batch, whose owner the caller is; null behind the last. */
  async next(): Promise<Fed | null> {
    const fed = this.#next === undefined ? await this.#take(null) : this.#next;
    this.#next = undefined;
    return fed;
  }

  /** Takes the next batch and sends it, if that is wanted. */
  async ahead(): Promise<void> {
    if (this.#send !== null && this.#next === undefined) this.#next = await this.#take(this.#send);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#next?.[Symbol.dispose]();
    await this.#batches.return?.();
  }

  async #take(send: ((pictures: Pictures) => Batch) | null): Promise<Fed | null> {
    const asked = performance.now();
    const { value: pictures, done } = await this.#batches.next();
    const waitMs = performance.now() - asked;
    if (done) return null;
    this.#check(pictures);
    const batch = send?.(pictures) ?? null;
    return { pictures, batch, waitMs, [Symbol.dispose]: () => batch?.dispose() };
  }
}
