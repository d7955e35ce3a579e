import { select } from './call/binding-calls.ts';
import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { range } from './call/slices.ts';
import { callNames, checkOptions, deviceIndex, integer, isTyped, metricNames, threadCount } from './check.ts';
import { quoted, shapeError, typeError } from './errors.ts';
import { integerList } from './integers.ts';
import {
  allocate,
  allocateArray,
  asMatrix,
  checkAttached,
  checkFixed,
  type Reals,
  type Rows,
} from './matrix.ts';
import { core } from './native.ts';
import { type AnyMetricOptions, checkPair, type MetricOptions, metricNumbers } from './pairwise.ts';

/** Options of {@link topK}. */
export type TopKOptions = MetricOptions & SearchParameters;

/** The parameters of a search, without its metric. */
export interface SearchParameters extends CallOptions {
  /** Neighbors per query, from 1 to the number of gallery rows. */
  k: number;
  /** For each query, the gallery row to exclude (-1: none), or `'self'` to exclude row i for query i. */
  exclude?: ArrayLike<number> | 'self' | undefined;
  /** One element per gallery row: rows with 0 are never returned. */
  allowed?: Uint8Array | undefined;
}

/** The nearest gallery rows, nearest first. */
export interface Neighbors<T extends Reals = Reals> {
  /** `indices[query * k + rank]`: a gallery row, or -1 if fewer than k rows qualify. */
  readonly indices: Int32Array;
  /** `distances[query * k + rank]`, Infinity if the index is -1. */
  readonly distances: T;
}

/** The former name of {@link Neighbors}. */
export type Neighbours<T extends Reals = Reals> = Neighbors<T>;

const known: ReadonlySet<string> = new Set([...metricNames, ...callNames, 'k', 'exclude', 'allowed']);

/** Searches like {@link topK}, in steps; errors start with `operation`. */
export function* topKSteps<T extends Reals>(
  operation: string,
  queries: Rows<T>,
  gallery: Rows<T>,
  given: AnyMetricOptions & SearchParameters,
): Steps<Neighbors<T>> {
  const options = checkOptions(operation, given, 'options', known);
  const q = asMatrix(operation, 'queries', queries);
  const g = asMatrix(operation, 'gallery', gallery);
  checkPair(operation, 'gallery', q, g);
  const { metric, guards, c } = metricNumbers(operation, options);
  const k = checkCount(operation, options.k, g.rows);
  const exclude = yield* excluded(operation, options.exclude, q.rows, g.rows);
  const allowed = mask(operation, options.allowed, g.rows);
  const device = deviceIndex(operation, options.device);
  const threads = threadCount(operation, options.threads);
  const indices = allocateArray(operation, Int32Array, q.rows * k);
  const distances = allocate(operation, q.data, q.rows * k);
  const start = (job: number) =>
    q.rows === 0
      ? undefined
      : select(core(), {
          metric,
          guards,
          c,
          k,
          queries: q,
          gallery: g,
          exclude,
          allowed,
          indices,
          distances: { data: distances, rows: q.rows, cols: k },
          device,
          threads,
          job,
        });
  checkAttached(operation, 'queries', q);
  checkAttached(operation, 'gallery', g);
  yield { start, finish: () => {} };
  return { indices, distances };
}

function checkCount(operation: string, k: number, rows: number): number {
  if (rows === 0) throw shapeError(operation, 'gallery', 'at least one row', 'none');
  return integer(operation, 'k', k, 1, rows);
}

function* excluded(
  operation: string,
  exclude: SearchParameters['exclude'],
  queries: number,
  rows: number,
): Steps<Int32Array | null> {
  if (exclude === undefined) return null;
  if (exclude !== 'self') {
    if (typeof exclude !== 'object')
      throw typeError(operation, 'exclude', "'self' or an array of integers", quoted(exclude));
    return yield* integerList(operation, 'exclude', exclude, { least: -1, most: rows - 1, length: queries });
  }
  if (queries !== rows)
    throw shapeError(operation, 'exclude', `one query per gallery row (${rows}) for 'self'`, String(queries));
  return yield* range(queries);
}

function mask(operation: string, allowed: Uint8Array | undefined, rows: number): Uint8Array | null {
  if (allowed === undefined) return null;
  if (!isTyped(allowed, Uint8Array)) throw typeError(operation, 'allowed', 'a Uint8Array', allowed);
  if (allowed.length !== rows) {
    throw shapeError(operation, 'allowed', `${rows} elements`, String(allowed.length));
  }
  checkFixed(operation, 'allowed', allowed);
  return allowed;
}

/** The type of {@link topK}. */
export interface TopK {
  <T extends Reals>(
    queries: Rows<T>,
    gallery: Rows<T>,
    options: TopKOptions & AsyncOptions,
  ): Promise<Neighbors<T>>;
  sync<T extends Reals>(queries: Rows<T>, gallery: Rows<T>, options: TopKOptions): Neighbors<T>;
}

/**
 * Finds the k nearest rows of a gallery (m x d) for every query (n x d), exactly and without n x m memory. Ties go to
 * the lower row index. Rows with NaN and rows at infinite distance (on or outside the boundary of the ball) are never
 * returned.
 *
 * @returns flat n x k arrays of gallery rows and their distances, nearest first
 * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`, for example when k is above m
 * @example
 * const points = matrix(new Float32Array([0, 0, 0.1, 0, 0.5, 0]), 3, 2);
 * const { indices } = await topK(points, points, { k: 2, c: 1, exclude: 'self' });
 * indices; // => new Int32Array([1, 2, 0, 2, 1, 0])
 */
export const topK: TopK = Object.assign(
  <T extends Reals>(queries: Rows<T>, gallery: Rows<T>, options: TopKOptions & AsyncOptions) =>
    runSteps('topK', options?.signal, () => topKSteps('topK', queries, gallery, options)),
  {
    sync: <T extends Reals>(queries: Rows<T>, gallery: Rows<T>, options: TopKOptions) =>
      runStepsSync('topK', topKSteps('topK', queries, gallery, options), options?.signal),
  },
);
