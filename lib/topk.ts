import { type AsyncOptions, type CallOptions, type Prepared, runAsync, runSync } from './call.ts';
import { checkOptions, deviceIndex, integer, threadCount } from './check.ts';
import { quoted, shapeError, typeError } from './errors.ts';
import { integerList, range } from './integers.ts';
import { allocate, asMatrix, checkFixed, type Reals, type Rows, room } from './matrix.ts';
import { core } from './native.ts';
import { checkPair, type MetricOptions, metricNumbers } from './pairwise.ts';

/** Options of {@link topK}. */
export interface TopKOptions extends MetricOptions, CallOptions {
  /** Neighbours a query, from 1 to the number of gallery rows. */
  k: number;
  /** For each query the gallery row that may not be answered (-1: none), or `'self'`: query i is row i. */
  exclude?: ArrayLike<number> | 'self' | undefined;
  /** One element a gallery row: rows with 0 are not answered. */
  allowed?: Uint8Array | undefined;
}

/** The nearest gallery rows, nearest first. */
export interface Neighbours<T extends Reals = Reals> {
  /** `indices[query * k + place]`: a gallery row, or -1 where fewer than k rows may be answered. */
  readonly indices: Int32Array;
  /** `distances[query * k + place]`, Infinity where the index is -1. */
  readonly distances: T;
}

/** Checks a search and gives it its memory; `operation` is named in the errors. */
export function prepareTopK<T extends Reals>(
  operation: string,
  queries: Rows<T>,
  gallery: Rows<T>,
  given: TopKOptions,
): Prepared<Neighbours<T>> {
  const options = checkOptions(operation, given);
  const q = asMatrix(operation, 'queries', queries);
  const g = asMatrix(operation, 'gallery', gallery);
  checkPair(operation, 'gallery', q, g);
  const { metric, guards, c } = metricNumbers(operation, options);
  const k = checkCount(operation, options.k, g.rows);
  const exclude = excluded(operation, options.exclude, q.rows, g.rows);
  const allowed = mask(operation, options.allowed, g.rows);
  const device = deviceIndex(operation, options.device);
  const threads = threadCount(operation, options.threads);
  const indices = room(operation, Int32Array, q.rows * k);
  const distances = allocate(operation, q.data, q.rows * k);
  const start = (job: number) =>
    // biome-ignore format: a group a line
    q.rows === 0 ? undefined : core().select(
      metric, guards, c, k,
      q.data, q.rows, q.cols,
      g.data, g.rows, g.cols,
      exclude, allowed,
      indices, distances, q.rows, k,
      device, threads, job,
    );
  return { start, finish: () => ({ indices, distances }) };
}

function checkCount(operation: string, k: number, rows: number): number {
  if (rows === 0) throw shapeError(operation, 'gallery', 'at least one row', 'none');
  return integer(operation, 'k', k, 1, rows);
}

function excluded(
  operation: string,
  exclude: TopKOptions['exclude'],
  queries: number,
  rows: number,
): Int32Array | null {
  if (exclude === undefined) return null;
  if (exclude !== 'self') {
    if (typeof exclude !== 'object')
      throw typeError(operation, 'exclude', "'self' or an array of integers", quoted(exclude));
    return integerList(operation, 'exclude', exclude, { least: -1, most: rows - 1, length: queries });
  }
  if (queries !== rows)
    throw shapeError(operation, 'exclude', `'self' with ${rows} queries`, String(queries));
  return range(queries);
}

function mask(operation: string, allowed: Uint8Array | undefined, rows: number): Uint8Array | null {
  if (allowed === undefined) return null;
  if (!(allowed instanceof Uint8Array)) throw typeError(operation, 'allowed', 'a Uint8Array', allowed);
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
  ): Promise<Neighbours<T>>;
  sync<T extends Reals>(queries: Rows<T>, gallery: Rows<T>, options: TopKOptions): Neighbours<T>;
}

/**
 * The k nearest rows of a gallery (m x d) for every query (n x d), exactly and without n x m memory. Ties go to
 * the lower row. A row with NaN is never answered, nor one at infinite distance (on or outside the rim).
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
    runAsync('topK', options?.signal, () => prepareTopK('topK', queries, gallery, options)),
  {
    sync: <T extends Reals>(queries: Rows<T>, gallery: Rows<T>, options: TopKOptions) =>
      runSync('topK', prepareTopK('topK', queries, gallery, options)),
  },
);
