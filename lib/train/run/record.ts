import type { TreeValues } from '../lane/tree-loss.ts';
import type { Evaluation, Health, Snapshot, Spread } from '../measure/types.ts';
import type { RunConfig } from '../options/options.ts';

/** A line of metrics.jsonl after a training step. */
export interface StepRow {
  type: 'step';
  step: number;
  epoch: number;
  loss: number;
  /** Fraction of rows whose positive has the largest cross-view logit, averaged over the ordered pairs of views. */
  accuracy: number;
  /** Smallest, mean and largest cross-view logit, averaged over the ordered pairs of views. */
  min: number;
  mean: number;
  max: number;
  /** The losses on the class tree, before weighting. */
  tree?: TreeValues;
  /** Learning rate of the step. */
  lr: number;
  /** Gradient norm before clipping (with `compat: 'hypmix'` in float16, after it); absent if it overflowed. */
  gradNorm?: number;
  /** Loss scale of the next step (float16). */
  scale?: number;
  /** Present if the gradient overflowed in float16 and the step was skipped. */
  skipped?: true;
  /** Learnable scalars in this step; absent if constant. */
  t_e?: number;
  t_h?: number;
  hyp_c?: number;
  /** Throughput in images/s. */
  imagesPerSecond: number;
  /** Data-loading wait of the step in milliseconds. */
  waitMs: number;
  /** Seconds trained so far, over all sessions. */
  seconds: number;
}

/** A line of metrics.jsonl after an evaluation; epoch 0 is the untrained network. */
export interface EvaluationRow extends Evaluation {
  type: 'evaluation';
  step: number;
  epoch: number;
  seconds: number;
  /** Spread of the head's unit vectors; absent in runs of earlier versions. */
  spread?: Spread;
}

/** A line of metrics.jsonl at the end of each epoch, or every 50 steps in a run without epochs. */
export interface HealthRow extends Health {
  type: 'health';
  step: number;
  epoch: number;
  /** The ball's curvature is -c. */
  c: number;
  /** Loss scale (float16 only), and steps skipped so far because a gradient overflowed. */
  scale: number | null;
  skippedSteps: number;
  seconds: number;
}

/** A line of metrics.jsonl. */
export type Row = StepRow | EvaluationRow | HealthRow;

/**
 * The number of invalid lines in a log, and the problem with the first. After a thousand, all further lines count as
 * invalid.
 */
export interface InvalidLines {
  count: number;
  first: string;
}

/** The contents of a run folder. */
export interface RunRecord {
  name: string;
  config: RunConfig;
  rows: Row[];
  snapshot: Snapshot | null;
  /** Invalid lines of metrics.jsonl, which were skipped; absent if all are valid. */
  invalid?: InvalidLines;
  /** Differences between files of the run, one sentence each; absent if the files agree. */
  mismatches?: string[];
}

/** Returns the rows of one type, in the order in which they were written. */
export function stepsOf(rows: readonly Row[]): StepRow[] {
  return rows.filter((row) => row.type === 'step');
}

export function healthRowsOf(rows: readonly Row[]): HealthRow[] {
  return rows.filter((row) => row.type === 'health');
}

export function evaluationsOf(rows: readonly Row[]): EvaluationRow[] {
  return rows.filter((row) => row.type === 'evaluation');
}
