import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { gatherRows, inSlices, sorted } from './call/slices.ts';
import { callNames, checkOptions, integer, isTyped, metricNames } from './check.ts';
import { quoted, shapeError, typeError } from './errors.ts';
import { integerList, type ListLimits, listLength } from './integers.ts';
import { allocate, allocateArray, asMatrix, checkKept, type Reals, type Rows } from './matrix.ts';
import { checkPair, type MetricOptions, metricNumbers } from './pairwise.ts';
import { type Neighbors, topKSteps } from './topk.ts';

/** Options of {@link rerank}. */
export type RerankOptions = MetricOptions &
  CallOptions & {
    /** Neighbors per query, from 1 to the largest number of candidates of a query. */
    k: number;
  };

/**
 * Gallery rows that an index found: a flat list with the same number of rows per query, or one list per query. -1 and
 * duplicates are skipped. The keys of usearch can be passed as they are.
 */
export type Candidates = CandidateList | readonly CandidateList[];
type CandidateList = ArrayLike<number> | BigInt64Array | BigUint64Array;

const name = 'rerank';
const known: ReadonlySet<string> = new Set([...metricNames, ...callNames, 'k']);

function* search<T extends Reals>(
  queries: Rows<T>,
  gallery: Rows<T>,
  candidates: Candidates,
  given: RerankOptions,
): Steps<Neighbors<T>> {
  const { k: wanted, metric, c, compat, threads, device } = checkOptions(name, given, 'options', known);
  const q = asMatrix(name, 'queries', queries);
  const g = asMatrix(name, 'gallery', gallery);
  checkPair(name, 'gallery', q, g);
  metricNumbers(name, { metric, c, compat });
  const { most, of } = yield* listsOf(candidates, q.rows, g.rows);
  const k = integer(name, 'k', wanted, 1, Math.max(1, most));
  const indices = allocateArray(name, Int32Array, q.rows * k).fill(-1);
  const distances = allocate(name, q.data, q.rows * k).fill(Number.POSITIVE_INFINITY);
  for (let i = 0; i < q.rows; ++i) {
    const rows = yield* distinct(of(i)); // ascending, so that ties go to the lower row index
    if (rows.length === 0) continue;
    const options = { metric, c, compat, threads, device, k: Math.min(k, rows.length) };
    const query = yield* gatherRows(name, 'queries', q, Int32Array.of(i));
    const near = yield* gatherRows(name, 'gallery', g, rows);
    const found = yield* topKSteps(name, query, near, options);
    yield* inSlices(found.indices.length, (begin, end) => {
      for (let rank = begin; rank < end; ++rank) {
        const at = found.indices[rank]!;
        if (at >= 0) indices[i * k + rank] = rows[at]!;
      }
    });
    distances.set(found.distances, i * k);
  }
  return { indices, distances: distances as T };
}

/** Returns the rows of a list in ascending order, each once, without -1. */
function* distinct(list: Int32Array): Steps<Int32Array> {
  const rows = yield* sorted(list, (a, b) => a - b);
  let count = 0;
  yield* inSlices(rows.length, (begin, end) => {
    for (let i = begin; i < end; ++i) {
      const row = rows[i]!;
      if (row >= 0 && (count === 0 || row !== rows[count - 1])) rows[count++] = row;
    }
  });
  return rows.subarray(0, count);
}

/** The candidates of query i, and the length of the longest list. */
interface Lists {
  readonly most: number;
  readonly of: (i: number) => Int32Array;
}

/** Checks and copies a list of candidates, whose elements may be 64-bit integers. */
function* candidateList(argument: string, list: CandidateList, limits: ListLimits): Steps<Int32Array> {
  if (!isTyped<BigInt64Array | BigUint64Array>(list, BigInt64Array, BigUint64Array))
    return yield* integerList(name, argument, list, limits);
  const length = listLength(name, argument, list, 'an array of integers');
  const numbers = allocateArray(name, Float64Array, length);
  yield* inSlices(length, (begin, end) => {
    checkKept(name, argument, list, length);
    for (let i = begin; i < end; ++i) numbers[i] = Number(list[i]);
  });
  return yield* integerList(name, argument, numbers, limits);
}

function* listsOf(candidates: Candidates, queries: number, rows: number): Steps<Lists> {
  const limits = { least: -1, most: rows - 1 };
  if (candidates === null || typeof candidates !== 'object')
    throw typeError(name, 'candidates', 'an array', quoted(candidates));
  if (typeof candidates[0] === 'object') {
    const { length } = candidates;
    if (length !== queries) throw shapeError(name, 'candidates', `${queries} lists`, quoted(length));
    const lists: Int32Array[] = [];
    let most = 0;
    for (let i = 0; i < queries; ++i) {
      const list = yield* candidateList(`candidates[${i}]`, candidates[i] as CandidateList, limits);
      most = Math.max(most, list.length);
      lists.push(list);
    }
    return { most, of: (i) => lists[i]! };
  }
  const flat = yield* candidateList('candidates', candidates as CandidateList, limits);
  const each = queries === 0 ? 0 : flat.length / queries;
  if (!Number.isInteger(each))
    throw shapeError(
      name,
      'candidates',
      `a length that is a multiple of the number of queries (${queries})`,
      String(flat.length),
    );
  return { most: each, of: (i) => flat.subarray(i * each, (i + 1) * each) };
}

/** The type of {@link rerank}. */
export interface Rerank {
  <T extends Reals>(
    queries: Rows<T>,
    gallery: Rows<T>,
    candidates: Candidates,
    options: RerankOptions & AsyncOptions,
  ): Promise<Neighbors<T>>;
  sync<T extends Reals>(
    queries: Rows<T>,
    gallery: Rows<T>,
    candidates: Candidates,
    options: RerankOptions,
  ): Neighbors<T>;
}

/**
 * Ranks candidates by their exact distance to each query (n x d). The candidates are gallery rows (m x d) that an
 * approximate index, such as usearch, faiss or pgvector, returned. Ties go to the lower row index.
 *
 * @returns flat n x k arrays of gallery rows and their distances, nearest first; -1 and Infinity if a query has fewer
 * candidates than k, or they are at infinite distance
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const points = matrix([[0, 0], [0.1, 0], [0.5, 0]]);
 * const { indices } = await rerank(matrix([[0.4, 0]]), points, [[0, 2]], { k: 2, c: 1 });
 * indices; // => new Int32Array([2, 0])
 */
export const rerank: Rerank = Object.assign(
  <T extends Reals>(
    queries: Rows<T>,
    gallery: Rows<T>,
    candidates: Candidates,
    options: RerankOptions & AsyncOptions,
  ) => runSteps(name, options?.signal, () => search(queries, gallery, candidates, options)),
  {
    sync: <T extends Reals>(
      queries: Rows<T>,
      gallery: Rows<T>,
      candidates: Candidates,
      options: RerankOptions,
    ) => runStepsSync(name, search(queries, gallery, candidates, options), options?.signal),
  },
);
