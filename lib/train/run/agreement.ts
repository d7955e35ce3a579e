import type { RankGroup } from '../lane/group.ts';
import type { LossValues } from '../lane/types.ts';

/** The results of a step, on one rank or of all ranks together. */
export interface StepResults {
  /** The loss and its statistics, and with `gradParams` its gradients with respect to its parameters. */
  loss: LossValues;
  /** Gradient with respect to c through the head. */
  headGradient: number;
  /** Whether the run should stop. */
  stop: boolean;
}

/**
 * Combines the results of the ranks after a step. If all computed the same loss, the values of rank 0 are used, so that
 * ranks on different hardware stay identical. The gradient through the head is a sum over the rows of all ranks, and a
 * single rank can stop the run.
 *
 * @param isPerRank - whether each rank computed the loss of its own rows: values are then averaged, gradients summed
 */
export async function agree(
  group: Pick<RankGroup, 'rank' | 'size' | 'sum'>,
  isPerRank: boolean,
  { loss: { gradParams, ...values }, headGradient, stop }: StepResults,
): Promise<StepResults> {
  const isCounted = isPerRank || group.rank === 0;
  const { tauE, tauH, lambda, c } = (isCounted && gradParams) || zeros;
  const { loss, min, mean, max, accuracy } = isCounted ? values : noValues;
  const numbers = [loss, min, mean, max, accuracy, tauE, tauH, lambda, c];
  const sums = Float64Array.of(...numbers, headGradient, Number(stop));
  await group.sum(sums);
  const whole = (at: number): number => sums[at]! / (isPerRank ? group.size : 1);
  return {
    loss: {
      ...{ loss: whole(0), min: whole(1), mean: whole(2), max: whole(3), accuracy: whole(4) },
      ...(gradParams && { gradParams: { tauE: sums[5]!, tauH: sums[6]!, lambda: sums[7]!, c: sums[8]! } }),
    },
    headGradient: sums[9]!,
    stop: sums[10]! > 0,
  };
}

const zeros = { tauE: 0, tauH: 0, lambda: 0, c: 0 };
const noValues = { loss: 0, min: 0, mean: 0, max: 0, accuracy: 0 };
