import type { RankGroup } from '../lane/group.ts';

/**
 * Stops a run. A single process cancels its work as soon as it is asked to; the ranks of a group finish the current step and
 * stop after the same one, because each needs the results of the others.
 */
export class Stop {
  /** Aborted when the run stops. */
  readonly signal: AbortSignal;
  readonly #request: AbortSignal;
  readonly #agreed = new AbortController();

  /** @param request - the caller's signal */
  constructor(group: RankGroup, request: AbortSignal = new AbortController().signal) {
    this.#request = request;
    this.signal = group.size === 1 ? request : this.#agreed.signal;
  }

  /** Whether this rank was asked to stop. */
  get isRequested(): boolean {
    return this.#request.aborted;
  }

  /** Whether the run stops. */
  get isStopped(): boolean {
    return this.signal.aborted;
  }

  /** Stops the run because some rank was asked to. Every rank calls this after the same step. */
  agree(): void {
    this.#agreed.abort(this.#request.reason);
  }

  /** Waits for work, which may end early because the run stops. */
  async untilStopped(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!isAbort(error, this.signal)) throw error;
    }
  }
}

/** Whether an error only reports that the signal was aborted. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (error === signal.reason || (error as Error).name === 'AbortError');
}
