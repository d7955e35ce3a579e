// Advice on the geometry from features alone. The thresholds were fixed before they were tried on generated trees
// (test/advise-trial.ts), and were not changed after that.
import { logitDefaults } from './card-names.ts';
import { gromovDelta } from './delta.ts';
import { shapeError } from './errors.ts';
import { type Matrix, matrix, rowsAt } from './matrix.ts';
import { pairwiseDistance } from './pairwise.ts';
import { random, shuffle } from './random.ts';

/** What is measured of features. */
export interface FeatureShape {
  /** Gromov delta relative to the diameter, and the ends of its 95% interval over random subsets. */
  readonly delta: number;
  readonly interval: readonly [number, number];
  /** Mean difference between the distances and those of the tree that Gromov's products give, over the mean distance. */
  readonly distortion: number;
  /** Standard deviation of the distances over their mean: small if all rows are equally far from each other, as in a star. */
  readonly spread: number;
  /** The same for the distances from the mean of all rows. */
  readonly radiusSpread: number;
  /** The c that delta suggests, within `limitsOfC`. */
  readonly c: number;
}

/** A start for training. */
export interface Advice {
  readonly geometry: 'hyperbolic' | 'euclidean';
  readonly c: number;
  readonly tauE: number;
  readonly tauH: number;
  readonly head: 'hypmix' | 'hyp-vit';
}

const subsets = 20;
const subsetRows = 200;
const limitsOfC = [0.01, 3] as const;
/** Fixed before the trial. */
const thresholds = { delta: 0.3, spread: 0.2, radiusSpread: 0.25 } as const;

/** The result of `node dist/test/advise-trial.js`: how often the rule named the geometry with the higher MAP@R on unseen classes. */
export const trial = { trees: 24, right: 14, saidHyperbolic: 8, rightThen: 2, alwaysEuclidean: 18 } as const;

/** The rule. */
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

/** Measures features. @throws RangeError `ERR_HOROBALL_SHAPE` for fewer than 8 rows */
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
  const some = rowsAt('advise', features, [...order.subarray(0, Math.min(subsetRows, features.rows))]);
  const distances = await pairwiseDistance(some, undefined, { metric: 'euclidean', signal });
  const center = new Float64Array(some.cols);
  for (let i = 0; i < some.data.length; i++) center[i % some.cols]! += some.data[i]! / some.rows;
  const wide = matrix(Float64Array.from(some.data), some.rows, some.cols);
  const radii = await pairwiseDistance(wide, matrix(center, 1, some.cols), { metric: 'euclidean', signal });
  return {
    delta: found.relative,
    interval: [found.relative - margin, found.relative + margin],
    distortion: distortionOf(distances),
    spread: variation(offDiagonal(distances)),
    radiusSpread: variation(Array.from(radii.data)),
    c: Math.min(limitsOfC[1], Math.max(limitsOfC[0], found.suggestedC)),
  };
}

function offDiagonal({ data, rows }: Matrix): number[] {
  return Array.from(data).filter((_, i) => i % rows > Math.floor(i / rows));
}

/** Standard deviation over mean; 0 if all are 0. */
function variation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return mean > 0 ? Math.sqrt(square) / mean : 0;
}

/**
 * The tree replaces Gromov's product of two rows, from row 0, by the largest least product along any path between them (Gromov
 * 1987), which a maximum spanning tree gives.
 */
function distortionOf({ data, rows }: Matrix): number {
  const distance = (i: number, j: number): number => data[i * rows + j]!;
  const product = (i: number, j: number): number => (distance(i, 0) + distance(j, 0) - distance(i, j)) / 2;
  const least = new Float64Array(rows * rows);
  const joined: number[] = [0];
  const best = Array.from({ length: rows }, (_, j) => ({ from: 0, value: product(0, j) }));
  const left = new Set(Array.from({ length: rows - 1 }, (_, i) => i + 1));
  while (left.size > 0) {
    let next = -1;
    for (const j of left) if (next < 0 || best[j]!.value > best[next]!.value) next = j;
    const { from, value } = best[next]!;
    for (const other of joined) {
      const along = other === from ? value : Math.min(value, least[from * rows + other]!);
      least[next * rows + other] = least[other * rows + next] = along;
    }
    joined.push(next);
    left.delete(next);
    for (const j of left) {
      const direct = product(next, j);
      if (direct > best[j]!.value) best[j] = { from: next, value: direct };
    }
  }
  let [difference, total] = [0, 0];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < i; j++) {
      const inTree = distance(i, 0) + distance(j, 0) - 2 * least[i * rows + j]!;
      difference += Math.abs(distance(i, j) - inTree);
      total += distance(i, j);
    }
  return total > 0 ? difference / total : 0;
}
