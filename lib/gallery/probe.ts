// Searches of a gallery with an index: rows that the index covers are searched by list, rows added later by exact
// search.
import { probe } from '../call/binding-calls.ts';
import type { CallOptions, Steps } from '../call/run.ts';
import { inSlices } from '../call/slices.ts';
import { threadCount } from '../check.ts';
import { allocate, allocateArray, checkAttached, type Matrix, type Reals } from '../matrix.ts';
import { core } from '../native.ts';
import { type AnyMetricOptions, metricNumbers } from '../pairwise.ts';
import { type Neighbors, topKSteps } from '../topk.ts';
import { type GalleryIndex, onCpu } from './lists.ts';

/** Neighbors, and for each query whether they are proven to be the nearest. */
export interface ProvenNeighbors<T extends Reals = Reals> extends Neighbors<T> {
  /** Per query: 1 if its neighbors are the nearest rows; 0 if a row that was not examined could be nearer. */
  readonly proven: Uint8Array;
}

/** Arguments of a search. */
export interface ProbeOptions extends CallOptions {
  k: number;
  /** Maximum number of lists to search. */
  probes: number;
  exclude: Int32Array | undefined;
  allowed: Uint8Array | undefined;
}

/**
 * Maximum number of neighbors of a search by lists; for more, the index saves no time. The core accepts up to 4,096.
 */
export const mostListed = 1024;

/** Finds the nearest rows to the queries `q`; `index` covers the first part of `rows`. */
export function* searchIndexed<T extends Reals>(
  operation: string,
  q: Matrix<T>,
  rows: Matrix<T>,
  index: GalleryIndex<T>,
  metric: AnyMetricOptions,
  options: ProbeOptions,
): Steps<ProvenNeighbors<T>> {
  const covered = index.lists.length;
  const { k, exclude, allowed, threads, device } = options;
  const first = slice(rows, 0, covered);
  if (covered === rows.rows) return yield* probeSteps(operation, q, first, index, metric, options);
  const listed = yield* probeSteps(operation, q, first, index, metric, {
    ...options,
    k: Math.min(k, covered),
    exclude: exclude && (yield* shifted(exclude, 0, covered)),
    allowed: allowed?.subarray(0, covered),
  });
  const rest = slice(rows, covered, rows.rows);
  const added = yield* topKSteps(operation, q, rest, {
    ...metric,
    threads,
    device,
    k: Math.min(k, rest.rows),
    exclude: exclude && (yield* shifted(exclude, covered, rows.rows)),
    allowed: allowed?.subarray(covered),
  });
  yield* inSlices(added.indices.length, (begin, end) => {
    for (let i = begin; i < end; ++i) if (added.indices[i]! >= 0) added.indices[i]! += covered;
  });
  return { ...(yield* merged(operation, listed, added, k, q)), proven: listed.proven };
}

function slice<T extends Reals>({ data, cols }: Matrix<T>, begin: number, end: number): Matrix<T> {
  return { data: data.subarray(begin * cols, end * cols) as T, rows: end - begin, cols };
}

/** Row numbers relative to `begin`; -1 for rows outside `begin` to `end`. */
function* shifted(list: Int32Array, begin: number, end: number): Steps<Int32Array> {
  const to = new Int32Array(list.length);
  yield* inSlices(list.length, (first, last) => {
    for (let i = first; i < last; ++i) to[i] = list[i]! >= begin && list[i]! < end ? list[i]! - begin : -1;
  });
  return to;
}

function* probeSteps<T extends Reals>(
  operation: string,
  queries: Matrix<T>,
  rows: Matrix<T>,
  { centers, starts, ids, codes, facts, panels, bounds }: GalleryIndex<T>,
  metric: AnyMetricOptions,
  { k, probes, exclude = null, allowed = null, threads, device }: NativeProbe,
): Steps<ProvenNeighbors<T>> {
  const indices = allocateArray(operation, Int32Array, queries.rows * k);
  const distances = allocate(operation, queries.data, queries.rows * k);
  const proven = allocateArray(operation, Uint8Array, queries.rows);
  const call = {
    ...metricNumbers(operation, metric),
    k,
    queries,
    rows,
    lists: centers.rows,
    slots: ids.length,
    probes,
    starts,
    ids,
    codes,
    facts,
    panels,
    bounds,
    exclude,
    allowed,
    indices,
    distances: { data: distances, rows: queries.rows, cols: k },
    proven,
    device: onCpu(operation, device),
    threads: threadCount(operation, threads),
  };
  checkAttached(operation, 'queries', queries);
  const start = (job: number) => (queries.rows === 0 ? undefined : probe(core(), { ...call, job }));
  yield { start, finish: () => {} };
  return { indices, distances, proven };
}

type NativeProbe = Omit<ProbeOptions, 'exclude' | 'allowed'> & {
  readonly exclude?: Int32Array | null | undefined;
  readonly allowed?: Uint8Array | null | undefined;
};

/** Merges two disjoint sets of neighbors by distance, then by row, and keeps the first k. */
function* merged<T extends Reals>(
  operation: string,
  a: Neighbors<T>,
  b: Neighbors<T>,
  k: number,
  queries: Matrix<T>,
): Steps<Neighbors<T>> {
  const indices = allocateArray(operation, Int32Array, queries.rows * k);
  const distances = allocate(operation, queries.data, queries.rows * k);
  const [ka, kb] = [a.indices.length / queries.rows, b.indices.length / queries.rows];
  const merge = (begin: number, end: number): void => {
    for (let query = begin; query < end; ++query) {
      let [i, j] = [query * ka, query * kb];
      const [lastA, lastB] = [i + ka, j + kb];
      for (let place = query * k; place < (query + 1) * k; ++place) {
        const isFirst = j === lastB || (i < lastA && isBefore(a, i, b, j));
        const at = isFirst ? i++ : j++;
        indices[place] = (isFirst ? a : b).indices[at]!;
        distances[place] = (isFirst ? a : b).distances[at]!;
      }
    }
  };
  yield* inSlices(queries.rows, merge, Math.max(1, Math.floor(2048 / k)));
  return { indices, distances };
}

function isBefore(a: Neighbors, i: number, b: Neighbors, j: number): boolean {
  if (b.indices[j]! < 0) return true;
  if (a.indices[i]! < 0) return false;
  const [first, second] = [a.distances[i]!, b.distances[j]!];
  return first < second || (first === second && a.indices[i]! < b.indices[j]!);
}
