import { setImmediate } from 'node:timers/promises';
import { type Matrix, matrix } from '../../matrix.ts';
import { dist0, einsteinMidpoint } from '../../ops.ts';
import { pairwiseDistance } from '../../pairwise.ts';
import { topK } from '../../topk.ts';
import { rowsByClass } from '../../views.ts';
import { evenAncestors } from '../data/class-tree.ts';
import type { Split } from '../data/types.ts';
import { chosen, type Embedded } from './evaluate.ts';
import type { DepthRow, Ranks, Spread } from './types.ts';

/** Maximum number of rows for pairwise comparisons: enough to estimate means at a low cost. */
const maxRows = 768;
/** Maximum number of anchors whose rankings are compared, and number of nearest rows for the overlap. */
const maxAnchors = 64;
const nearest = 10;
/** Number of rows to process before yielding to the event loop; they take less than 2 ms. */
const rowsPerTurn = 64;

/**
 * Measures alignment and uniformity of the unit vectors (Wang and Isola 2020, arXiv 2005.10242): the mean squared distance
 * within a class, and the logarithm of the mean of exp(-2 |x - y|^2) over all pairs. Lower is better for both; NaN if there
 * are no pairs.
 */
export async function spreadOf(embedded: Embedded): Promise<Spread> {
  return { alignment: await alignmentOf(embedded), uniformity: await uniformityOf(embedded) };
}

/**
 * Averages the squared distances of all pairs within classes; a sample of rows could contain no such pairs. The time is
 * linear: the squared distances between n rows sum to n times the sum of squared distances from their mean.
 */
export async function alignmentOf({ euclidean, labels, width }: Embedded): Promise<number> {
  let [within, pairs, done] = [0, 0, 0];
  for (const rows of rowsByClass(labels).values()) {
    const mean = new Float64Array(width);
    for (const row of rows) {
      for (let k = 0; k < width; k++) mean[k]! += euclidean[row * width + k]! / rows.length;
      if (++done % rowsPerTurn === 0) await setImmediate();
    }
    let squares = 0;
    for (const row of rows) {
      for (let k = 0; k < width; k++) squares += (euclidean[row * width + k]! - mean[k]!) ** 2;
      if (++done % rowsPerTurn === 0) await setImmediate();
    }
    within += rows.length * squares;
    pairs += (rows.length * (rows.length - 1)) / 2;
  }
  return rounded(within / pairs);
}

/** Estimates the uniformity from all pairs of a sample of rows; see {@link spreadOf}. */
async function uniformityOf({ euclidean, labels, width }: Embedded): Promise<number> {
  const rows = evenly(labels.length, maxRows);
  const count = rows.length;
  if (count < 2) return Number.NaN;
  const { data } = await pairwiseDistance(chosen(matrix(euclidean, labels.length, width), rows), {
    metric: 'euclidean',
  });
  let sum = 0;
  for (let i = 0; i < count; i++) {
    if (i % rowsPerTurn === 0) await setImmediate();
    for (let j = 0; j < i; j++) sum += Math.exp(-2 * data[i * count + j]! ** 2);
  }
  return rounded(Math.log(sum / ((count * (count - 1)) / 2)));
}

/**
 * Compares the rankings of the two outputs: Spearman correlation and overlap of the ten nearest neighbors, averaged over
 * anchors. Both are 1 for a tied head (both outputs are functions of the same unit vector).
 * @returns null for fewer than three rows
 */
export async function ranksOf(
  { euclidean, hyperbolic, labels, width }: Embedded,
  c: number,
): Promise<Ranks | null> {
  const { rows, anchors } = rankedSample(labels.length);
  const others = rows.length - 1;
  if (others < 2) return null; // a single neighbor has rank 1 under any distance
  const order = async (data: Float32Array, metric: 'cosine' | 'poincare'): Promise<Int32Array> => {
    const all = chosen(matrix(data, labels.length, width), rows);
    return (await topK(chosen(all, anchors), all, { metric, c, k: others, exclude: anchors })).indices;
  };
  const [flat, curved] = [await order(euclidean, 'cosine'), await order(hyperbolic, 'poincare')];
  const k = Math.min(nearest, others);
  const rankOf = new Int32Array(rows.length);
  let [correlation, overlap] = [0, 0];
  for (let begin = 0; begin < flat.length; begin += others) {
    for (let rank = 0; rank < others; rank++) rankOf[flat[begin + rank]!] = rank;
    let [squares, shared] = [0, 0];
    for (let rank = 0; rank < others; rank++) {
      const curvedRank = rankOf[curved[begin + rank]!]!;
      squares += (rank - curvedRank) ** 2;
      if (rank < k && curvedRank < k) shared += 1;
    }
    correlation += spearman(squares, others) / anchors.length;
    overlap += shared / k / anchors.length;
  }
  return { spearman: rounded(correlation), overlap: rounded(overlap), nearest };
}

/** Samples the rows 0 to `count` - 1. `anchors` are positions in the sample: those of the rows whose rankings are compared. */
export function rankedSample(count: number): { rows: number[]; anchors: number[] } {
  const rows = evenly(count, maxRows);
  const apart = Math.ceil(rows.length / maxAnchors);
  return { rows, anchors: [...rows.keys()].filter((at) => at % apart === 0) };
}

/** Returns Spearman's correlation, given the sum of the squared rank differences of `n` items. */
function spearman(squares: number, n: number): number {
  return 1 - (6 * squares) / (n * (n * n - 1));
}

/** Returns the name of a level of the class tree; level 0 has the parents of the classes. */
export function levelName(levels: readonly string[] | undefined, up: number): string {
  return levels?.[up] ?? `${up + 1} level${up === 0 ? '' : 's'} up`;
}

/** Distances between the origin and the group midpoints on one level of the class tree. */
export interface LevelRadii {
  level: string;
  radii: Float32Array;
}

/**
 * For each level of the class tree, from single images to all images, measures how far the Einstein midpoint of each group
 * is from the origin. Midpoints of groups whose members are spread out tend to be close to the origin.
 * @returns an empty list without a tree
 */
export async function radiiByLevel(
  { hyperbolic, labels, width }: Embedded,
  { parents, levels }: Pick<Split, 'parents' | 'levels'>,
  c: number,
): Promise<LevelRadii[]> {
  const even = evenAncestors(parents ?? []);
  const depth = even[0]?.length ?? 0;
  if (depth === 0) return [];
  const all = matrix(hyperbolic, labels.length, width);
  const ancestors = Array.from({ length: depth }, (_, up) => ({
    level: levelName(levels, up),
    groups: rowsByClass(Array.from(labels, (label) => even[label]![up]!)),
  }));
  const above = [
    { level: 'class', groups: rowsByClass(labels) },
    ...ancestors,
    { level: 'all', groups: new Map([['', [...labels.keys()]]]) },
  ];
  const radii = async (points: Matrix<Float32Array>): Promise<Float32Array> =>
    (await dist0(points, { c })).data;
  const found = [{ level: 'picture', radii: await radii(all) }];
  for (const { level, groups } of above)
    found.push({ level, radii: await radii(await midpoints(all, groups, c)) });
  return found;
}

/** Returns the number of groups on each level, and the mean and range of their radii. */
export function depthRows(levels: readonly LevelRadii[]): DepthRow[] {
  return levels.map(({ level, radii }) => {
    const { mean, min, max } = summary(radii);
    return { level, groups: radii.length, mean: rounded(mean), min: rounded(min), max: rounded(max) };
  });
}

/** Maximum number of elements to process on this thread without a pause; this takes one or two milliseconds. */
const shortCall = 2 ** 16;

/**
 * Computes the midpoint of each group: of large ones asynchronously, but of small ones on this thread, because 20,000
 * asynchronous calls would be slow.
 */
async function midpoints(
  all: Matrix<Float32Array>,
  groups: ReadonlyMap<unknown, number[]>,
  c: number,
): Promise<Matrix<Float32Array>> {
  const out = new Float32Array(groups.size * all.cols);
  let [at, done] = [0, 0];
  for (const rows of groups.values()) {
    const elements = rows.length * all.cols;
    const points = chosen(all, rows);
    const { data } =
      elements > shortCall ? await einsteinMidpoint(points, { c }) : einsteinMidpoint.sync(points, { c });
    out.set(data, all.cols * at++);
    done += elements;
    if (done < shortCall) continue;
    await setImmediate();
    done = 0;
  }
  return matrix(out, groups.size, all.cols);
}

/** Returns at most `most` evenly spaced rows. If rows are ordered by class, this also samples the classes evenly. */
export function evenly(count: number, most: number): number[] {
  const size = Math.min(count, most);
  return Array.from({ length: size }, (_, i) => Math.floor(((i + 0.5) * count) / size));
}

/**
 * Returns the mean, minimum and maximum; minimum and maximum ignore NaN. Uses a loop, because `Math.min(...values)` overflows
 * the stack for many values.
 */
export function summary(values: Iterable<number>): { mean: number; min: number; max: number } {
  let [sum, count, min, max] = [0, 0, Number.NaN, Number.NaN];
  for (const value of values) {
    sum += value;
    count++;
    if (Number.isNaN(min) || value < min) min = value;
    if (Number.isNaN(max) || value > max) max = value;
  }
  return { mean: sum / count, min, max };
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
