/** Metrics of how well embeddings reflect a class tree. */
import { setImmediate } from 'node:timers/promises';
import { type Matrix, matrix } from '../../matrix.ts';
import { topK } from '../../topk.ts';
import { evenAncestors } from '../data/class-tree.ts';
import type { Split } from '../data/types.ts';
import { chosen, type Distance, type Embedded } from './evaluate.ts';
import { evenly, type LevelRadii, levelName, rankedSample } from './structure.ts';
import type { Hierarchy, HierarchyFit } from './types.ts';

/** The values of K in Recall@K per level, and the maximum number of queries. */
const ks = [1, 10] as const;
const maxQueries = 4096;
/** Number of queries to process before yielding to the event loop; they take less than 2 ms. */
const queriesPerTurn = 512;

/**
 * Heights of lowest common ancestors (LCA) in a class tree: 0 for the same class, `root` if the root is the only common
 * ancestor.
 */
export class LcaHeights {
  /** Height of the root: one more than the number of levels above the classes. */
  readonly root: number;
  readonly #ancestors: readonly (readonly string[])[];

  /** @param parents - the ancestors of each class, nearest first */
  constructor(parents: readonly (readonly string[])[]) {
    this.#ancestors = evenAncestors(parents);
    this.root = 1 + (this.#ancestors[0]?.length ?? 0);
  }

  of(a: number, b: number): number {
    if (a === b) return 0;
    const [of, other] = [this.#ancestors[a]!, this.#ancestors[b]!];
    const shared = of.findIndex((name, up) => name === other[up]);
    return shared === -1 ? this.root : shared + 1;
  }
}

/**
 * Compares the embeddings with the class tree, in every space except `fused`.
 * @param radii - distances of the group midpoints from the origin, one entry per level
 * @returns null without a tree, or for fewer than three images
 */
export async function hierarchyOf(
  embedded: Embedded,
  { parents, levels }: Pick<Split, 'parents' | 'levels'>,
  c: number,
  radii: readonly LevelRadii[],
): Promise<Hierarchy | null> {
  const heights = new LcaHeights(parents ?? []);
  const depth = heights.root - 1;
  if (depth === 0 || embedded.labels.length < 3) return null;
  const { body, euclidean, hyperbolic, labels, width, bodyWidth } = embedded;
  const fit = (data: Float32Array, cols: number, distance: Distance): Promise<HierarchyFit> =>
    fitOf(matrix(data, labels.length, cols), labels, heights, distance);
  return {
    levels: ['class', ...Array.from({ length: depth }, (_, up) => levelName(levels, up))],
    spaces: {
      hyperbolic: await fit(hyperbolic, width, { metric: 'poincare', c }),
      cosine: await fit(euclidean, width, { metric: 'cosine' }),
      body: await fit(body, bodyWidth, { metric: 'cosine' }),
    },
    depthRadius: depthRadius(radii),
  };
}

async function fitOf(
  all: Matrix<Float32Array>,
  labels: Int32Array,
  heights: LcaHeights,
  distance: Distance,
): Promise<HierarchyFit> {
  return {
    ...(await nearestOf(all, labels, heights, distance)),
    ...(await rankingsOf(all, labels, heights, distance)),
  };
}

/** Computes the mean LCA height of images and their nearest neighbors, and Recall@K per level. */
async function nearestOf(
  all: Matrix<Float32Array>,
  labels: Int32Array,
  heights: LcaHeights,
  distance: Distance,
): Promise<Pick<HierarchyFit, 'nearestLca' | 'recall'>> {
  const queries = evenly(all.rows, maxQueries);
  const k = Math.min(Math.max(...ks), all.rows - 1);
  const { indices } = await topK(chosen(all, queries), all, { ...distance, k, exclude: queries });
  const hits = ks.map(() => new Float64Array(heights.root));
  let sum = 0;
  for (const [i, query] of queries.entries()) {
    if (i % queriesPerTurn === 0) await setImmediate();
    const found = Array.from(indices.subarray(i * k, (i + 1) * k), (row) =>
      heights.of(labels[query]!, labels[row]!),
    );
    sum += found[0]!;
    for (const [which, at] of ks.entries())
      for (let up = Math.min(...found.slice(0, at)); up < heights.root; up++) hits[which]![up]! += 1;
  }
  const recall = Object.fromEntries(
    ks.map((at, i) => [at, Array.from(hits[i]!, (count) => rounded(count / queries.length))]),
  );
  return { nearestLca: rounded(sum / queries.length), recall };
}

/** Measures how well rankings by distance agree with rankings by LCA height, averaged over the anchors of a sample. */
async function rankingsOf(
  all: Matrix<Float32Array>,
  labels: Int32Array,
  heights: LcaHeights,
  distance: Distance,
): Promise<Pick<HierarchyFit, 'ndcg' | 'spearman' | 'rankDistortion'>> {
  const { rows, anchors } = rankedSample(all.rows);
  const others = rows.length - 1;
  const sample = chosen(all, rows);
  const { indices } = await topK(chosen(sample, anchors), sample, {
    ...distance,
    k: others,
    exclude: anchors,
  });
  const [ndcg, spearman, distortion] = [new Mean(), new Mean(), new Mean()];
  for (const [i, anchor] of anchors.entries()) {
    await setImmediate();
    const ranked = Array.from(indices.subarray(i * others, (i + 1) * others), (at) =>
      heights.of(labels[rows[anchor]!]!, labels[rows[at]!]!),
    );
    ndcg.add(normalizedGain(ranked, heights.root));
    const places = Array.from(ranked, (_, place) => place + 1);
    const byTree = midranks(ranked);
    spearman.add(correlation(places, byTree));
    distortion.add(
      places.reduce((sum, place, at) => sum + Math.abs(place - byTree[at]!), 0) / others / others,
    );
  }
  return {
    ndcg: rounded(ndcg.value),
    spearman: rounded(spearman.value),
    rankDistortion: rounded(distortion.value),
  };
}

/** Mean of the values that are not NaN; NaN if there are no such values. */
class Mean {
  #sum = 0;
  #count = 0;

  add(value: number): void {
    if (Number.isNaN(value)) return;
    this.#sum += value;
    this.#count++;
  }

  get value(): number {
    return this.#sum / this.#count;
  }
}

/**
 * Returns the normalized discounted cumulative gain of a ranking (Järvelin and Kekäläinen 2002): the gain of an image is
 * the number of ancestors below the root that it shares with the anchor, including the class; the discount of rank r is
 * log2(1 + r).
 * @returns from 0 to 1; NaN if no image has a gain
 */
export function normalizedGain(ranked: readonly number[], root: number): number {
  const gains = ranked.map((height) => root - height);
  const total = (list: readonly number[]): number =>
    list.reduce((sum, gain, place) => sum + gain / Math.log2(place + 2), 0);
  return total(gains) / total(gains.toSorted((a, b) => b - a));
}

/** Returns the rank of each value, from 1; equal values share the mean of their ranks. */
export function midranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let i = first; i < end; i++) ranks[order[i]!] = (first + 1 + end) / 2;
    first = end;
  }
  return ranks;
}

/** Returns the Pearson correlation, which is Spearman's correlation if the inputs are ranks; NaN if one is constant. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [a, b].map((values) => values.reduce((sum, x) => sum + x, 0) / values.length) as [
    number,
    number,
  ];
  let [aa, ab, bb] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    const [dx, dy] = [x - meanA, b[i]! - meanB];
    aa += dx * dx;
    ab += dx * dy;
    bb += dy * dy;
  }
  return aa === 0 || bb === 0 ? Number.NaN : ab / Math.sqrt(aa * bb);
}

/** Maximum number of groups per level in {@link depthRadius}; more would block the event loop. */
const maxGroups = 1024;

/** Returns Spearman's correlation between the depth of a group in the tree and its midpoint's distance from the origin. */
function depthRadius(levels: readonly LevelRadii[]): number {
  const sampled = levels.map(({ radii }) => evenly(radii.length, maxGroups).map((at) => radii[at]!));
  const depths = sampled.flatMap((radii, up) => radii.map(() => -up));
  const distances = sampled.flat();
  return rounded(correlation(midranks(depths), midranks(distances)));
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
