// Exact searches of an index for many queries, by one of two methods. Searching only the lists (clusters of rows)
// nearest to a query is faster if the points form clusters; otherwise, comparing every query with every row in tiles is
// faster. To decide, a sample of the queries is searched in their nearest lists, which together have at most half of the
// rows. If at least half of the results are proven, which means that no other row can be nearer, the other queries are
// searched in the same way. Queries without a proven result are then searched in tiles. The decision does not depend on
// timing, so it is reproducible.
//
// Both methods return the same bits. Tiles compute distances in the type of the rows, so they only propose candidates; a
// small index of the candidates then ranks them. A result counts only if no other row can be as near, whatever the
// rounding errors of the tiles. The remaining queries are searched in all lists.
import { pause, type Steps } from '../call/run.ts';
import { gatherRows, inSlices, range, rowsPerSlice } from '../call/slices.ts';
import { allocate, allocateArray, type Matrix, type Reals, zeros } from '../matrix.ts';
import type { AnyMetricOptions } from '../pairwise.ts';
import { type Neighbors, topKSteps } from '../topk.ts';
import {
  encodeIndex,
  type GalleryIndex,
  moveCenters,
  type ProbeOptions,
  type ProvenNeighbors,
  searchLists,
} from './lists.ts';

/** Minimum number of queries for tiles: for fewer, preparing all rows takes longer than searching the index. */
export const leastTiled = 128;
/** Minimum number of rows per candidate for tiles: for fewer, ranking the candidates takes too much of the time. */
export const rowsPerCandidate = 2048;
/** Maximum number of queries per decision, and the approximate number of them in the sample. */
const mostQueries = 4096;
const sampled = 8;
/** Maximum number of lists that the decision sorts by their distance from a query. */
const mostOrdered = 4096;
/** Approximate number of candidates in one small index. */
const groupCandidates = 1024;
/** Largest coordinate of a query, and range of distances, for which float32 squares neither overflow nor underflow. */
const largest = 1e15;
const nearest = 1e-8;
const farthest = 1e16;

/** An exact search, and its result so far. */
interface Search<T extends Reals> {
  readonly operation: string;
  readonly queries: Matrix<T>;
  readonly rows: Matrix<T>;
  readonly index: GalleryIndex<T>;
  readonly metric: AnyMetricOptions;
  readonly options: ProbeOptions;
  readonly result: ProvenNeighbors<T>;
}

/** Finds the nearest rows, with the same results as {@link searchLists}; `index` covers all of `rows`. */
export function* searchBatch<T extends Reals>(
  operation: string,
  queries: Matrix<T>,
  rows: Matrix<T>,
  index: GalleryIndex<T>,
  metric: AnyMetricOptions,
  options: ProbeOptions,
): Steps<ProvenNeighbors<T>> {
  const { k, probes } = options;
  const isExact = probes >= index.centers.rows;
  if (!isExact || queries.rows < leastTiled || rows.rows < rowsPerCandidate * tiledCount(k))
    return yield* searchLists(operation, queries, rows, index, metric, options);
  const result = {
    indices: allocateArray(operation, Int32Array, queries.rows * k),
    distances: allocate(operation, queries.data, queries.rows * k),
    proven: allocateArray(operation, Uint8Array, queries.rows),
  };
  const search = { operation, queries, rows, index, metric, options, result };
  const all = yield* range(queries.rows);
  for (let begin = 0; begin < queries.rows; begin += mostQueries)
    yield* decided(search, all.subarray(begin, begin + mostQueries));
  return result;
}

/**
 * Searches a sample of the queries in lists, and the others too if at least half of the sample's results are proven.
 * Searches queries that are still unproven in tiles if there are many, and the rest in all lists.
 */
function* decided<T extends Reals>(search: Search<T>, at: Int32Array): Steps<void> {
  const step = Math.floor(at.length / sampled) || 1;
  const sample = at.filter((_, i) => i % step === 0);
  const probes = yield* listsOfHalf(search, sample);
  if (probes > 0) yield* listed(search, sample, probes);
  if (2 * unproven(search, sample).length <= sample.length) {
    const others = at.filter((_, i) => i % step !== 0);
    yield* listed(search, others, probes);
  }
  if (unproven(search, at).length >= leastTiled) yield* tiled(search, unproven(search, at));
  const rest = unproven(search, at);
  if (rest.length > 0) yield* listed(search, rest, search.index.centers.rows);
}

/** Returns the given positions whose results are not proven yet. */
function unproven({ result }: Search<Reals>, at: Int32Array): Int32Array {
  return at.filter((position) => result.proven[position] !== 1);
}

/**
 * Returns how many of a query's nearest lists together have at most half of the rows: the median over the queries at the
 * given positions.
 */
function* listsOfHalf<T extends Reals>(search: Search<T>, at: Int32Array): Steps<number> {
  const { operation, metric, options, index } = search;
  const { queries } = yield* gathered(search, at);
  const { centers, starts } = index;
  const k = Math.min(mostOrdered, centers.rows);
  const call = { ...metric, threads: options.threads, device: 'cpu', k } as const;
  const { indices } = yield* topKSteps(operation, queries, centers, call);
  const counts = new Int32Array(at.length);
  for (let i = 0; i < at.length; ++i) {
    let slots = 0;
    for (let place = 0; place < k; ++place) {
      const list = indices[i * k + place]!;
      if (list >= 0) slots += starts[list + 1]! - starts[list]!;
      if (2 * slots > index.ids.length) break;
      counts[i]! += 1;
    }
    yield pause;
  }
  return counts.sort()[at.length >> 1]!;
}

/** For each query at the given positions, searches the lists of its `probes` nearest centers. Keeps proven results. */
function* listed<T extends Reals>(search: Search<T>, at: Int32Array, probes: number): Steps<void> {
  const { operation, rows, index, metric, options } = search;
  const { queries, exclude } = yield* gathered(search, at);
  const found = yield* searchLists(operation, queries, rows, index, metric, { ...options, probes, exclude });
  yield* keepProven(search, at, found);
}

/** Compares the queries at the given positions with every row. Keeps proven results. */
function* tiled<T extends Reals>(search: Search<T>, at: Int32Array): Steps<void> {
  const { operation, rows, metric, options } = search;
  const { allowed, threads, k } = options;
  const { queries, exclude } = yield* gathered(search, at);
  const count = tiledCount(k);
  const call = { ...metric, threads, device: 'cpu', k: count, allowed, exclude } as const;
  const { indices, distances } = yield* topKSteps(operation, queries, rows, call);
  const last = (i: number): number => distances[(i + 1) * count - 1]!;
  const usable = yield* rowsInRange(queries, last);
  const nearer = 1 - roundingError(queries);
  const size = Math.max(1, Math.floor(groupCandidates / count));
  for (let begin = 0; begin < usable.length; begin += size) {
    const group = usable.slice(begin, begin + size);
    const positions = Int32Array.from(group, (i) => at[i]!);
    const candidates = group.map((i) => indices.subarray(i * count, (i + 1) * count));
    const near = yield* ranked(search, positions, candidates);
    const isComplete = (i: number, place: number): boolean =>
      near.distances[(place + 1) * k - 1]! < last(i) * nearer;
    yield* keepProven(search, positions, { ...near, proven: group.map(isComplete).map(Number) });
  }
}

/**
 * Returns the number of candidates per query: k + 6, rounded up to a multiple of 16. The last candidate is then usually
 * farther than the k-th by more than the rounding error.
 */
function tiledCount(k: number): number {
  return 16 * Math.ceil((k + 6) / 16);
}

/**
 * Returns the queries for which float32 squares neither overflow nor underflow.
 * @param last - returns the distance of a query's last candidate
 */
function* rowsInRange({ data, rows, cols }: Matrix, last: (i: number) => number): Steps<number[]> {
  const found: number[] = [];
  const isSmall = (value: number): boolean => Math.abs(value) < largest;
  const examine = (begin: number, end: number): void => {
    for (let i = begin; i < end; ++i)
      if (last(i) > nearest && last(i) < farthest && data.subarray(i * cols, (i + 1) * cols).every(isSmall))
        found.push(i);
  };
  yield* inSlices(rows, examine, rowsPerSlice(cols));
  return found;
}

/**
 * Returns a bound on the relative error of distances in tiles. In float32, an inner product of d columns has an error
 * of at most d 2^-24 relative to the sum of the squared norms. Squared differences below a tenth of this sum are not
 * computed from the inner product (kFair, native/ops/near.h), so a squared difference that is computed from it has at
 * most ten times this relative error.
 */
function roundingError({ data, cols }: Matrix): number {
  return 10 * (cols + 16) * (data.BYTES_PER_ELEMENT === 4 ? 2 ** -24 : 2 ** -53);
}

/** Ranks the candidates of each query: builds an index of all candidates, with one list per query, and searches it. */
function* ranked<T extends Reals>(
  search: Search<T>,
  at: Int32Array,
  candidates: readonly Int32Array[],
): Steps<Neighbors<T>> {
  const { operation, metric, options } = search;
  const { threads, device } = options;
  const owners = new Map<number, number>();
  candidates.forEach((list, owner) => {
    for (const row of list) if (!owners.has(row)) owners.set(row, owner);
  });
  // Sorted in ascending order, so that ties go to the lower row.
  const union = Int32Array.from(owners.keys()).sort();
  const places = new Map(Array.from(union, (row, place) => [row, place]));
  const lists = union.map((row) => owners.get(row)!);
  const { queries, exclude } = yield* gathered(search, at);
  const rows = yield* gatherRows(operation, 'gallery', search.rows, union);
  const centers = zeros(operation, rows.data, at.length, rows.cols);
  const call = { ...metric, threads, device };
  yield* moveCenters(operation, rows, centers, lists, new Int32Array(at.length), call);
  const index = yield* encodeIndex(operation, rows, centers, lists, call);
  const { indices, distances } = yield* searchLists(operation, queries, rows, index, metric, {
    ...options,
    exclude: exclude?.map((row) => places.get(row) ?? -1),
    allowed: undefined,
  });
  return { indices: indices.map((place) => (place < 0 ? -1 : union[place]!)), distances };
}

/** Copies the queries at the given positions, and their entries of `exclude`. */
function* gathered<T extends Reals>(
  { operation, queries, options }: Search<T>,
  at: Int32Array,
): Steps<{ queries: Matrix<T>; exclude: Int32Array | undefined }> {
  const exclude = options.exclude && at.map((position) => options.exclude![position]!);
  return { queries: yield* gatherRows(operation, 'queries', queries, at), exclude };
}

/** Copies proven neighbors to the result of the search; `at` contains the positions of their queries. */
function* keepProven<T extends Reals>(
  { options: { k }, result }: Search<T>,
  at: Int32Array,
  { indices, distances, proven }: Neighbors<T> & { readonly proven: ArrayLike<number> },
): Steps<void> {
  const keep = (begin: number, end: number): void => {
    for (let i = begin; i < end; ++i) {
      if (proven[i] !== 1) continue;
      const to = at[i]!;
      result.indices.set(indices.subarray(i * k, (i + 1) * k), to * k);
      result.distances.set(distances.subarray(i * k, (i + 1) * k), to * k);
      result.proven[to] = 1;
    }
  };
  yield* inSlices(at.length, keep, Math.max(1, Math.floor(2048 / k)));
}
