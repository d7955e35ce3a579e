// Searches of a gallery with an index: rows that the index covers are searched by list, rows added later by exact
// search.
import type { Steps } from '../call/run.ts';
import { inSlices } from '../call/slices.ts';
import { allocate, allocateArray, type Matrix, type Reals } from '../matrix.ts';
import type { AnyMetricOptions } from '../pairwise.ts';
import { type Neighbors, topKSteps } from '../topk.ts';
import { searchBatch } from './batch.ts';
import type { GalleryIndex, ProbeOptions, ProvenNeighbors } from './lists.ts';

/**
 * Maximum k of a search with the index, which saves no time for more neighbors. The core accepts up to 4,096.
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
  if (covered === rows.rows) return yield* searchBatch(operation, q, first, index, metric, options);
  const listed = yield* searchBatch(operation, q, first, index, metric, {
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

/** Returns the row numbers relative to `begin`; -1 for rows outside the range from `begin` to `end`. */
function* shifted(list: Int32Array, begin: number, end: number): Steps<Int32Array> {
  const to = new Int32Array(list.length);
  yield* inSlices(list.length, (first, last) => {
    for (let i = first; i < last; ++i) to[i] = list[i]! >= begin && list[i]! < end ? list[i]! - begin : -1;
  });
  return to;
}

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
