import { type AsyncOptions, type CallOptions, runSteps, runStepsSync, type Steps } from '../call/run.ts';
import { inSlices } from '../call/slices.ts';
import type { Metric } from '../cards.ts';
import { callNames, checkCallback, checkOptions, integer, metricNames, readOptions } from '../check.ts';
import { coded, rangeError, shapeError } from '../errors.ts';
import { int32, integerList } from '../integers.ts';
import { asMatrix, type Matrix, type Reals, type Rows } from '../matrix.ts';
import { type AnyMetricOptions, checkPair, type MetricOptions, metricNumbers } from '../pairwise.ts';
import { type SearchParameters, topKSteps } from '../topk.ts';
import { readStore, writeStore } from './file.ts';
import {
  buildIndex,
  buildOptions,
  type IndexBuildOptions,
  type IndexSize,
  indexSize,
  mostLists,
  type ProvenNeighbors,
} from './lists.ts';
import { mostListed, searchIndexed } from './probe.ts';
import {
  aliveMask,
  copy,
  emptyStore,
  excludedRows,
  find,
  labelMask,
  labelSet,
  moved,
  movedIndex,
  rowsOfStore,
  type Store,
} from './store.ts';

/** Options of a search in a {@link Gallery}. */
export interface SearchOptions extends CallOptions {
  /** Neighbors per query, from 1 to the gallery's size. */
  k: number;
  /** Restricts results to rows with one of these labels. */
  labels?: Iterable<number> | undefined;
  /** For each query, the number of a row to exclude, or -1. */
  exclude?: ArrayLike<number> | undefined;
  /**
   * Maximum number of lists of the index (clusters of rows) to search, nearest first. A search of fewer lists is
   * faster, but can miss neighbors: see `proven` of the result. Default: every list that could hold a nearer row, so
   * the result is exact.
   */
  probes?: number | undefined;
}

/** The type of `topK` of a {@link Gallery}. Distances have the element type of the queries. */
export interface GallerySearch<T extends Reals = Reals> {
  <Q extends T>(queries: Rows<Q>, options: SearchOptions & AsyncOptions): Promise<ProvenNeighbors<Q>>;
  sync<Q extends T>(queries: Rows<Q>, options: SearchOptions): ProvenNeighbors<Q>;
}

const known: ReadonlySet<string> = new Set(metricNames);
const knownSearch: ReadonlySet<string> = new Set([...callNames, 'k', 'labels', 'exclude', 'probes']);
const buildNames = ['threads', 'device', 'signal', 'lists', 'seed', 'onProgress'] as const;

/**
 * A set of rows for repeated searches, with stable row numbers and optional labels. Rows can be added and removed
 * during searches: each search sees the gallery as it was when the search started. The first rows that are added set the
 * element type, which later rows and all queries must have.
 *
 * @typeParam T - the accepted element types; `new Gallery<Float64Array>` makes float32 rows a compile error
 * @example
 * const gallery = new Gallery({ metric: 'poincare', c: 0.1 });
 * const numbers = await gallery.add(matrix(new Float32Array([0, 0, 1, 0, 2, 0]), 3, 2), [7, 8, 8]);
 * await gallery.remove([1]);
 * const { indices } = await gallery.topK(new Float32Array([0.1, 0]), { k: 1, labels: [8] });
 * indices; // => new Int32Array([2])
 * gallery.dispose(); // or `using gallery`
 */
export class Gallery<T extends Reals = Reals> implements Disposable {
  readonly metric: Metric;
  readonly #options: AnyMetricOptions;
  #store: Store<T> | undefined;
  #next = 0;
  #closed = false;
  #queue: Promise<unknown> = Promise.resolve();

  /**
   * @param options - the metric and its c; the curvature is -c
   * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
   */
  constructor(options: MetricOptions) {
    const checked = checkedMetric(options);
    this.metric = checked.metric;
    this.#options = checked;
  }

  /** Number of rows. */
  get size(): number {
    return this.#store?.size ?? 0;
  }

  /** Number of columns; 0 before the first row is added. */
  get cols(): number {
    return this.#store?.cols ?? 0;
  }

  /**
   * Copies rows into the gallery.
   *
   * @param labels - one integer per row, for searches restricted to labels; default -1
   * @returns the numbers of the rows: 0, 1, 2, ... in the order of insertion, never reused
   */
  add(rows: Rows<T>, labels?: ArrayLike<number>): Promise<Int32Array> {
    return this.#exclusive('Gallery.add', (operation) =>
      runSteps(operation, undefined, () => this.#add(operation, rows, labels)),
    );
  }

  *#add(operation: string, rows: Rows<T>, labels: ArrayLike<number> | undefined): Steps<Int32Array> {
    const added = asMatrix(operation, 'rows', rows);
    const count = added.rows;
    const given =
      labels === undefined
        ? undefined
        : yield* integerList(operation, 'labels', labels, { ...int32, length: count });
    const old = this.#store ?? emptyStore(operation, added);
    checkPair(operation, 'rows', { data: old.data, rows: 0, cols: old.cols }, added);
    const space = int32.most - this.#next;
    if (count > space)
      throw rangeError(operation, 'rows', `at most ${space} more rows (row numbers end at 2^31 - 2)`, count);
    const used = old.used + count;
    const fits = used * old.cols <= old.data.length;
    const store = fits ? old : yield* this.#moved(operation, old, Math.max(used, 2 * old.used));
    yield* copy(operation, 'rows', added, store.data, store.used * store.cols);
    const numbers = new Int32Array(count);
    yield* inSlices(count, (begin, end) => {
      for (let i = begin; i < end; ++i) {
        numbers[i] = this.#next + i;
        store.numbers[store.used + i] = numbers[i]!;
        store.labels[store.used + i] = given?.[i] ?? -1;
        store.alive[store.used + i] = 1;
      }
    });
    this.#checkOpen(operation);
    this.#next += count;
    this.#store = { ...store, used: store.used + count, size: store.size + count };
    return numbers;
  }

  /**
   * Removes rows by their numbers.
   *
   * @returns the number of rows that were removed
   */
  remove(numbers: ArrayLike<number>): Promise<number> {
    return this.#exclusive('Gallery.remove', (operation) =>
      runSteps(operation, undefined, () => this.#remove(operation, numbers)),
    );
  }

  *#remove(operation: string, numbers: ArrayLike<number>): Steps<number> {
    const store = this.#store;
    const wanted = yield* integerList(operation, 'numbers', numbers, { ...int32, least: 0 });
    if (store === undefined) return 0;
    const alive = store.alive.slice();
    let removed = 0;
    yield* inSlices(wanted.length, (begin, end) => {
      for (let i = begin; i < end; ++i) {
        const row = find(store, wanted[i]!);
        if (row < 0 || alive[row] === 0) continue;
        alive[row] = 0;
        ++removed;
      }
    });
    const left = { ...store, alive, size: store.size - removed };
    const next = left.size < left.used / 2 ? yield* this.#moved(operation, left, left.size) : left;
    this.#checkOpen(operation);
    this.#store = next;
    return removed;
  }

  *#moved(operation: string, old: Store<T>, capacity: number): Steps<Store<T>> {
    const next = yield* moved(operation, old, capacity);
    return { ...next, index: yield* movedIndex(operation, old, next, this.#options) };
  }

  /**
   * Builds an index, for galleries of about 10,000 rows or more: `topK` then returns the same neighbors in a fraction
   * of the time. The index takes about a quarter of the memory of float32 rows. Rows added later are searched without
   * the index until `buildIndex` is called again. That call keeps the centers if `lists` is not given and the index
   * covers more than half of the rows. Searches continue during the build. Rows with NaN and rows outside the ball are
   * not found.
   *
   * Supports the metrics poincare (without `compat`), euclidean, chordal and cosine, on the CPU.
   *
   * @throws RangeError `ERR_HOROBALL_SHAPE` for an empty gallery; Error `ERR_HOROBALL_UNSUPPORTED` for other metrics and
   * devices; rejects with the signal's reason when aborted, and the gallery keeps its previous index
   */
  buildIndex(options?: IndexBuildOptions & AsyncOptions): Promise<IndexSize> {
    return this.#exclusive('Gallery.buildIndex', async (operation) => {
      const given = readOptions(operation, options, buildNames);
      return await runSteps(operation, given.signal, () => this.#buildIndex(operation, given));
    });
  }

  *#buildIndex(operation: string, options: IndexBuildOptions): Steps<IndexSize> {
    checkCallback(operation, 'onProgress', options.onProgress);
    const store = this.#store;
    if (store === undefined || store.size === 0)
      throw shapeError(operation, 'gallery', 'at least one row', 'none');
    const build = buildOptions(operation, store.size, options);
    const isKnown = options.lists === undefined && store.used < 2 * (store.index?.lists.length ?? 0);
    const known = isKnown ? store.index : undefined;
    const index = yield* buildIndex(operation, rowsOfStore(store), this.#options, build, known);
    this.#checkOpen(operation);
    this.#store = { ...store, index };
    return indexSize(index);
  }

  /**
   * Finds the nearest rows to every query, like the function `topK`; `indices` are row numbers. `topK.sync` is the synchronous
   * variant.
   *
   * @returns flat n x k arrays, and for each query whether its neighbors are proven to be the nearest (always 1 without
   * an index or without `probes`)
   * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`; rejects with the signal's reason when aborted
   */
  get topK(): GallerySearch<T> {
    return this.#topK;
  }

  readonly #topK: GallerySearch<T> = Object.assign(
    <Q extends T>(queries: Rows<Q>, options: SearchOptions & AsyncOptions) =>
      runSteps('Gallery.topK', options?.signal, () => this.#search('Gallery.topK', queries, options)),
    {
      sync: <Q extends T>(queries: Rows<Q>, options: SearchOptions) =>
        runStepsSync('Gallery.topK', this.#search('Gallery.topK', queries, options), options?.signal),
    },
  );

  /** @deprecated Call `topK.sync` instead. */
  topKSync<Q extends T>(queries: Rows<Q>, options: SearchOptions): ProvenNeighbors<Q> {
    return this.#topK.sync(queries, options);
  }

  *#search<Q extends T>(
    operation: string,
    queries: Rows<Q>,
    options: SearchOptions,
  ): Steps<ProvenNeighbors<Q>> {
    this.#checkOpen(operation);
    const store = this.#store as Store<Q> | undefined; // `checkPair` below rejects queries of another type
    if (store === undefined || store.size === 0)
      throw shapeError(operation, 'gallery', 'at least one row', 'none');
    const { k, threads, device, labels, exclude, probes } = checkOptions(
      operation,
      options,
      'options',
      knownSearch,
    );
    integer(operation, 'k', k, 1, store.size);
    if (probes !== undefined) integer(operation, 'probes', probes, 1, mostLists);
    const rows = rowsOfStore(store);
    const q = asMatrix(operation, 'queries', queries);
    checkPair(operation, 'queries', rows, q);
    const search = {
      k,
      threads,
      device,
      allowed:
        labels === undefined ? aliveMask(store) : yield* labelMask(store, yield* labelSet(operation, labels)),
      exclude: exclude === undefined ? undefined : yield* excludedRows(operation, store, exclude, q.rows),
    };
    const { indices, distances, proven } =
      store.index !== undefined && k <= mostListed
        ? yield* searchIndexed(operation, q, rows, store.index, this.#options, {
            ...search,
            probes: probes ?? mostLists,
          })
        : yield* searchAll(operation, q, rows, { ...this.#options, ...search });
    yield* inSlices(indices.length, (begin, end) => {
      for (let i = begin; i < end; ++i) if (indices[i]! >= 0) indices[i] = store.numbers[indices[i]!]!;
    });
    return { indices, distances, proven };
  }

  /**
   * Writes the gallery atomically as a safetensors file. Of an index, if any, it writes only the centers and the list of
   * each row. {@link load} recomputes the rest from the rows, so a damaged file cannot mark a wrong result as proven.
   *
   * @throws RangeError `ERR_HOROBALL_SHAPE` for a gallery to which no rows were added; file system errors
   */
  save(path: string): Promise<void> {
    return this.#exclusive('Gallery.save', async (operation) => {
      const store = this.#store;
      if (store === undefined) throw shapeError(operation, 'gallery', 'at least one row', 'none');
      await writeStore(operation, path, store, { ...this.#options, next: this.#next });
    });
  }

  /**
   * Reads a gallery that {@link save} wrote, in chunks, because Node.js cannot memory-map files. Restoring an index
   * takes about a second per million rows.
   *
   * @throws Error `ERR_HOROBALL_FORMAT` if the file is not a gallery; file system errors
   */
  static async load(path: string): Promise<Gallery<Reals>> {
    const { metric, next, store } = await readStore(path, checkedMetric);
    const gallery = new Gallery<Reals>(metric);
    gallery.#next = next;
    gallery.#store = store;
    return gallery;
  }

  /** Releases the rows. Running searches complete; any later call throws. */
  dispose(): void {
    this.#closed = true;
    this.#store = undefined;
  }

  /** The same as {@link dispose}. */
  close(): void {
    this.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Runs `work` once all earlier changes to the gallery are complete. */
  async #exclusive<R>(operation: string, work: (operation: string) => Promise<R>): Promise<R> {
    this.#checkOpen(operation);
    const result = this.#queue.then(() => {
      this.#checkOpen(operation);
      return work(operation);
    });
    this.#queue = result.catch(() => {});
    return await result;
  }

  #checkOpen(operation: string): void {
    if (this.#closed)
      throw coded(
        'ERR_HOROBALL_CLOSED',
        `[${operation}] gallery: expected an open gallery, got a closed one. Load or create it again.`,
      );
  }
}

/** Returns the metric of a gallery, with its defaults. */
function checkedMetric(options: MetricOptions): AnyMetricOptions & { readonly metric: Metric } {
  const { metric = 'poincare', c, compat } = checkOptions('Gallery', options, 'options', known);
  metricNumbers('Gallery', { metric, c, compat });
  return { metric, c, compat };
}

/** Searches all rows exactly, without an index. */
function* searchAll<T extends Reals>(
  operation: string,
  queries: Matrix<T>,
  rows: Matrix<T>,
  options: AnyMetricOptions & SearchParameters,
): Steps<ProvenNeighbors<T>> {
  const found = yield* topKSteps(operation, queries, rows, options);
  const proven = new Uint8Array(found.indices.length / options.k).fill(1);
  return { ...found, proven };
}
