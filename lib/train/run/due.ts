import { parseEpochs } from '../options/epochs.ts';
import type { RunConfig } from '../options/options.ts';
import type { Source } from './source.ts';
import { epochOf, type RunState } from './state.ts';

/** Decides which actions are due after the step that was just taken. */
export interface Due {
  /** Whether to check numerical health: at the end of each epoch, or every 50 steps in a run without epochs. */
  health(step: number): boolean;
  /** Whether to evaluate: if there is a test set, after the epochs in `eval_ep`; epoch 0 is before the first step. */
  evaluate(step: number): boolean;
  /**
   * Whether to write a checkpoint: after an evaluation, and `save_every` seconds after the last checkpoint; never if
   * `save_every` is null.
   */
  checkpoint(state: RunState): boolean;
}

/** Steps between health checks if there are no epochs. */
const stepsWithoutEpochs = 50;

/**
 * Returns the functions that decide whether health checks, evaluations and checkpoints of a run are due. Only the decision
 * on checkpoints depends on more than the step.
 */
export function dueOf({ eval_ep, save_every }: RunConfig, { epochSteps, test }: Source): Due {
  const epochs = new Set(parseEpochs(eval_ep));
  const endsEpoch = (step: number): boolean => step % (epochSteps ?? stepsWithoutEpochs) === 0;
  return {
    health: endsEpoch,
    evaluate: (step) => test !== null && endsEpoch(step) && epochs.has(epochOf(step, epochSteps)),
    checkpoint: ({ step, evaluatedAt, savedAt }) =>
      save_every !== null && (evaluatedAt === step || performance.now() - savedAt >= 1000 * save_every),
  };
}
