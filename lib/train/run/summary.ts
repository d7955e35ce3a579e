import type { Counts } from '../data/types.ts';
import type { Parameter } from '../lane/types.ts';
import type { Source } from './source.ts';

/** The network and the data of a run. */
export interface RunSummary {
  /** Number of all parameters of the network, and of its trainable parameters. */
  readonly parameters: number;
  readonly trainable: number;
  /** Numbers of images and classes in each split; null if the caller provides the batches. */
  readonly data: Counts | null;
  /** Identifies the images, their classes and their order; null if the caller provides the batches. */
  readonly fingerprint: number | null;
  /** CRC-32 of the file of initial weights; null if they were random, absent if a checkpoint of an earlier version is resumed. */
  readonly weights?: number | null;
  /** Steps per epoch and in total; null if the caller provides the batches. */
  readonly epochSteps: number | null;
  readonly steps: number | null;
}

/** Summarizes a run before its first step. */
export function summaryOf(
  parameters: readonly Parameter[],
  { sizes, identity, epochSteps, steps }: Pick<Source, 'sizes' | 'identity' | 'epochSteps' | 'steps'>,
  weights?: number | null,
): RunSummary {
  const sum = (some: readonly Parameter[]): number =>
    some.reduce((total, { shape }) => total + shape.reduce((product, side) => product * side, 1), 0);
  return {
    parameters: sum(parameters),
    trainable: sum(parameters.filter(({ trainable }) => trainable)),
    data: sizes,
    fingerprint: identity?.fingerprint ?? null,
    ...(weights !== undefined && { weights }),
    epochSteps,
    steps,
  };
}
