import type { Baseline, EvaluationRow, HealthRow, StepRow } from './record.ts';
import type { Pictures } from './source.ts';

/** What a caller hears of a run, and how it ends one. */
export interface TrainHooks {
  /** Ends the run after the step that it is in; what is there by then is kept. */
  signal?: AbortSignal;
  /** After every step. `steps` is the length of the run, or null where only the end of `data` tells. */
  onStep?: (row: StepRow, steps: number | null) => void;
  onEvaluation?: (row: EvaluationRow) => void;
  /** At the end of each epoch: how the points stand numerically. */
  onHealth?: (row: HealthRow) => void;
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
