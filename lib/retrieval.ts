import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from './call.ts';
import { checkOptions, integer, yesNo } from './check.ts';
import { rangeError, shapeError, typeError } from './errors.ts';
import { integerList, range } from './integers.ts';
import { asMatrix, type Matrix, type Reals, rowsAt } from './matrix.ts';
import type { MetricOptions } from './pairwise.ts';
import { prepareTopK } from './topk.ts';
import { checkLabels, type Labels } from './views.ts';

/** Options of {@link retrievalMetrics}. */
export interface RetrievalOptions extends MetricOptions, CallOptions {
  /** The k of Recall@k; default [1, 2, 4, 8]. */
  ks?: readonly number[] | undefined;
  /** The rows that ask; default all. */
  query?: ArrayLike<number> | undefined;
  /** The rows that may be answered; default all. A row never answers itself. */
  gallery?: ArrayLike<number> | undefined;
  /** Also say how each query fared; default false. */
  perQuery?: boolean | undefined;
}

/** How each query fared, in the order of the queries. */
export interface QueryResults {
  /** Place, from 1, of the nearest row of the query's class; 0 where it is none of those that were looked at. */
  rank: Int32Array;
  /** The nearest row; -1 where there is none. */
  nearest: Int32Array;
  rPrecision: Float64Array;
  /** Its part of MAP@R. */
  averagePrecision: Float64Array;
}

/** How well the nearest neighbours share their query's label; means over the queries. */
export interface RetrievalMetrics {
  /** Share of queries with a row of their class among the k nearest, for every k asked for. */
  recall: Record<number, number>;
  /** Share of the query's class among the R nearest, R being the class's rows in the gallery. */
  rPrecision: number;
  /** Mean over the first R places of the precision there, counted where the row is of the class. */
  mapAtR: number;
  /** How many rows asked. */
  queries: number;
  /** How many of them have no row of their class in the gallery: they count as 0 in every mean. */
  unmatched: number;
  /** Where it was asked for. */
  perQuery?: QueryResults;
}

const name = 'retrievalMetrics';

/** Neighbours that one search answers: bounds both its memory and the work between two searches. */
const blockSize = 1 << 20;

function* measure(embeddings: Matrix, labels: Labels, given?: RetrievalOptions): Steps<RetrievalMetrics> {
  const options = checkOptions(name, given);
  const all = asMatrix(name, 'embeddings', embeddings);
  checkLabels(name, labels, all.rows);
  if (all.rows === 0) throw shapeError(name, 'embeddings', 'at least one row', 'none');
  const { metric, c, compat, threads, device } = options;
  return yield* measureBy(all.rows, labels, options, (gallery) => {
    const rows = gather(all, gallery);
    return function* (query, exclude, k) {
      const how = { metric, c, compat, threads, device, k, exclude };
      const search = prepareTopK(name, gather(all, query), rows, how);
      yield search;
      return search.finish().indices;
    };
  });
}

/**
 * Finds the k best of a gallery for some queries: flat places in the gallery, best first, -1 where there is none;
 * `exclude` has for each query the place that may not be answered, or -1.
 */
export type Search = (query: Int32Array, exclude: Int32Array, k: number) => Steps<Int32Array>;

/** What every kind of search is measured by; `open` is told the gallery's rows. */
export function* measureBy(
  rows: number,
  labels: Labels,
  options: Pick<RetrievalOptions, 'query' | 'gallery' | 'ks' | 'perQuery'>,
  open: (gallery: Int32Array) => Search,
): Steps<RetrievalMetrics> {
  const query = rowList('query', options.query, rows);
  const gallery = rowList('gallery', options.gallery, rows);
  const ks = checkKs(options.ks ?? [1, 2, 4, 8], gallery.length);
  const classes = classNumbers(labels);
  const place = places(gallery, rows);
  const relevant = relevantRows(query, gallery, classes, place);
  const most = relevant.reduce((a, b) => Math.max(a, b), 1);
  const deepest = Math.min(gallery.length, Math.max(...ks, most));
  const search = inBlocks(open(gallery), query, place);
  const sums = new Sums(ks);
  const kept = yesNo(name, 'perQuery', options.perQuery, false) ? new Kept(query.length) : undefined;
  const unmet: number[] = [];
  const { length } = query;
  const k = Math.min(gallery.length, most);
  yield* search(range(length), k, (asked, answer) => {
    const hits = hitPlaces(answer, gallery, classes, classes[query[asked]!]!);
    const fared = sums.add(hits, relevant[asked]!);
    kept?.set(asked, answer[0]! < 0 ? -1 : gallery[answer[0]!]!, fared);
    if (hits.length === 0 && relevant[asked]! > 0) unmet.push(asked);
  });
  // A long answer costs many times a short one, and most queries have met their class by now.
  if (deepest > k && unmet.length > 0) {
    yield* search(Int32Array.from(unmet), deepest, (asked, answer) => {
      const [first = Infinity] = hitPlaces(answer, gallery, classes, classes[query[asked]!]!, 1);
      sums.meet(first);
      kept?.meet(asked, first);
    });
  }
  return { ...sums.means(length), ...(kept && { perQuery: kept.results }) };
}

/** Searches for some of the queries, a block at a time, and tells of each its answer. */
function inBlocks(search: Search, query: Int32Array, place: Int32Array) {
  return function* (
    asked: Int32Array,
    k: number,
    hear: (asked: number, answer: Int32Array) => void,
  ): Steps<void> {
    const size = Math.max(1, Math.floor(blockSize / k));
    for (let begin = 0; begin < asked.length; begin += size) {
      const block = asked.subarray(begin, begin + size);
      const rows = block.map((i) => query[i]!);
      const exclude = rows.map((row) => place[row]!);
      const indices = yield* search(rows, exclude, k);
      for (const [i, one] of block.entries()) hear(one, indices.subarray(i * k, (i + 1) * k));
    }
  };
}

/** How one query fared. */
interface Fared {
  /** Place, from 0, of the first row of its class; Infinity where there is none. */
  first: number;
  rPrecision: number;
  averagePrecision: number;
}

class Kept {
  readonly results: QueryResults;

  constructor(queries: number) {
    this.results = {
      rank: new Int32Array(queries),
      nearest: new Int32Array(queries),
      rPrecision: new Float64Array(queries),
      averagePrecision: new Float64Array(queries),
    };
  }

  set(query: number, nearest: number, { first, rPrecision, averagePrecision }: Fared): void {
    this.meet(query, first);
    this.results.nearest[query] = nearest;
    this.results.rPrecision[query] = rPrecision;
    this.results.averagePrecision[query] = averagePrecision;
  }

  /** @param first - place, from 0, where query `query` meets its class */
  meet(query: number, first: number): void {
    this.results.rank[query] = first === Infinity ? 0 : first + 1;
  }
}

/** Sums over the queries so far. */
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

  /** @param hits - places (from 0, ascending) of rows of the class; @param relevant - how many there are */
  add(hits: readonly number[], relevant: number): Fared {
    const first = hits[0] ?? Infinity;
    if (relevant === 0) {
      ++this.#unmatched;
      return { first, rPrecision: 0, averagePrecision: 0 };
    }
    this.meet(first);
    const within = hits.filter((place) => place < relevant);
    const rPrecision = within.length / relevant;
    const averagePrecision = within.reduce((sum, place, i) => sum + (i + 1) / (place + 1), 0) / relevant;
    this.#precision += rPrecision;
    this.#average += averagePrecision;
    return { first, rPrecision, averagePrecision };
  }

  /** Counts a query that meets its class at place `first`, from 0. */
  meet(first: number): void {
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

/** Where in an answer rows of class `own` stand, the first `most` of them. */
function hitPlaces(
  answer: Int32Array,
  gallery: Int32Array,
  classes: Int32Array,
  own: number,
  most = Infinity,
): number[] {
  const hits: number[] = [];
  for (let place = 0; place < answer.length && hits.length < most; ++place) {
    const found = answer[place]!;
    if (found < 0) break;
    if (classes[gallery[found]!] === own) hits.push(place);
  }
  return hits;
}

function rowList(argument: string, list: ArrayLike<number> | undefined, rows: number): Int32Array {
  if (list === undefined) return range(rows);
  const chosen = integerList(name, argument, list, { least: 0, most: rows - 1 });
  if (chosen.length === 0) throw shapeError(name, argument, 'at least one row', 'none');
  return chosen;
}

function checkKs(ks: readonly number[], most: number): readonly number[] {
  if (!Array.isArray(ks) || ks.length === 0) throw typeError(name, 'ks', 'an array of numbers', ks);
  return ks.map((k) => integer(name, 'ks', k, 1, most));
}

/** Labels of any kind as small integers. */
function classNumbers(labels: Labels): Int32Array {
  const seen = new Map<unknown, number>();
  const numbers = new Int32Array(labels.length);
  for (let row = 0; row < numbers.length; ++row) {
    const label = labels[row];
    const known = seen.get(label);
    numbers[row] = known ?? seen.size;
    if (known === undefined) seen.set(label, seen.size);
  }
  return numbers;
}

/** Where in the gallery a row stands, or -1. */
function places(gallery: Int32Array, rows: number): Int32Array {
  const place = new Int32Array(rows).fill(-1);
  gallery.forEach((row, i) => {
    if (place[row] !== -1) throw rangeError(name, 'gallery', 'every row once', `row ${row} twice`);
    place[row] = i;
  });
  return place;
}

/** For every query how many gallery rows share its class, itself left out. */
function relevantRows(
  query: Int32Array,
  gallery: Int32Array,
  classes: Int32Array,
  place: Int32Array,
): Int32Array {
  const counts = new Int32Array(classes.length);
  for (const row of gallery) counts[classes[row]!]! += 1;
  return query.map((row) => counts[classes[row]!]! - (place[row] === -1 ? 0 : 1));
}

/** The given rows as a matrix: a view where they stand together, else a copy. */
function gather<T extends Reals>(all: Matrix<T>, rows: Int32Array): Matrix<T> {
  const { data, cols } = all;
  const first = rows[0]!;
  if (!rows.every((row, i) => row === first + i)) return rowsAt(name, all, rows);
  return { data: data.subarray(first * cols, (first + rows.length) * cols) as T, rows: rows.length, cols };
}

/** The type of {@link retrievalMetrics}. */
export interface RetrievalMetricsFunction {
  (embeddings: Matrix, labels: Labels, options?: RetrievalOptions & AsyncOptions): Promise<RetrievalMetrics>;
  sync(embeddings: Matrix, labels: Labels, options?: RetrievalOptions): RetrievalMetrics;
}

/**
 * Recall@k, R-Precision and MAP@R of labelled embeddings under a metric, by exact search in blocks. Every row
 * asks and every other row may answer, unless `query` and `gallery` name rows (as the in-shop protocol does).
 * A query is left out of its own answers by identity; ties go to the lower row.
 *
 * R-Precision and MAP@R are those of Musgrave, Belongie, Lim, "A Metric Learning Reality Check" (2020).
 *
 * @param embeddings - n x d
 * @param labels - n labels: numbers, bigints or strings
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
 * @example
 * const points = matrix(new Float32Array([0, 0, 0.1, 0, 0.5, 0, 0.6, 0]), 4, 2);
 * const { recall } = await retrievalMetrics(points, ['a', 'a', 'b', 'b'], { ks: [1, 2], c: 1 });
 * recall; // => { 1: 1, 2: 1 }
 */
export const retrievalMetrics: RetrievalMetricsFunction = Object.assign(
  (embeddings: Matrix, labels: Labels, options?: RetrievalOptions & AsyncOptions) =>
    runSteps(name, options?.signal, () => measure(embeddings, labels, options)),
  {
    sync: (embeddings: Matrix, labels: Labels, options?: RetrievalOptions) =>
      runStepsSync(name, measure(embeddings, labels, options)),
  },
);
