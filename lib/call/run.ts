import type { Device } from '../check.ts';
import { coded, type ErrorCode, typeError } from '../errors.ts';
import { core, type Outcome } from '../native.ts';
import { nextTurn } from './next-turn.ts';

/** Options for the execution of a call. */
export interface CallOptions extends AsyncOptions {
  /** Number of threads, from 1 to 1024; default all CPUs. The core uses at most 256. Results do not depend on it. */
  threads?: number | undefined;
  /** Default `'cpu'`. */
  device?: Device | undefined;
}

/** The option that cancels a call. */
export interface AsyncOptions {
  /**
   * Cancels the call: the promise rejects with the signal's reason, and the thread that computes the call stops after
   * its current block of rows. If the signal is already aborted, the call does no work; a synchronous call throws the
   * reason. A running synchronous call cannot be canceled.
   */
  signal?: AbortSignal | undefined;
}

/** A validated call with its memory allocated, shared by the asynchronous and the synchronous variant. */
export interface Prepared<R> {
  /** Calls the core: synchronously if `job` is 0, otherwise on another thread, with this number for `cancel`. */
  readonly start: (job: number) => Outcome;
  /** Returns the result once the work is done. */
  readonly finish: () => R;
}

/** Runs a prepared call synchronously. */
export function runSync<R>(operation: string, prepared: Prepared<R>): R {
  try {
    prepared.start(0);
  } catch (error) {
    throw named(operation, error);
  }
  return prepared.finish();
}

/** Returns the next job number. Skips 0, which marks a synchronous call; numbers repeat after four billion jobs. */
function nextJob(): number {
  const binary = core();
  const last = binary.lastJob ?? 0;
  binary.lastJob = last === 0xffffffff ? 1 : last + 1;
  return binary.lastJob;
}

/** Runs a prepared call on another thread. Errors from `prepare` reject the promise. */
export async function runAsync<R>(
  operation: string,
  signal: AbortSignal | undefined,
  prepare: () => Prepared<R>,
): Promise<R> {
  throwIfAborted(operation, signal);
  const prepared = prepare();
  signal?.throwIfAborted(); // a getter of an option may have aborted it
  const job = nextJob();
  const cancel = () => core().cancel(job);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    await prepared.start(job);
    signal?.throwIfAborted();
  } catch (error) {
    throw signal?.aborted ? signal.reason : named(operation, error);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
  return prepared.finish();
}

/** Maximum milliseconds of work on the main thread per turn of the event loop. */
const turnMs = 0.5;

/**
 * Yielded by {@link Steps} at points where the event loop may run. `runSteps` lets it run if more than `turnMs` have
 * passed since it last did.
 */
export const pause: unique symbol = Symbol('pause');

/**
 * Several calls in sequence. The generator yields each call, the runner executes it, and the generator then reads its
 * result. Work between calls that may take longer than `turnMs` yields `pause` regularly (lib/call/slices.ts).
 */
export type Steps<R> = Generator<Prepared<unknown> | typeof pause, R, void>;

/** Runs steps on this thread, unless the signal is already aborted. */
export function runStepsSync<R>(operation: string, steps: Steps<R>, signal?: AbortSignal): R {
  throwIfAborted(operation, signal);
  try {
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      if (step.value !== pause) runSync(operation, step.value);
    }
  } catch (error) {
    end(steps);
    throw error;
  }
}

/** Runs the calls of steps on another thread; the code between them runs on this one. */
export async function runSteps<R>(
  operation: string,
  signal: AbortSignal | undefined,
  begin: () => Steps<R>,
): Promise<R> {
  throwIfAborted(operation, signal);
  const steps = begin();
  let turnBegan = performance.now();
  try {
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      if (value !== pause) await runAsync(operation, signal, () => value);
      else if (performance.now() - turnBegan > turnMs) await nextTurn();
      else continue;
      signal?.throwIfAborted();
      turnBegan = performance.now();
    }
  } catch (error) {
    end(steps);
    throw error;
  }
}

/** Ends the generator of failed or canceled steps, which also closes the caller's iterators that it was reading. */
function end(steps: Steps<unknown>): void {
  try {
    steps.return(undefined);
  } catch {
    // thrown by an iterator of the caller; the first error is reported
  }
}

/** Throws a TypeError for an invalid signal, and the signal's reason if the signal is aborted. */
export function throwIfAborted(operation: string, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  checkSignal(operation, signal);
  signal.throwIfAborted();
}

/** Throws unless the value is an AbortSignal or undefined. */
export function checkSignal(operation: string, signal: AbortSignal | undefined): void {
  if (signal !== undefined && !isSignal(signal)) {
    throw typeError(operation, 'signal', 'an AbortSignal', signal);
  }
}

/** Whether a value is an AbortSignal. `aborted` throws for a proxy and for an object that only inherits the prototype. */
function isSignal(signal: unknown): boolean {
  try {
    return signal instanceof AbortSignal && typeof signal.aborted === 'boolean';
  } catch {
    return false;
  }
}

/** Adds the operation's name to the core's errors. */
function named(operation: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.message.startsWith('[')) return error;
  const { code } = error as Error & { code?: ErrorCode };
  const Base = error instanceof TypeError ? TypeError : Error;
  return code === undefined
    ? error
    : Object.assign(coded(code, `[${operation}] ${error.message}`, Base), { cause: error });
}
