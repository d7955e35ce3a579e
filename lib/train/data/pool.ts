/** A few things that many callers share: each has one to itself while it works, in the order of asking. */
export class Pool<T> {
  readonly #idle: T[];
  readonly #waiting: ((item: T) => void)[] = [];

  constructor(items: readonly T[]) {
    this.#idle = [...items];
  }

  /** Runs `work` with an item once one is free; rejects with the signal's reason when it is aborted before that. */
  async use<R>(signal: AbortSignal, work: (item: T) => Promise<R>): Promise<R> {
    const item = this.#idle.pop() ?? (await new Promise<T>((resolve) => this.#waiting.push(resolve)));
    try {
      signal.throwIfAborted();
      return await work(item);
    } finally {
      this.#release(item);
    }
  }

  #release(item: T): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(item);
    else next(item);
  }
}
