import { checkSignal } from '../call.ts';
import { checkOptions } from '../check.ts';
import { quoted, typeError } from '../errors.ts';
import type { RunConfig } from './config.ts';
import type { Baseline, EvaluationRow, HealthRow, Snapshot, StepRow } from './record.ts';
import type { Pictures } from './source.ts';

/** What a caller hears of a run, and how it ends one. */
export interface TrainHooks {
  /** Ends the run after the step that it is in; what is there by then is kept. */
  signal?: AbortSignal;
  /**
   * A run folder to go on with, or `auto`: the run of these very options that was broken off (with `name`, the run of
   * that name), or a new one where there is none.
   */
  resume?: string | null;
  /** Where a run goes on: its folder, and the steps that it has behind it. */
  onResume?: (folder: string, step: number) => void;
  /** Before anything else, with every option as it came to be; `name` is that of the run folder. */
  onBegin?: (config: RunConfig) => void;
  /** After every step. `steps` is the length of the run, or null where only the end of `data` tells. */
  onStep?: (row: StepRow, steps: number | null) => void;
  onEvaluation?: (row: EvaluationRow) => void;
  /** At the end of each epoch: how the points stand numerically. */
  onHealth?: (row: HealthRow) => void;
  /** After every evaluation: what a report draws of the network. */
  onSnapshot?: (snapshot: Snapshot) => void;
  onBaseline?: (baseline: Baseline) => void;
  /** What does not stop a run: a class with one picture, a picture that cannot be read. */
  onWarning?: (text: string) => void;
  /** Batches to train on in place of the data set that the configuration names. */
  data?: AsyncIterable<Pictures>;
}

/** What became of a run. */
export interface TrainResult {
  /** Path of the run folder; null where `runs` is null. */
  folder: string | null;
  steps: number;
  /** Whether the signal ended the run. */
  interrupted: boolean;
  evaluations: EvaluationRow[];
  baselines: Baseline[];
  /** How many pictures could not be read. */
  skipped: number;
}

const listeners = [
  'onResume',
  'onBegin',
  'onStep',
  'onEvaluation',
  'onHealth',
  'onSnapshot',
  'onBaseline',
  'onWarning',
] as const;

/** Throws, before a run begins, for hooks that could not be called or would not end it. */
export function checkHooks(given: TrainHooks): TrainHooks {
  const hooks = checkOptions('train', given, 'hooks');
  checkSignal('train', hooks.signal);
  for (const name of listeners) {
    const listener: unknown = hooks[name];
    if (listener !== undefined && typeof listener !== 'function')
      throw typeError('train', name, 'a function', quoted(listener));
  }
  return hooks;
}

/** Whether an error says no more than that the signal ended the run. */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && (error === signal.reason || (error as Error).name === 'AbortError');
}
