import { nextTurn } from '../../call/next-turn.ts';
import type { AnyTensor, ScalerState } from '../lane/types.ts';
import type { LearnableState } from './learnable.ts';
import type { Learner } from './learner.ts';

/** The parts of a checkpoint that are compared with each other and with a learner. */
export interface SavedState {
  tensors: ReadonlyMap<string, AnyTensor>;
  /** Steps taken. */
  step: number;
  scaler: ScalerState | null;
  learnables: LearnableState;
}

/**
 * Finds the first part of a checkpoint that is missing, unexpected, or does not match a run. Checksums detect
 * damage, but not a file that was assembled from several: a missing part would silently keep its initial state.
 * @returns the first problem, phrased to follow "a checkpoint that"; null if the state is complete and consistent
 */
export async function problemOf(saved: SavedState, learner: Learner): Promise<string | null> {
  const { tensors, scaler } = saved;
  const mismatch = mismatchOf(tensors, learner);
  if (mismatch !== null) return `belongs to a different network: it ${mismatch}`;
  if ((scaler === null) !== (learner.scaler === null))
    return scaler === null ? 'has no loss scaler' : 'has a loss scaler, which this run does not use';
  return countProblem(saved, learner) ?? (await valueProblem(tensors));
}

/** Describes a part that only the checkpoint or only the learner has; null if both have the same parts. */
function mismatchOf(tensors: SavedState['tensors'], learner: Learner): string | null {
  const wanted = namesOf(learner);
  const missing = [...wanted].find((name) => !tensors.has(name));
  // Random states of other devices are expected, because the run may have used another device before.
  const unexpected = [...tensors.keys()].find((name) => !wanted.has(name) && !name.startsWith('random/'));
  if (missing !== undefined) return `lacks ${missing}, which this run has`;
  return unexpected === undefined ? null : `has ${unexpected}, which this run lacks`;
}

function namesOf({ embedder, ema, memory, proxies }: Learner): Set<string> {
  const names = embedder.parameters().map(({ name }) => name);
  const trainable = embedder.parameters().flatMap(({ name, trainable }) => (trainable ? [name] : []));
  if (ema !== null) names.push(...trainable.map((name) => `training/${name}`));
  names.push('optimizer/step');
  for (const name of [...trainable, ...(proxies === null ? [] : [proxies.parameter.name])])
    names.push(`optimizer/${name}${firstMoment}`, `optimizer/${name}${secondMoment}`);
  if (memory !== null) names.push('memory/labels', 'memory/euclidean', 'memory/hyperbolic');
  if (proxies !== null) names.push('proxies/weight');
  names.push('random/cpu');
  return new Set(names);
}

const [firstMoment, secondMoment] = ['.exp_avg', '.exp_avg_sq'];

/** Checks the counters that follow from the number of steps; wrong ones would silently distort Adam's bias correction. */
function countProblem({ tensors, step, scaler, learnables }: SavedState, learner: Learner): string | null {
  if (scaler !== null) {
    const { scale, goodSteps, skipped } = scaler;
    if (!(scale >= smallestScale && scale <= largestScale)) return `has an invalid loss scale (${scale})`;
    if (goodSteps >= learner.scaler!.options.interval || goodSteps + skipped > step)
      return `has inconsistent loss-scaler counters (${goodSteps} steps since the last change, ${skipped} skipped, ${step} in total)`;
  }
  const taken = step - (scaler?.skipped ?? 0);
  const counted = tensors.get('optimizer/step')!.data[0];
  if (counted !== taken) return `has an optimizer state of ${counted} steps instead of ${taken}`;
  if (taken > 0 && tensors.get('memory/labels')?.data.length === 0)
    return `has an empty cross-batch memory after ${taken} steps`;
  const learned = learner.learnables.any ? taken : 0;
  if (learnables.steps !== learned)
    return `has learnable scalars of ${learnables.steps} steps instead of ${learned}`;
  return null;
}

/** Range of the normal float32 numbers, because the loss is scaled in float32. */
const [smallestScale, largestScale] = [2 ** -126, 2 ** 127];

async function valueProblem(tensors: SavedState['tensors']): Promise<string | null> {
  for (const [name, { data }] of tensors) {
    const wanted =
      name === 'memory/labels' ? Int32Array : name.startsWith('random/') ? Uint8Array : Float32Array;
    if (!(data instanceof wanted)) return `has ${name} as ${data.constructor.name}, not ${wanted.name}`;
    if (!(data instanceof Float32Array)) continue;
    const min = name.startsWith('optimizer/') && name.endsWith(secondMoment) ? 0 : Number.NEGATIVE_INFINITY;
    for (const value of data)
      if (!(value >= min) || value === Infinity || value === -Infinity)
        return `has the value ${value} in ${name}`;
    await nextTurn();
  }
  return null;
}
