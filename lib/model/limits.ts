// Limits of the numbers that describe a network. Descriptions come from files, and networks compute in float32.

import type { Channels } from './types.ts';

/** Smallest c of a network; the largest is its reciprocal. For others, c times a squared norm may underflow or overflow. */
export const leastC = 1e-36;

/** The smallest normal float32 number. */
export const leastFloat: number = 2 ** -126;

/** Whether c is a number from {@link leastC} to its reciprocal. */
export function isCurvature(c: unknown): boolean {
  return typeof c === 'number' && c >= leastC && c <= 1 / leastC;
}

/** Whether pixels from 0 to 1 remain finite when a mean is subtracted and they are divided by a standard deviation. */
export function areFinitePixels(mean: Channels, std: Channels): boolean {
  return mean.every((m, i) => [0, 1].every((level) => Number.isFinite(Math.fround((level - m) / std[i]!))));
}
