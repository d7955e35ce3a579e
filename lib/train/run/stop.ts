import type { RankGroup } from '../lane/group.ts';
import { laneIdle } from '../lane/native.ts';

/** Points at which work in progress may end, by rejecting, because the run stops. */
export interface StopPoints {
  /** Between two parts of the work of this rank. */
  between(): Promise<void>;
  /** After the last of them: every rank calls it once, unless `between` rejected. */
  after(): Promise<void>;
}

/** For work that is never stopped. */
export const neverStops: StopPoints = { between: async () => {}, after: async () => {} };

/**
 * Stops a run. A single process cancels its work as soon as it is asked to. The ranks of a group need each other's results,
 * so they stop at the same point: after a step, or in a step or an evaluation before they exchange results.
 */
export class Stop implements StopPoints {
  /** Aborted when the run stops. */
  readonly signal: AbortSignal;
  readonly #group: RankGroup;
  readonly #request: AbortSignal;
  readonly #agreed = new AbortController();

  /** @param request - the caller's signal */
  constructor(group: RankGroup, request: AbortSignal = new AbortController().signal) {
    this.#group = group;
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

  /** Waits for the queued work, then rejects if this rank was asked to stop; in a group, once all ranks know. */
  async between(): Promise<void> {
    await laneIdle();
    if (this.isRequested) await this.after();
  }

  /** Rejects if any rank was asked to stop. */
  async after(): Promise<void> {
    const requests = Float64Array.of(Number(this.isRequested));
    await this.#group.sum(requests);
    if (requests[0]! > 0) this.agree();
    this.signal.throwIfAborted();
  }

  /** Waits for work of one rank that this rank's request may end early; call `after` next. */
  async untilRequested(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    try {
      await work(this.#request);
    } catch (error) {
      if (!isAbort(error, this.#request)) throw error;
    }
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
  return signal.aborted && (error === signal.reason || (error as Error | undefined)?.name === 'AbortError');
}
