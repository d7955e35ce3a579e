// Suggests a geometry and options from features, without training. The thresholds were fixed before the trial on
// generated trees (test/advise-trial.ts) and have not changed since.
import { logitDefaults } from './card-names.ts';
import { gromovDelta } from './delta.ts';
import { coded, shapeError } from './errors.ts';
import { type Matrix, matrix, rowsAt } from './matrix.ts';
import { pairwiseDistance } from './pairwise.ts';
import { random, shuffle } from './random.ts';

/** Measurements of a set of features. */
export interface FeatureShape {
  /** Mean Gromov delta of random subsets, relative to their diameters; `interval` is its 95% confidence interval. */
  readonly delta: number;
  readonly interval: readonly [number, number];
  /**
   * Mean absolute difference between the distances and the fitted tree's distances, divided by the mean distance.
   */
  readonly distortion: number;
  /**
   * Standard deviation of the distances divided by their mean: small if all rows are equally far from each other, as in
   * a star.
   */
  readonly spread: number;
  /** Standard deviation of the rows' distances from their center, divided by the mean of these distances. */
  readonly radiusSpread: number;
  /** `suggestedC` of `gromovDelta`, clamped to [0.01, 3]. */
  readonly c: number;
}

/** Suggested options for a first run. */
export interface Advice {
  readonly geometry: 'hyperbolic' | 'euclidean';
  readonly c: number;
  readonly tauE: number;
  readonly tauH: number;
  readonly head: 'hypmix' | 'hyp-vit';
}

const subsets = 20;
const subsetRows = 200;
const cRange = [0.01, 3] as const;
const thresholds = { delta: 0.3, spread: 0.2, radiusSpread: 0.25 } as const;

/**
 * Results of `node dist/test/advise-trial.js`, as numbers of trees. For `right` trees, the suggested geometry had the
 * higher MAP@R on unseen classes. `hyperbolic` was suggested for `saidHyperbolic` trees, and right for `rightThen` of
 * them. Always suggesting `euclidean` would have been right for `alwaysEuclidean` trees.
 */
export const trial = { trees: 24, right: 14, saidHyperbolic: 8, rightThen: 2, alwaysEuclidean: 18 } as const;

/** Returns the geometry and the options that the measured features suggest. */
export function adviceOn({ interval, spread, radiusSpread, c }: FeatureShape): Advice {
  const isTree = interval[1] < thresholds.delta && spread > thresholds.spread;
  return {
    geometry: isTree ? 'hyperbolic' : 'euclidean',
    c,
    tauE: logitDefaults.tauE,
    tauH: logitDefaults.tauH,
    head: isTree && radiusSpread > thresholds.radiusSpread ? 'hyp-vit' : 'hypmix',
  };
}

/**
 * Measures the features for {@link adviceOn}.
 *
 * @throws RangeError `ERR_HOROBALL_SHAPE` for fewer than 8 rows; `ERR_HOROBALL_RANGE` if the distances are not finite, or
 * all 0
 */
export async function shapeOf(
  features: Matrix,
  { seed = 0, signal }: { seed?: number; signal?: AbortSignal } = {},
): Promise<FeatureShape> {
  if (features.rows < 8) throw shapeError('advise', 'source', 'at least 8 rows', String(features.rows));
  const size = Math.min(subsetRows, Math.floor(features.rows / 2));
  const found = await gromovDelta(features, { input: 'points', size, samples: subsets, seed, signal });
  const margin = 1.96 * found.standardError;
  const order = shuffle(
    random(seed, 0xad),
    Int32Array.from({ length: features.rows }, (_, i) => i),
  );
  const sample = rowsAt('advise', features, [...order.subarray(0, Math.min(subsetRows, features.rows))]);
  const distances = await pairwiseDistance(sample, { metric: 'euclidean', signal });
  if (!distances.data.some((distance: number) => distance > 0)) throw equalRows(sample.rows);
  const center = new Float64Array(sample.cols);
  for (let i = 0; i < sample.data.length; i++) center[i % sample.cols]! += sample.data[i]! / sample.rows;
  const inFloat64 = matrix(Float64Array.from(sample.data), sample.rows, sample.cols);
  const radii = await pairwiseDistance(inFloat64, matrix(center, 1, sample.cols), {
    metric: 'euclidean',
    signal,
  });
  return {
    delta: found.relative,
    interval: [found.relative - margin, found.relative + margin],
    distortion: distortionOf(distances),
    spread: variation(offDiagonal(distances)),
    radiusSpread: variation(Array.from(radii.data)),
    c: Math.min(cRange[1], Math.max(cRange[0], found.suggestedC)),
  };
}

function equalRows(count: number): Error {
  const message = `[advise] source: expected features that differ, got distances of 0 between all of ${count} random rows. Check the features; if they are smaller than 1e-19, multiply them by a constant.`;
  return coded('ERR_HOROBALL_RANGE', message, RangeError);
}

function offDiagonal({ data, rows }: Matrix): number[] {
  return Array.from(data).filter((_, i) => i % rows > Math.floor(i / rows));
}

/** Returns the standard deviation divided by the mean; 0 if all values are 0. */
function variation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return mean > 0 ? Math.sqrt(square) / mean : 0;
}

/**
 * Fits a tree to the distances, and returns the mean absolute difference between both, divided by the mean distance. In
 * the fitted tree, the Gromov product of two rows with respect to row 0 is the smallest product on their path in a
 * maximum spanning tree (Gromov 1987).
 */
function distortionOf({ data, rows }: Matrix): number {
  const distance = (i: number, j: number): number => data[i * rows + j]!;
  const product = (i: number, j: number): number => (distance(i, 0) + distance(j, 0) - distance(i, j)) / 2;
  const bottleneck = new Float64Array(rows * rows);
  const joined: number[] = [0];
  const best = Array.from({ length: rows }, (_, j) => ({ from: 0, value: product(0, j) }));
  const remaining = new Set(Array.from({ length: rows - 1 }, (_, i) => i + 1));
  while (remaining.size > 0) {
    let next = -1;
    for (const j of remaining) if (next < 0 || best[j]!.value > best[next]!.value) next = j;
    const { from, value } = best[next]!;
    for (const other of joined) {
      const along = other === from ? value : Math.min(value, bottleneck[from * rows + other]!);
      bottleneck[next * rows + other] = bottleneck[other * rows + next] = along;
    }
    joined.push(next);
    remaining.delete(next);
    for (const j of remaining) {
      const direct = product(next, j);
      if (direct > best[j]!.value) best[j] = { from: next, value: direct };
    }
  }
  let [difference, total] = [0, 0];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < i; j++) {
      const inTree = distance(i, 0) + distance(j, 0) - 2 * bottleneck[i * rows + j]!;
      difference += Math.abs(distance(i, j) - inTree);
      total += distance(i, j);
    }
  return total > 0 ? difference / total : 0;
}
