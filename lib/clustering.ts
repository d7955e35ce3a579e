import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { inSlices } from './call/slices.ts';
import { callNames, checkOptions, integer, metricNames } from './check.ts';
import { rangeError, shapeError } from './errors.ts';
import { trainCenters } from './gallery/lists.ts';
import { asMatrix, type Matrix } from './matrix.ts';
import type { MetricOptions } from './pairwise.ts';
import { topKSteps } from './topk.ts';
import { checkLabels, classesOf, type Labels } from './views.ts';

/** Options of {@link clusteringMetrics}. */
export type ClusteringOptions = MetricOptions & CallOptions & ClusteringParameters;

/** The parameters of k-means. */
export interface ClusteringParameters {
  /** Number of clusters, from 1 to the number of rows; default the number of classes. */
  clusters?: number | undefined;
  /** Iterations per start, from 1 to 1000; default 30. */
  iterations?: number | undefined;
  /**
   * Number of random starts, from 1 to 1000; the result with the smallest sum of squared distances is used. Default 5.
   */
  restarts?: number | undefined;
  /** Seed of the starts, a nonnegative integer; default 0. */
  seed?: number | undefined;
}

/** How well clusters agree with the labels of their rows. */
export interface ClusteringMetrics {
  /** Normalized mutual information, from 0 to 1: twice the mutual information, divided by the sum of both entropies. */
  nmi: number;
  /**
   * The cluster of each row; -1 for rows without a distance (NaN, outside the ball). `nmi` treats these rows as one
   * more cluster.
   */
  clusters: Int32Array;
}

const name = 'clusteringMetrics';
const known: ReadonlySet<string> = new Set([
  ...metricNames,
  ...callNames,
  'clusters',
  'iterations',
  'restarts',
  'seed',
]);

/**
 * Elements between two reads of the clock: about half a millisecond of work, because an element with its string keys
 * takes about a microsecond.
 */
const pairsPerSlice = 1 << 9;

/** Returns the normalized mutual information of two lists of numbers; 1 if both are constant. */
export function* mutualInformation(a: Int32Array, b: Int32Array): Steps<number> {
  const counts = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()] as const;
  const count = (begin: number, end: number): void => {
    for (let i = begin; i < end; ++i) {
      const keys = [`${a[i]}`, `${b[i]}`, `${a[i]} ${b[i]}`];
      for (const [at, key] of keys.entries()) counts[at]!.set(key, (counts[at]!.get(key) ?? 0) + 1);
    }
  };
  yield* inSlices(a.length, count, pairsPerSlice);
  const [first = 0, second = 0, joint = 0] = counts.map((of) => {
    let entropy = 0;
    for (const count of of.values()) entropy -= (count / a.length) * Math.log(count / a.length);
    return entropy;
  });
  if (first + second === 0) return 1;
  return Math.min(1, Math.max(0, (2 * (first + second - joint)) / (first + second)));
}

function* countClasses(numbers: Int32Array): Steps<number> {
  const found = new Set<number>();
  yield* inSlices(numbers.length, (begin, end) => {
    for (let i = begin; i < end; ++i) found.add(numbers[i]!);
  });
  return found.size;
}

function* measure(embeddings: Matrix, labels: Labels, given: ClusteringOptions): Steps<ClusteringMetrics> {
  const options = checkOptions(name, given, 'options', known);
  const all = asMatrix(name, 'embeddings', embeddings);
  const { numbers } = yield* classesOf(yield* checkLabels(name, labels, all.rows));
  if (all.rows === 0) throw shapeError(name, 'embeddings', 'at least one row', 'none');
  const { metric, c, compat, threads, device, iterations = 30, restarts = 5, seed = 0 } = options;
  for (const [key, value] of Object.entries({ iterations, restarts })) integer(name, key, value, 1, 1000);
  integer(name, 'seed', seed, 0, Number.MAX_SAFE_INTEGER);
  const lists = options.clusters ?? (yield* countClasses(numbers));
  if (!Number.isInteger(lists) || lists < 1 || lists > all.rows)
    throw rangeError(name, 'clusters', `an integer from 1 to ${all.rows}`, lists);
  const call = { metric, c, compat, threads, device };
  let best: { sum: number; clusters: Int32Array } | undefined;
  for (let start = 0; start < restarts; ++start) {
    const settings = { lists, seed: seed + start };
    const centers = yield* trainCenters(name, all, all.rows, settings, call, () => {}, iterations);
    const { indices, distances } = yield* topKSteps(name, all, centers, { ...call, k: 1 });
    let sum = 0;
    yield* inSlices(distances.length, (begin, end) => {
      for (let i = begin; i < end; ++i) if (distances[i]! < Infinity) sum += distances[i]! * distances[i]!;
    });
    if (best === undefined || sum < best.sum) best = { sum, clusters: indices };
  }
  const { clusters } = best!;
  return { nmi: yield* mutualInformation(numbers, clusters), clusters };
}

/** The type of {@link clusteringMetrics}. */
export interface ClusteringMetricsFunction {
  (embeddings: Matrix, labels: Labels, options: ClusteringOptions & AsyncOptions): Promise<ClusteringMetrics>;
  sync(embeddings: Matrix, labels: Labels, options: ClusteringOptions): ClusteringMetrics;
}

/**
 * Groups rows by k-means under a metric and compares the clusters with labels, by the normalized mutual information
 * (NMI) that papers on metric learning report. The center of a cluster in the ball is its Einstein midpoint.
 *
 * @param embeddings - n x d, one row per sample
 * @param labels - one label per row
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const x = matrix([[0, 0], [0.1, 0], [0.8, 0], [0.9, 0]]);
 * const { nmi } = await clusteringMetrics(x, ['a', 'a', 'b', 'b'], { c: 1 });
 * nmi; // => 1
 */
export const clusteringMetrics: ClusteringMetricsFunction = Object.assign(
  (embeddings: Matrix, labels: Labels, options: ClusteringOptions & AsyncOptions) =>
    runSteps(name, options?.signal, () => measure(embeddings, labels, options)),
  {
    sync: (embeddings: Matrix, labels: Labels, options: ClusteringOptions) =>
      runStepsSync(name, measure(embeddings, labels, options), options?.signal),
  },
);
