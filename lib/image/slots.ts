/** A call that waits for a slot. */
interface Waiting {
  readonly signal: AbortSignal;
  start(): void;
  reject(reason: unknown): void;
}

/** A semaphore: limits the number of concurrent calls; waiting calls run in order. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<Waiting>();
  /** The number of waiting calls of each signal, which has one listener for all of them. */
  readonly #counts = new Map<AbortSignal, number>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` once a slot is free; rejects with the signal's reason if the signal is aborted before that. */
  async use<R>(signal: AbortSignal, work: () => Promise<R>): Promise<R> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const { value: next } = this.#waiting.values().next();
      if (next === undefined) this.#free++;
      else this.#leave(next).start();
    }
  }

  /** Waits for the slot of a call that ends. */
  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ signal, start: resolve, reject });
      const count = this.#counts.get(signal) ?? 0;
      if (count === 0) signal.addEventListener('abort', this.#abort);
      this.#counts.set(signal, count + 1);
    });
  }

  #leave(call: Waiting): Waiting {
    const { signal } = call;
    this.#waiting.delete(call);
    const count = this.#counts.get(signal)! - 1;
    if (count > 0) this.#counts.set(signal, count);
    else {
      this.#counts.delete(signal);
      signal.removeEventListener('abort', this.#abort);
    }
    return call;
  }

  readonly #abort = ({ target }: Event): void => {
    for (const call of [...this.#waiting])
      if (call.signal === target) this.#leave(call).reject(call.signal.reason);
  };
}
