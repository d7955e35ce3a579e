/** The state of a run except its network, as plain data. */

import type { Baseline } from '../measure/types.ts';
import { trainedSpace } from '../options/define.ts';
import { learnable, type TrainedGeometry } from '../options/options.ts';
import type { Best, Position } from './checkpoint.ts';
import type { LearnableScalars } from './learnable.ts';
import type { StepOutcome } from './learner.ts';
import type { EvaluationRow, StepRow } from './record.ts';

export interface RunState {
  /** Steps taken. */
  step: number;
  /** Seconds trained in earlier sessions. */
  earlierSeconds: number;
  /** Times of `performance.now()` at the start of this session and at its last checkpoint. */
  startedAt: number;
  savedAt: number;
  evaluations: EvaluationRow[];
  /** The steps of the evaluations, including any whose row in the log is damaged. */
  evaluated: Set<number>;
  /** The step of the last evaluation in this session. */
  evaluatedAt: number | null;
  best: Best | null;
  baselines: Baseline[];
  /** See {@link Position}. */
  weights: number | null | undefined;
  /** Unreadable images that were reported. */
  warned: Set<string>;
}

/**
 * Returns the initial state of a new or resumed run.
 *
 * @param weights - see {@link Position}
 */
export function startState(
  position: Position | null,
  evaluations: EvaluationRow[] = [],
  weights: number | null | undefined = position?.weights,
): RunState {
  const now = performance.now();
  const step = position?.step ?? 0;
  // The log may have been edited: `hasStalled` must not count evaluations of later steps.
  const logged = evaluations.map((row) => row.step).filter((each) => each <= step);
  return {
    step,
    earlierSeconds: position?.seconds ?? 0,
    startedAt: now,
    savedAt: now,
    evaluations,
    evaluated: new Set(position?.evaluated ?? logged),
    evaluatedAt: null,
    best: position?.best ?? null,
    baselines: position?.baselines ?? [],
    weights,
    warned: new Set(),
  };
}

/** Returns the seconds trained, over all sessions. */
export function secondsOf({ earlierSeconds, startedAt }: RunState): number {
  return Number((earlierSeconds + (performance.now() - startedAt) / 1000).toFixed(2));
}

/** Returns the epoch of a step; all steps are in epoch 1 if there are no epochs. */
export function epochOf(step: number, epochSteps: number | null): number {
  return epochSteps === null ? 1 : Math.ceil(step / epochSteps);
}

/**
 * Adds an evaluation and updates the best one: the highest Recall@1 in the space of {@link trainedSpace}, not counting
 * epoch 0. Checkpoints store the best one and the steps of all, because a resumed run reads its evaluations from the
 * log, which may be damaged or edited.
 */
export function addEvaluation(state: RunState, row: EvaluationRow, geometry: TrainedGeometry): void {
  state.evaluations.push(row);
  const { step, epoch, spaces } = row;
  state.evaluated.add(step);
  const recall = spaces[trainedSpace(geometry)].at['1'] ?? 0;
  if (epoch > 0 && Number.isFinite(recall) && (state.best === null || recall > state.best.recall))
    state.best = { step, epoch, recall };
}

/** Whether at least `patience` evaluations have passed since the best one; false if `patience` or the best one is null. */
export function hasStalled({ best, evaluated }: RunState, patience: number | null): boolean {
  if (patience === null || best === null) return false;
  return [...evaluated].filter((step) => step > best.step).length >= patience;
}

/** Returns the position that a checkpoint stores. */
export function positionOf(
  state: RunState,
  others: Pick<Position, 'metricsBytes' | 'metricsCrc32' | 'data' | 'complete'>,
): Position {
  const { step, best, evaluated, baselines, weights } = state;
  return {
    step,
    seconds: secondsOf(state),
    best,
    evaluated: [...evaluated],
    baselines,
    ...(weights !== undefined && { weights }),
    ...others,
  };
}

/** Results and measurements of a training step. */
export interface StepDetails {
  outcome: StepOutcome;
  lr: number;
  epoch: number;
  /** Temperatures and curvature of the step. */
  scalars: { tauE: number; tauH: number; c: number };
  learnables: LearnableScalars;
  /** Number of images in the batch. */
  count: number;
  /** Data-loading wait and total duration of the step in milliseconds. */
  waitMs: number;
  tookMs: number;
}

/** Returns the row of metrics.jsonl for the latest step. */
export function stepRow(state: RunState, details: StepDetails): StepRow {
  const { outcome, lr, epoch, scalars, learnables, count, waitMs, tookMs } = details;
  const { loss, gradNorm, scaler, tree } = outcome;
  const values = { t_e: scalars.tauE, t_h: scalars.tauH, hyp_c: scalars.c };
  return {
    type: 'step',
    step: state.step,
    epoch,
    ...loss,
    ...(tree && { tree }),
    lr,
    ...(gradNorm !== null && { gradNorm }),
    ...(scaler && { scale: scaler.scale }),
    ...(scaler?.overflowed && { skipped: true }),
    ...Object.fromEntries(
      learnable.filter((name) => learnables.has(name)).map((name) => [name, values[name]]),
    ),
    imagesPerSecond: Number(((1000 * count) / tookMs).toFixed(1)),
    waitMs: Number(waitMs.toFixed(1)),
    seconds: secondsOf(state),
  };
}
