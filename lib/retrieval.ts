import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { gatherRows, inSlices, range } from './call/slices.ts';
import { boolean, callNames, checkOptions, integer, metricNames } from './check.ts';
import { quoted, rangeError, shapeError, typeError } from './errors.ts';
import { integerList, largest } from './integers.ts';
import { asMatrix, checkAttached, type Matrix, type Reals } from './matrix.ts';
import type { MetricOptions } from './pairwise.ts';
import { topKSteps } from './topk.ts';
import { checkLabels, classesOf, type Labels } from './views.ts';

/** Options of {@link retrievalMetrics}. */
export type RetrievalOptions = MetricOptions & CallOptions & RetrievalParameters;

/** Parameters of {@link retrievalMetrics} besides the metric. */
export interface RetrievalParameters {
  /** The values of k in Recall@k, at most the number of gallery rows; default 1, 2, 4 and 8, or fewer for a small gallery. */
  ks?: readonly number[] | undefined;
  /** Query rows; default all. */
  query?: ArrayLike<number> | undefined;
  /** Gallery rows; default all. A query is excluded from its own results. */
  gallery?: ArrayLike<number> | undefined;
  /** Whether to return the result of each query; default false. */
  perQuery?: boolean | undefined;
}

/** Results per query, in the order of the queries. */
export interface QueryResults {
  /** Rank, from 1, of the nearest row of the query's class; 0 if no searched row has that class. */
  rank: Int32Array;
  /** The nearest row; -1 if none was found. */
  nearest: Int32Array;
  rPrecision: Float64Array;
  /** Average precision at R; its mean over the queries is MAP@R. */
  averagePrecision: Float64Array;
}

/** How often the nearest neighbors have the label of their query, averaged over the queries. */
export interface RetrievalMetrics {
  /** Fraction of queries with a row of their class among the k nearest, per requested k. */
  recall: Record<number, number>;
  /** Fraction of the R nearest rows that have the query's class, where R is the number of gallery rows of that class. */
  rPrecision: number;
  /** Sum of the precisions at those ranks up to R whose row has the query's class, divided by R. */
  mapAtR: number;
  /** Number of queries. */
  queries: number;
  /** Number of queries without a row of their class in the gallery; they count as 0 in every mean. */
  unmatched: number;
  /** Present if requested. */
  perQuery?: QueryResults;
}

const name = 'retrievalMetrics';
const rankingNames = ['ks', 'query', 'gallery', 'perQuery'];
const known: ReadonlySet<string> = new Set([...metricNames, ...callNames, ...rankingNames]);
const defaultKs: readonly number[] = [1, 2, 4, 8];

/** Maximum number of neighbors per search call; limits the memory of the call. */
const blockSize = 1 << 20;

function* measure(embeddings: Matrix, labels: Labels, given: RetrievalOptions): Steps<RetrievalMetrics> {
  const options = checkOptions(name, given, 'options', known);
  const all = asMatrix(name, 'embeddings', embeddings);
  const copied = yield* checkLabels(name, labels, all.rows);
  if (all.rows === 0) throw shapeError(name, 'embeddings', 'at least one row', 'none');
  const { metric, c, compat, threads, device } = options;
  return yield* measureBy(all.rows, copied, options, (gallery) => {
    let rows: Matrix | undefined;
    return function* (query, exclude, k) {
      rows ??= yield* gather(all, gallery);
      const search = { metric, c, compat, threads, device, k, exclude };
      const { indices } = yield* topKSteps(name, yield* gather(all, query), rows, search);
      return indices;
    };
  });
}

/**
 * Finds the k best gallery rows per query, and returns their positions in the gallery as a flat array: best first, -1 for
 * missing ones. `exclude` contains the gallery position to exclude per query, or -1.
 */
export type Search = (query: Int32Array, exclude: Int32Array, k: number) => Steps<Int32Array>;

/** Computes the metrics with any search; `open` returns a search in the given gallery rows. */
export function* measureBy(
  rows: number,
  labels: Labels,
  options: RetrievalParameters,
  open: (gallery: Int32Array) => Search,
): Steps<RetrievalMetrics> {
  const query = yield* rowList('query', options.query, rows);
  const gallery = yield* rowList('gallery', options.gallery, rows);
  const ks = checkKs(options.ks ?? defaultKs.filter((k) => k <= gallery.length), gallery.length);
  const wantsResults = boolean(name, 'perQuery', options.perQuery, false);
  const { numbers: classes } = yield* classesOf(labels);
  const positions = yield* positionsOf(gallery, rows);
  const relevant = yield* relevantRows(query, gallery, classes, positions);
  const search = inBlocks(open(gallery), query, positions);
  const sums = new Sums(ks);
  const results = wantsResults ? new ResultArrays(query.length) : undefined;
  const { length } = query;
  const unmatched = new Int32Array(length);
  let missing = 0;
  const k = Math.min(gallery.length, Math.max(1, relevant.max));
  yield* search(yield* range(length), k, (i, answer) => {
    const result = resultOf(answer, gallery, classes, classes[query[i]!]!, relevant.counts[i]!);
    sums.add(result, relevant.counts[i]!);
    results?.set(i, answer[0]! < 0 ? -1 : gallery[answer[0]!]!, result);
    if (result.first === Infinity && relevant.counts[i]! > 0) unmatched[missing++] = i;
  });
  const deepest = Math.min(gallery.length, largest(ks, k));
  // A search with a large k takes many times as long as one with a small k, so it is limited to the queries whose class
  // has not been found yet.
  if (deepest > k && missing > 0) {
    yield* search(unmatched.subarray(0, missing), deepest, (i, answer) => {
      const { first } = resultOf(answer, gallery, classes, classes[query[i]!]!, 1);
      sums.addFirst(first);
      results?.setFirst(i, first);
    });
  }
  return { ...sums.means(length), ...(results && { perQuery: results.arrays }) };
}

/**
 * Returns a function that searches for some of the queries, in blocks, and calls `report` with each query and its answer:
 * gallery positions, best first.
 * @param positions - gallery position of each row, or -1
 */
function inBlocks(search: Search, query: Int32Array, positions: Int32Array) {
  return function* (
    queries: Int32Array,
    k: number,
    report: (i: number, answer: Int32Array) => void,
  ): Steps<void> {
    const size = Math.max(1, Math.floor(blockSize / k));
    for (let begin = 0; begin < queries.length; begin += size) {
      const block = queries.subarray(begin, begin + size);
      const rows = new Int32Array(block.length);
      const exclude = new Int32Array(block.length);
      yield* inSlices(block.length, (from, to) => {
        for (let i = from; i < to; ++i) {
          rows[i] = query[block[i]!]!;
          exclude[i] = positions[rows[i]!]!;
        }
      });
      const indices = yield* search(rows, exclude, k);
      const answers = (from: number, to: number): void => {
        for (let i = from; i < to; ++i) report(block[i]!, indices.subarray(i * k, (i + 1) * k));
      };
      yield* inSlices(block.length, answers, Math.max(1, Math.floor(answersSlice / (k + 16))));
    }
  };
}

/** Number of ranks that are read per slice; the overhead of each answer equals about 16 ranks. */
const answersSlice = 1 << 15;

/** The result of one query. */
interface QueryResult {
  /** Rank, from 0, of the first row of the query's class; Infinity if the answer has no such row. */
  first: number;
  rPrecision: number;
  averagePrecision: number;
}

/**
 * Computes the result of one query from its answer.
 * @param queryClass - class of the query
 * @param relevant - number of gallery rows of that class
 */
function resultOf(
  answer: Int32Array,
  gallery: Int32Array,
  classes: Int32Array,
  queryClass: number,
  relevant: number,
): QueryResult {
  let first = Infinity;
  let hits = 0;
  let precisions = 0;
  for (let rank = 0; rank < answer.length; ++rank) {
    const found = answer[rank]!;
    if (found < 0 || (first < Infinity && rank >= relevant)) break;
    if (classes[gallery[found]!] !== queryClass) continue;
    if (first === Infinity) first = rank;
    if (rank < relevant) precisions += ++hits / (rank + 1);
  }
  if (relevant === 0) return { first, rPrecision: 0, averagePrecision: 0 };
  return { first, rPrecision: hits / relevant, averagePrecision: precisions / relevant };
}

/** The results of all queries. */
class ResultArrays {
  readonly arrays: QueryResults;

  constructor(queries: number) {
    this.arrays = {
      rank: new Int32Array(queries),
      nearest: new Int32Array(queries),
      rPrecision: new Float64Array(queries),
      averagePrecision: new Float64Array(queries),
    };
  }

  set(query: number, nearest: number, { first, rPrecision, averagePrecision }: QueryResult): void {
    this.setFirst(query, first);
    this.arrays.nearest[query] = nearest;
    this.arrays.rPrecision[query] = rPrecision;
    this.arrays.averagePrecision[query] = averagePrecision;
  }

  /** Stores the rank of the first row of the query's class; `first` counts from 0, the stored rank from 1 (0: none). */
  setFirst(query: number, first: number): void {
    this.arrays.rank[query] = first === Infinity ? 0 : first + 1;
  }
}

/** Running sums over the queries. */
class Sums {
  readonly #ks: readonly number[];
  readonly #recall: number[];
  #precision = 0;
  #average = 0;
  #unmatched = 0;

  constructor(ks: readonly number[]) {
    this.#ks = ks;
    this.#recall = ks.map(() => 0);
  }

  /** Adds the result of a query whose class has `relevant` gallery rows. */
  add({ first, rPrecision, averagePrecision }: QueryResult, relevant: number): void {
    if (relevant === 0) {
      ++this.#unmatched;
      return;
    }
    this.addFirst(first);
    this.#precision += rPrecision;
    this.#average += averagePrecision;
  }

  /** Counts a query whose class first appears at rank `first`, from 0. */
  addFirst(first: number): void {
    this.#ks.forEach((k, i) => {
      if (first < k) this.#recall[i]! += 1;
    });
  }

  means(queries: number): RetrievalMetrics {
    const recall = Object.fromEntries(this.#ks.map((k, i) => [k, this.#recall[i]! / queries]));
    const rPrecision = this.#precision / queries;
    return { recall, rPrecision, mapAtR: this.#average / queries, queries, unmatched: this.#unmatched };
  }
}

function* rowList(argument: string, list: ArrayLike<number> | undefined, rows: number): Steps<Int32Array> {
  if (list === undefined) return yield* range(rows);
  const chosen = yield* integerList(name, argument, list, { least: 0, most: rows - 1 });
  if (chosen.length === 0) throw shapeError(name, argument, 'at least one row', 'none');
  return chosen;
}

function checkKs(ks: readonly number[], max: number): readonly number[] {
  if (!Array.isArray(ks)) throw typeError(name, 'ks', 'an array of numbers', quoted(ks));
  const { length } = ks;
  if (length === 0) throw typeError(name, 'ks', 'at least one number', 'an empty array');
  const copy: number[] = [];
  for (let i = 0; i < length; ++i) copy.push(integer(name, 'ks', ks[i], 1, max));
  return copy;
}

/** Returns the gallery position of each row, or -1. */
function* positionsOf(gallery: Int32Array, rows: number): Steps<Int32Array> {
  const positions = new Int32Array(rows).fill(-1);
  yield* inSlices(gallery.length, (begin, end) => {
    for (let i = begin; i < end; ++i) {
      const row = gallery[i]!;
      if (positions[row] !== -1)
        throw rangeError(name, 'gallery', 'each row at most once', `row ${row} twice`);
      positions[row] = i;
    }
  });
  return positions;
}

/** Returns the number of gallery rows of each query's class, excluding the query itself, and the largest of these numbers. */
function* relevantRows(
  query: Int32Array,
  gallery: Int32Array,
  classes: Int32Array,
  positions: Int32Array,
): Steps<{ counts: Int32Array; max: number }> {
  const sizes = new Int32Array(classes.length);
  yield* inSlices(gallery.length, (begin, end) => {
    for (let i = begin; i < end; ++i) sizes[classes[gallery[i]!]!]! += 1;
  });
  const counts = new Int32Array(query.length);
  let max = 0;
  yield* inSlices(query.length, (begin, end) => {
    for (let i = begin; i < end; ++i) {
      const row = query[i]!;
      counts[i] = sizes[classes[row]!]! - (positions[row] === -1 ? 0 : 1);
      max = Math.max(max, counts[i]!);
    }
  });
  return { counts, max };
}

/** Returns the given rows as a matrix: a view if they are contiguous, otherwise a copy. */
function* gather<T extends Reals>(all: Matrix<T>, rows: Int32Array): Steps<Matrix<T>> {
  const { data, cols } = all;
  const first = rows[0]!;
  let isContiguous = true;
  yield* inSlices(rows.length, (begin, end) => {
    for (let i = begin; i < end && isContiguous; ++i) isContiguous = rows[i] === first + i;
  });
  if (!isContiguous) return yield* gatherRows(name, 'embeddings', all, rows);
  checkAttached(name, 'embeddings', all);
  return { data: data.subarray(first * cols, (first + rows.length) * cols) as T, rows: rows.length, cols };
}

/** The type of {@link retrievalMetrics}. */
export interface RetrievalMetricsFunction {
  (embeddings: Matrix, labels: Labels, options: RetrievalOptions & AsyncOptions): Promise<RetrievalMetrics>;
  sync(embeddings: Matrix, labels: Labels, options: RetrievalOptions): RetrievalMetrics;
}

/**
 * Computes Recall@k, R-Precision and MAP@R of labeled embeddings under a metric, by exact search in blocks. By
 * default, each row is a query, and its gallery is all other rows; `query` and `gallery` select rows (as in the In-shop
 * protocol).
 * Queries are excluded from their own results by index; ties go to the lower row index.
 *
 * R-Precision and MAP@R follow Musgrave, Belongie, Lim, "A Metric Learning Reality Check" (2020).
 *
 * @param embeddings - n x d, one row per sample
 * @param labels - n labels: numbers, bigints or strings
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const points = matrix(new Float32Array([0, 0, 0.1, 0, 0.5, 0, 0.6, 0]), 4, 2);
 * const { recall } = await retrievalMetrics(points, ['a', 'a', 'b', 'b'], { ks: [1, 2], c: 1 });
 * recall; // => { 1: 1, 2: 1 }
 */
export const retrievalMetrics: RetrievalMetricsFunction = Object.assign(
  (embeddings: Matrix, labels: Labels, options: RetrievalOptions & AsyncOptions) =>
    runSteps(name, options?.signal, () => measure(embeddings, labels, options)),
  {
    sync: (embeddings: Matrix, labels: Labels, options: RetrievalOptions) =>
      runStepsSync(name, measure(embeddings, labels, options), options?.signal),
  },
);
