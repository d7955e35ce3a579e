import { geometryTerms } from '../../card-names.ts';
import type { Geometry } from '../../cards.ts';
import { matrix } from '../../matrix.ts';
import { type NegativeWeights, negativeWeights } from '../../negatives.ts';
import { pairwiseDistance } from '../../pairwise.ts';
import { rowsByClass } from '../../views.ts';
import { type TrainedGeometry, trainedGeometries } from '../options/define.ts';
import { chosen, type Embedded } from './evaluate.ts';
import type { NegativeProfile, NegativeProfiles } from './types.ts';

/** The loss options of a run, as in `HybridLoss`. */
export interface ProfileOptions {
  geometry: Geometry;
  tied: boolean;
  views: number;
  tauE: number;
  tauH: number;
  lambda: number;
  c: number;
  clipR: number | null;
}

/** The profiles, and sample anchors with their hardest negatives for display. Images are given as row indices. */
export interface MeasuredNegatives {
  profiles: NegativeProfiles;
  strips: {
    anchor: number;
    positive: number;
    hardest: { geometry: TrainedGeometry; negatives: { row: number; weight: number }[] }[];
  }[];
}

/** Number of sample anchors, and of hardest negatives for each. */
const maxStrips = 3;
const stripLength = 5;

/** Maximum number of rows; the cost is quadratic in it. */
const maxRows = 320;
const cosineBins = 20;

/**
 * Measures the weights of the negatives (see `negativeWeights`) in a batch of test images, under every geometry that a
 * run can train, all with the same temperatures. The weights are summed over the ordered pairs of views, as in the loss.
 * @returns null for a geometry that a run cannot train, or if fewer than two classes have at least `views` images
 */
export async function measureNegatives(
  embedded: Embedded,
  options: ProfileOptions,
): Promise<MeasuredNegatives | null> {
  const { views, tied, tauE, tauH, lambda, c, clipR } = options;
  const rows = batchOf(embedded.labels, views);
  const trained = trainedGeometries.find((geometry) => geometry === options.geometry);
  if (trained === undefined || rows.length < 2 * views) return null;
  const { width, labels } = embedded;
  const part = (data: Float32Array) => chosen(matrix(data, labels.length, width), rows);
  const heads = {
    euclidean: part(embedded.euclidean),
    ...(!tied && { hyperbolic: part(embedded.hyperbolic) }),
  };
  const away = (await pairwiseDistance(heads.euclidean, { metric: 'cosine' })).data;
  const profiles: NegativeProfile[] = [];
  const anchors = stripAnchors(rows.length / views, views);
  const strips = anchors.map((at): MeasuredNegatives['strips'][number] => ({
    anchor: rows[at]!,
    positive: rows[at + 1]!,
    hardest: [],
  }));
  for (const geometry of trainedGeometries) {
    const logit = { tied, views, tauE, tauH, lambda, c, clipR, geometry };
    const weights = await negativeWeights({ ...logit, ...heads });
    profiles.push(summarize(weights, away, geometry, options));
    for (const [i, at] of anchors.entries()) {
      const negatives = hardestOf(weights, at).map(({ index, weight }) => ({ row: rows[index]!, weight }));
      strips[i]!.hardest.push({ geometry, negatives });
    }
  }
  return {
    profiles: { own: trained, tied, views, classes: rows.length / views, cosineBins, profiles },
    strips,
  };
}

/** Returns the first image of evenly spaced classes. */
function stripAnchors(classes: number, views: number): number[] {
  const count = Math.min(maxStrips, classes);
  return Array.from({ length: count }, (_, i) => Math.floor((i * classes) / count) * views);
}

/** Returns an anchor's negatives with the largest weights, in descending order. */
function hardestOf(
  { q, rank, anchors }: NegativeWeights,
  anchor: number,
): { index: number; weight: number }[] {
  const count = anchors.length;
  return Array.from({ length: count }, (_, index) => index)
    .filter((index) => rank[anchor * count + index]! >= 0)
    .map((index) => ({ index, weight: rounded(q.data[anchor * count + index]!) }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, stripLength);
}

/** Returns the first `views` images of evenly spaced classes, ordered by class. */
function batchOf(labels: Int32Array, views: number): number[] {
  const full = [...rowsByClass(labels).values()].filter((rows) => rows.length >= views);
  const count = Math.min(full.length, Math.max(2, Math.floor(maxRows / views)));
  const even = Array.from({ length: count }, (_, i) => full[Math.floor((i * full.length) / count)]!);
  return even.flatMap((rows) => rows.slice(0, views));
}

/** Averages the weights of the negatives over the anchors. Rows are ordered by class, so the view of row i is i % views. */
function summarize(
  weights: NegativeWeights,
  away: ArrayLike<number>,
  geometry: TrainedGeometry,
  { views, tied }: ProfileOptions,
): NegativeProfile {
  const anchors = weights.anchors.length;
  const count = anchors - views; // negatives per anchor
  const byRank = Array.from({ length: count }, () => [0, 0] as [number, number]);
  const byCosine = Array.from({ length: cosineBins }, () => ({ count: 0, weight: 0, pull: 0 }));
  let pull = 0;
  for (let i = 0; i < anchors; i++) {
    for (let j = 0; j < anchors; j++) {
      const at = i * anchors + j;
      const rank = weights.rank[at]!;
      if (rank < 0) continue;
      const share = weights.q.data[at]! / anchors;
      byRank[rank]![i % views === j % views ? 0 : 1] += share;
      const bin = byCosine[binOf(1 - away[at]!)]!;
      const pulled = (weights.pullEuclidean.data[at]! + weights.pullHyperbolic.data[at]!) / anchors;
      bin.count += 1 / (anchors * count);
      bin.weight += share;
      bin.pull += pulled;
      pull += pulled;
    }
  }
  const mean = (values: Float64Array): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  // The outputs of an untied head have different tangent spaces, so the norms of their gradients do not add.
  const { inner, distance } = geometryTerms[geometry];
  const comparable = tied || !(inner && distance);
  return {
    geometry,
    negatives: count,
    effective: rounded(mean(weights.effective)),
    hardest1: rounded(mean(weights.hardest1)),
    hardest10: rounded(mean(weights.hardest10)),
    sameView: rounded(mean(weights.sameView)),
    missed: rounded(1 - mean(weights.positive) / (views - 1)),
    byRank: atRanks(byRank),
    byCosine: {
      count: byCosine.map((bin) => rounded(bin.count)),
      weight: byCosine.map((bin) => rounded(bin.weight)),
      pull: comparable ? byCosine.map((bin) => rounded(pull > 0 ? bin.pull / pull : 0)) : null,
    },
  };
}

function binOf(cosine: number): number {
  return Math.max(0, Math.min(cosineBins - 1, Math.floor(((cosine + 1) / 2) * cosineBins)));
}

/** Accumulates weights over the hardest 1, 2, 3, 4, 5, 7, 9, ... negatives; the counts grow by a factor of about 1.35. */
function atRanks(byRank: readonly [number, number][]): NegativeProfile['byRank'] {
  const sums: NegativeProfile['byRank'] = { hardest: [], sameView: [], crossView: [] };
  let [same, cross, next] = [0, 0, 1];
  for (const [rank, shares] of byRank.entries()) {
    same += shares[0];
    cross += shares[1];
    if (rank + 1 < next && rank + 1 < byRank.length) continue;
    sums.hardest.push(rank + 1);
    sums.sameView.push(rounded(same));
    sums.crossView.push(rounded(cross));
    next = Math.max(rank + 2, Math.round((rank + 1) * 1.35));
  }
  return sums;
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
