import type { Core, Outcome } from '../call/binding.ts';
import { coded } from '../errors.ts';
import { rowCall } from '../row/call.ts';
import { Instance } from './instance.ts';
import { Jobs, type WorkerPort } from './jobs.ts';

/** The environment of the WebAssembly core: Node or a browser. */
export interface Host {
  /** Starts a worker, lib/wasm/worker.ts. */
  readonly spawn: () => WorkerPort;
  /** Maximum number of workers at a time. */
  readonly workers: number;
  /** The value of `HOROBALL_ISA`. */
  readonly level: string | undefined;
}

/** Creates the core from a compiled horoball.wasm. Synchronous calls run on this thread, jobs in workers. */
export function wasmCore(module: WebAssembly.Module, host: Host): Core {
  const instance = new Instance(module, () => 0);
  const jobs = new Jobs(module, host.spawn, host.workers);
  const functions = Object.fromEntries(
    Array.from(instance.functions, ([name, each]) => [
      name,
      (...args: readonly unknown[]): Outcome => {
        const job = jobOf(args);
        if (job === 0) return instance.call(each, args, false) as undefined;
        return jobs.run(name, each, withoutJob(args), job);
      },
    ]),
  );
  const levels = [instance.text('level')];
  const level = host.level === undefined || host.level === '' ? levels[0]! : host.level;
  const core = {
    ...functions,
    rowCall: instance.rowCall,
    shortData: instance.shortData,
    abi: null,
    describeCalls: () => instance.text('calls'),
    rowCards: instance.text('row_cards'),
    headCards: instance.text('head_cards'),
    metricCards: instance.text('metric_cards'),
    geometryCards: instance.text('geometry_cards'),
    lossCards: instance.text('loss_cards'),
    logitParameters: instance.text('logit_parameters'),
    cpu: { level: levels.includes(level) ? level : null, levels, threads: 1 },
    cancel: (job: number) => {
      if (!isJob(job))
        throw coded('ERR_HOROBALL_TYPE', 'argument 1: expected an integer in range', TypeError);
      jobs.cancel(job);
    },
    backend: () => null,
    lockFile: () => null,
    unlockFile: () => {},
    dlopenLibrary: refuseLibrary,
    openJpegDecoder: refuseLibrary,
  };
  Object.defineProperty(core, 'callBuffer', { enumerable: true, get: () => instance.callBuffer });
  return core as unknown as Core;
}

function refuseLibrary(): never {
  throw coded('ERR_HOROBALL_UNSUPPORTED', 'the WebAssembly core cannot load shared libraries');
}

/**
 * Returns the job number of a call: its last argument or, in a row-wise call, one of its numeric arguments. 0 for a
 * short call, which is synchronous.
 */
function jobOf(args: readonly unknown[]): number {
  const last = args.at(-1);
  const job = typeof last === 'number' ? last : args[0] instanceof Float64Array ? args[0][rowCall.job] : 0;
  return isJob(job) ? job : 0; // a value that is not a job's number is refused by the synchronous call
}

function isJob(value: number | undefined): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 32;
}

/** Returns the arguments with job 0, which makes the call synchronous. */
function withoutJob(args: readonly unknown[]): readonly unknown[] {
  if (typeof args.at(-1) === 'number') return args.with(-1, 0);
  const numbers = (args[0] as Float64Array).slice();
  numbers[rowCall.job] = 0;
  return args.with(0, numbers);
}
