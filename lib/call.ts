import type { Device } from './check.ts';
import { coded, typeError } from './errors.ts';
import { core, type Outcome } from './native.ts';
import { nextTurn } from './next-turn.ts';

/** How a call runs. */
export interface CallOptions {
  /** Threads to use, 1 or more; default as many as the machine has. Results do not depend on it. */
  threads?: number | undefined;
  /** Default `'cpu'`. */
  device?: Device | undefined;
}

/** How a call that returns a promise runs. */
export interface AsyncOptions {
  /** Aborting it rejects the promise with the signal's reason; the work stops at the next tile. */
  signal?: AbortSignal | undefined;
}

/** A call that has been checked and has its memory: what both twins share. */
export interface Prepared<R> {
  /** Calls the core: at once for job 0, else as that job. */
  readonly start: (job: number) => Outcome;
  /** The result, once the work is done. */
  readonly finish: () => R;
}

/** Runs a prepared call on this thread. */
export function runSync<R>(operation: string, prepared: Prepared<R>): R {
  try {
    prepared.start(0);
  } catch (error) {
    throw named(operation, error);
  }
  return prepared.finish();
}

/** A job's number: never 0, and not in use again for four thousand million jobs. */
function nextJob(): number {
  const binary = core();
  const last = binary.lastJob ?? 0;
  binary.lastJob = last === 0xffffffff ? 1 : last + 1;
  return binary.lastJob;
}

/** Runs a prepared call on another thread. What `prepare` throws rejects the promise. */
export async function runAsync<R>(
  operation: string,
  signal: AbortSignal | undefined,
  prepare: () => Prepared<R>,
): Promise<R> {
  checkSignal(operation, signal);
  const prepared = prepare();
  signal?.throwIfAborted();
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

/** Several calls in a row with a little work between them: each is yielded, done, and then read. */
export type Steps<R> = Generator<Prepared<unknown>, R, void>;

/** A step that lets the event loop turn, where the work between two calls is long. */
export const pause: Prepared<void> = {
  start: (job) => (job === 0 ? undefined : nextTurn()),
  finish: () => {},
};

/** Runs steps on this thread. */
export function runStepsSync<R>(operation: string, steps: Steps<R>): R {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    runSync(operation, step.value);
  }
}

/** Runs the calls of steps on another thread; what stands between them runs here. */
export async function runSteps<R>(
  operation: string,
  signal: AbortSignal | undefined,
  begin: () => Steps<R>,
): Promise<R> {
  checkSignal(operation, signal);
  const steps = begin();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await runAsync(operation, signal, () => step.value);
  }
}

/** Throws for what could not cancel a call. */
export function checkSignal(operation: string, signal: AbortSignal | undefined): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw typeError(operation, 'signal', 'an AbortSignal', signal);
  }
}

/** The core's errors have a code but do not know who called. */
function named(operation: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.message.startsWith('[')) return error;
  const { code } = error as Error & { code?: string };
  const Base = error instanceof TypeError ? TypeError : Error;
  return code === undefined
    ? error
    : Object.assign(coded(code, `[${operation}] ${error.message}`, Base), { cause: error });
}
