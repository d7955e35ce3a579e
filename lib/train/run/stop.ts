import type { RankGroup } from '../lane/group.ts';
import { laneIdle } from '../lane/native.ts';

/** Points at which work in progress ends early if the run stops: the promises then reject. */
export interface StopPoints {
  /** Call between two parts of the work of this rank. */
  between(): Promise<void>;
  /** Call once on every rank after the last part, unless `between` rejected. */
  after(): Promise<void>;
}

/** Stop points of work that is never stopped. */
export const neverStops: StopPoints = { between: async () => {}, after: async () => {} };

/**
 * Stops a run. A single process cancels its work as soon as a stop is requested. The ranks of a group need each other's
 * results, so they all stop at the same point: after a step, or before the same exchange of results within a step or an
 * evaluation.
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

  /** Whether a stop was requested on this rank. */
  get isRequested(): boolean {
    return this.#request.aborted;
  }

  /** Whether the run is stopping; in a group, the same on every rank. */
  get isStopped(): boolean {
    return this.signal.aborted;
  }

  /** Waits for queued work, then rejects if a stop was requested on this rank; in a group, notifies the others first. */
  async between(): Promise<void> {
    await laneIdle();
    if (this.isRequested) await this.after();
  }

  /** Rejects if a stop was requested on any rank. */
  async after(): Promise<void> {
    const requests = Float64Array.of(Number(this.isRequested));
    await this.#group.sum(requests);
    if (requests[0]! > 0) this.agree();
    this.signal.throwIfAborted();
  }

  /** Waits for work that only this rank does; a stop request on this rank ends it early. Call `after` next. */
  async untilRequested(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    try {
      await work(this.#request);
    } catch (error) {
      if (!isAbort(error, this.#request)) throw error;
    }
  }

  /** Stops the run because a stop was requested on some rank. Every rank calls this at the same point. */
  agree(): void {
    this.#agreed.abort(this.#request.reason);
  }

  /** Waits for work, which ends early if the run stops. */
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
