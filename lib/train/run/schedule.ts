import { atLeastZero, checkObject, choice, integer } from '../../check.ts';
import { schedules } from '../options/optimizer.ts';
import type { RunConfig } from '../options/options.ts';

/** A learning rate schedule. */
export interface Schedule {
  /** Peak learning rate. */
  lr: number;
  schedule: RunConfig['schedule'];
  /** Warm-up steps. */
  warmup: number;
}

/**
 * Returns the learning rate of a step. It rises linearly during warm-up, then is constant or follows a half cosine to 0
 * (Loshchilov & Hutter 2017, arXiv 1608.03983). It needs no state besides the step, so a resumed run continues identically.
 * @param step - step number, from 1
 * @param steps - total number of steps; null if unknown, which makes a cosine schedule constant
 * @example
 * learningRate({ lr: 1e-3, schedule: 'cosine', warmup: 20 }, 1, 1000); // 5e-5
 */
export function learningRate(options: Schedule, step: number, steps: number | null): number {
  const operation = 'learningRate';
  const { lr, schedule, warmup } = checkObject(operation, options, 'options');
  atLeastZero(operation, 'lr', lr);
  atLeastZero(operation, 'warmup', warmup);
  choice(operation, 'schedule', schedule, schedules);
  integer(operation, 'step', step, 1, Number.MAX_SAFE_INTEGER);
  if (steps !== null) integer(operation, 'steps', steps, 0, Number.MAX_SAFE_INTEGER);
  if (step <= warmup) return (lr * step) / warmup;
  if (schedule === 'constant' || steps === null || steps <= warmup) return lr;
  const progress = Math.min(1, (step - warmup - 1) / (steps - warmup));
  return (lr * (1 + Math.cos(Math.PI * progress))) / 2;
}
