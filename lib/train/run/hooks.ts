import { checkSignal } from '../../call/run.ts';
import { checkOptions, filePath } from '../../check.ts';
import { quoted, typeError } from '../../errors.ts';
import type { LabeledBatch } from '../data/types.ts';
import { checkGroup, type RankGroup } from '../lane/group.ts';
import type { Baseline, Snapshot } from '../measure/types.ts';
import type { RunConfig } from '../options/options.ts';
import type { Best } from './checkpoint.ts';
import type { EvaluationRow, HealthRow, StepRow } from './record.ts';
import type { RunSummary } from './summary.ts';

/** How a run ended; `interrupted` means stopped by its signal. */
export type RunEnd = 'complete' | 'interrupted' | 'failed';

/**
 * Callbacks of a run. The progress display, dashboard, TensorBoard and report are listeners. If a callback returns a
 * promise, the run waits for it; an error in a callback ends the run.
 */
export interface RunListener {
  /** Called once the run has its folder (null if `runs` is null), before anything is written to the log. */
  onStore?(folder: string | null): void;
  /** Called before the first step, with all options resolved; `name` is the name of the run folder. */
  onBegin?(config: RunConfig): void;
  /** Called after `onBegin`, with the size of the network and of the data set. */
  onSummary?(summary: RunSummary): void;
  /** Called when a run resumes, with its folder and the number of completed steps. */
  onResume?(folder: string, step: number): void;
  /** Called after every step. `steps` is the length of the run, or null if `data` determines it. */
  onStep?(row: StepRow, steps: number | null): void;
  /** Called after every evaluation. */
  onEvaluation?(row: EvaluationRow): void;
  /**
   * Called with the numerical health of the points, at the end of each epoch, or every 50 steps in a run without epochs.
   */
  onHealth?(row: HealthRow): void;
  /** Called after every evaluation with the data that the report draws, unless collecting or storing it fails. */
  onSnapshot?(snapshot: Snapshot): void;
  /** Called after the evaluation of an untrained baseline. */
  onBaseline?(baseline: Baseline): void;
  /** Called before a checkpoint is written; a resumed run does not report earlier rows again. */
  onCheckpoint?(): void;
  /** Called for problems that do not stop the run, such as an unreadable image. */
  onWarning?(text: string): void;
  /**
   * Called last, after all files of the run are written and before its folder is unlocked. The folder of a new run that
   * fails before its first step is removed afterwards.
   */
  onEnd?(end: RunEnd): void;
}

/** External controls of a run. */
export interface RunControls {
  /**
   * Stops the run after the current step; with gradient caching or during an evaluation, earlier. The run then writes a
   * checkpoint, so that it can be resumed, unless `save_every` is null.
   */
  signal?: AbortSignal | undefined;
  /**
   * Batches of images of `crop` x `crop` pixels to train on instead of the data set; nothing is evaluated. A resumed run
   * skips the batches of the steps already taken.
   */
  data?: AsyncIterable<LabeledBatch> | undefined;
  /** The ranks that train together; batch size and other options apply to the whole group. */
  group: RankGroup;
}

/** Callbacks and controls of a run. */
export interface TrainHooks extends RunListener, Omit<RunControls, 'group'> {
  /**
   * The ranks that train together; batch size and other options apply to the whole group. Rank 0 alone reports and writes.
   * Default: the group that the environment variables describe, if any; null for a single process.
   */
  group?: RankGroup | null;
  /**
   * A run folder to resume, or `auto`: the interrupted run with the same options and data (with `name`, the run of that name),
   * otherwise a new run.
   */
  resume?: string | null;
}

/** The result of a run. */
export interface RunResult {
  /** Path of the run folder; null if `runs` is null, and on ranks other than 0. */
  folder: string | null;
  /** Number of steps taken, over all sessions. */
  steps: number;
  /** Whether the signal stopped the run. */
  interrupted: boolean;
  evaluations: EvaluationRow[];
  /** The best evaluation after epoch 0; null without any. Its checkpoint is `best.safetensors`, if checkpoints are written. */
  best: Best | null;
  baselines: Baseline[];
  /** Names of the class tree's levels above the classes, nearest first; absent if the levels are not named. */
  levels?: readonly string[];
  /** Number of unreadable images. */
  skipped: number;
}

type Callback = keyof RunListener;

/** The names of all callbacks; the type checks that none is missing. */
const callbacks: Readonly<Record<Callback, true>> = {
  onStore: true,
  onBegin: true,
  onSummary: true,
  onResume: true,
  onStep: true,
  onEvaluation: true,
  onHealth: true,
  onSnapshot: true,
  onBaseline: true,
  onCheckpoint: true,
  onWarning: true,
  onEnd: true,
};

async function called(listener: RunListener, name: Callback, args: readonly unknown[]): Promise<void> {
  await (listener[name] as ((...args: unknown[]) => unknown) | undefined)?.call(listener, ...args);
}

/** Calls several listeners in the order of the list, one callback at a time. */
export class Listeners {
  readonly #all: RunListener[];
  /** Delivery of the warnings since the last `flush`, in order. */
  #warnings: Promise<void> = Promise.resolve();

  constructor(all: readonly RunListener[]) {
    this.#all = [...all];
  }

  /** Adds a listener, which is called after the others. */
  add(listener: RunListener): void {
    this.#all.push(listener);
  }

  /** Whether any listener has this callback. */
  has(name: Callback): boolean {
    return this.#all.some((listener) => listener[name] !== undefined);
  }

  /** Delivers earlier warnings, then notifies each listener. Throws the first error of a callback. */
  async notify<Name extends Callback>(
    name: Name,
    ...args: Parameters<Required<RunListener>[Name]>
  ): Promise<void> {
    await this.flush();
    for (const listener of this.#all) await called(listener, name, args);
  }

  /** Notifies every listener of the end, even if another one fails, so that all of them close their files. */
  async end(how: RunEnd): Promise<void> {
    const errors: unknown[] = [];
    await this.flush().catch((error: unknown) => errors.push(error));
    for (const listener of this.#all)
      await called(listener, 'onEnd', [how]).catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  }

  /** Queues a warning. The next `notify` or `flush` waits for its listeners and throws their first error. */
  readonly warn = (text: string): void => {
    this.#warnings = this.#warnings.then(async () => {
      for (const listener of this.#all) await listener.onWarning?.(text);
    });
    this.#warnings.catch(() => {}); // `flush` throws it
  };

  /** Waits until all warnings are delivered. Throws the first error of their listeners. */
  async flush(): Promise<void> {
    const warnings = this.#warnings;
    this.#warnings = Promise.resolve();
    await warnings;
  }
}

const controls = ['signal', 'data', 'group', 'resume'] as const satisfies (keyof TrainHooks)[];
const hookNames: ReadonlySet<string> = new Set([...Object.keys(callbacks), ...controls]);

/**
 * Whether hooks are a plain object, which is checked for unknown names: an instance of a class may have other
 * properties.
 */
function isPlain(given: unknown): boolean {
  return given !== null && typeof given === 'object' && Object.getPrototypeOf(given) === Object.prototype;
}

/**
 * Validates hooks before a run starts, and returns a copy of them: a getter may return another value later, so each
 * property is read only once. Callbacks are called with the hooks as `this`.
 */
export function checkHooks(given: TrainHooks): TrainHooks {
  const hooks = checkOptions('train', given, 'hooks', isPlain(given) ? hookNames : undefined);
  const { signal, data, group, resume } = hooks;
  checkSignal('train', signal);
  const listener = Object.fromEntries(
    Object.keys(callbacks).flatMap((name) => {
      const callback: unknown = hooks[name as Callback];
      if (callback === undefined) return [];
      if (typeof callback === 'function')
        return [[name, (...args: unknown[]): unknown => Reflect.apply(callback, hooks, args)]];
      throw typeError('train', name, 'a function', quoted(callback));
    }),
  );
  if (resume !== undefined && resume !== null) filePath('train', 'resume', resume);
  checkGroup('train', group);
  if (data !== undefined && typeof Object(data)[Symbol.asyncIterator] !== 'function')
    throw typeError('train', 'data', 'an async iterable of batches', quoted(data));
  return {
    ...listener,
    signal,
    data,
    ...(group !== undefined && { group }),
    ...(resume !== undefined && { resume }),
  };
}
