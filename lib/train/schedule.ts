/** What the learning rate of a step depends on. */
export interface Schedule {
  /** The highest rate. */
  lr: number;
  schedule: 'constant' | 'cosine';
  /** Steps over which the rate rises from 0. */
  warmup: number;
}

/**
 * The learning rate of a step, as a function of the step alone, so that a resumed run goes on as it would have.
 * It rises linearly over the warm-up; then it stays, or falls along half a cosine towards 0.
 * @param step 1 for the first
 * @param steps of the whole run; a cosine of unknown length (`null`) is a constant
 */
export function learningRate({ lr, schedule, warmup }: Schedule, step: number, steps: number | null): number {
  if (step <= warmup) return (lr * step) / warmup;
  if (schedule === 'constant' || steps === null || steps <= warmup) return lr;
  const progress = Math.min(1, (step - warmup - 1) / (steps - warmup));
  return (lr * (1 + Math.cos(Math.PI * progress))) / 2;
}
