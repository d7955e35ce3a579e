import { type AsyncOptions, type CallOptions, runAsync, runSync } from './call.ts';
import { checkOptions, integer } from './check.ts';
import { coded, shapeError, typeError } from './errors.ts';
import { copy, emptyStore, find, labelMask, livingMask, moved, type Store } from './gallery-store.ts';
import { integerList, range } from './integers.ts';
import { readSafetensors, type SafeTensor, writeSafetensors } from './io/safetensors.ts';
import { asMatrix, isReals, type Matrix, type Reals, type Rows } from './matrix.ts';
import { checkPair, type Metric, type MetricOptions, metricNumbers } from './pairwise.ts';
import { type Neighbours, prepareTopK } from './topk.ts';

/** Options of a search in a {@link Gallery}. */
export interface SearchOptions extends CallOptions {
  /** Neighbours a query, from 1 to the gallery's size. */
  k: number;
  /** Answer only rows that have one of these labels. */
  labels?: Iterable<number> | undefined;
  /** For each query the number of a row that may not be answered, or -1. */
  exclude?: ArrayLike<number> | undefined;
}

const int32 = { least: -(2 ** 31), most: 2 ** 31 - 1 };

/**
 * Rows to be searched again and again, with numbers that stay theirs and labels to search among. Searches go on
 * while rows are added or removed: each sees the gallery as it was when it began.
 *
 * @example
 * const gallery = new Gallery({ metric: 'poincare', c: 0.1 });
 * const numbers = await gallery.add(matrix(new Float32Array([0, 0, 1, 0, 2, 0]), 3, 2), [7, 8, 8]);
 * await gallery.remove([1]);
 * const { indices } = await gallery.topK(new Float32Array([0.1, 0]), { k: 1, labels: [8] });
 * indices; // => new Int32Array([2])
 * gallery.close(); // or `using gallery`
 */
export class Gallery<T extends Reals = Float32Array> implements Disposable {
  readonly metric: Metric;
  readonly #options: MetricOptions;
  #store: Store<T> | undefined;
  #next = 0;
  #closed = false;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * @param options - the metric and its c; the curvature is -c
   * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`
   */
  constructor(options: MetricOptions) {
    const { metric = 'poincare', c, compat } = checkOptions('Gallery', options);
    metricNumbers('Gallery', { metric, c, compat });
    this.metric = metric;
    this.#options = { metric, c, compat };
  }

  /** Rows that can be answered. */
  get size(): number {
    return this.#store?.size ?? 0;
  }

  /** Columns of every row; 0 before the first is added. */
  get cols(): number {
    return this.#store?.cols ?? 0;
  }

  /**
   * Copies rows into the gallery.
   *
   * @param labels - one integer a row, for searches among labels; default -1
   * @returns the numbers of the rows: 0, 1, 2, ... in the order of their adding, never given again
   */
  add(rows: Rows<T>, labels?: ArrayLike<number>): Promise<Int32Array> {
    return this.#exclusive('Gallery.add', () => this.#add(rows, labels));
  }

  async #add(rows: Rows<T>, labels: ArrayLike<number> | undefined): Promise<Int32Array> {
    const operation = 'Gallery.add';
    const added = asMatrix(operation, 'rows', rows);
    const count = added.rows;
    const given =
      labels === undefined
        ? undefined
        : integerList(operation, 'labels', labels, { ...int32, length: count });
    const old = this.#store ?? emptyStore(operation, added);
    checkPair(operation, 'rows', { data: old.data, rows: 0, cols: old.cols }, added);
    const used = old.used + count;
    const store =
      used * old.cols <= old.data.length ? old : await moved(operation, old, Math.max(used, 2 * old.used));
    await copy(operation, 'rows', added.data, store.data, store.used * store.cols);
    const to = store.used + count;
    const numbers = range(count).map((i) => this.#next + i);
    store.numbers.set(numbers, store.used);
    if (given === undefined) store.labels.fill(-1, store.used, to);
    else store.labels.set(given, store.used);
    store.alive.fill(1, store.used, to);
    this.#checkOpen(operation);
    this.#next += count;
    this.#store = { ...store, used: to, size: store.size + count };
    return numbers;
  }

  /**
   * Removes rows by their numbers.
   *
   * @returns how many of them were there
   */
  remove(numbers: ArrayLike<number>): Promise<number> {
    return this.#exclusive('Gallery.remove', async () => {
      const store = this.#store;
      const wanted = integerList('Gallery.remove', 'numbers', numbers, { ...int32, least: 0 });
      if (store === undefined) return 0;
      const alive = store.alive.slice();
      let removed = 0;
      for (const number of wanted) {
        const row = find(store, number);
        if (row < 0 || alive[row] === 0) continue;
        alive[row] = 0;
        ++removed;
      }
      const left = { ...store, alive, size: store.size - removed };
      this.#store = left.size < left.used / 2 ? await moved('Gallery.remove', left, left.size) : left;
      return removed;
    });
  }

  /**
   * The nearest rows of every query, as `topK` has them; `indices` are the rows' numbers.
   *
   * @throws TypeError or RangeError with a code `ERR_HOROBALL_...`; rejects with the signal's reason when aborted
   */
  topK(queries: Rows<T>, options: SearchOptions & AsyncOptions): Promise<Neighbours<T>> {
    return runAsync('Gallery.topK', options?.signal, () => this.#prepare('Gallery.topK', queries, options));
  }

  /** {@link topK} on this thread. */
  topKSync(queries: Rows<T>, options: SearchOptions): Neighbours<T> {
    return runSync('Gallery.topKSync', this.#prepare('Gallery.topKSync', queries, options));
  }

  #prepare(operation: string, queries: Rows<T>, options: SearchOptions): ReturnType<typeof prepareTopK<T>> {
    this.#checkOpen(operation);
    const store = this.#store;
    if (store === undefined || store.size === 0)
      throw shapeError(operation, 'gallery', 'at least one row', 'none');
    const { k, threads, device, labels, exclude } = checkOptions(operation, options);
    integer(operation, 'k', k, 1, store.size);
    const rows: Matrix<T> = {
      data: store.data.subarray(0, store.used * store.cols) as T,
      rows: store.used,
      cols: store.cols,
    };
    const search = prepareTopK(operation, queries, rows, {
      ...this.#options,
      k,
      threads,
      device,
      allowed: labels === undefined ? livingMask(store) : labelMask(store, labelSet(operation, labels)),
      exclude:
        exclude &&
        integerList(operation, 'exclude', exclude, { ...int32, least: -1 }).map((number) =>
          find(store, number),
        ),
    });
    return {
      start: search.start,
      finish: () => {
        const { indices, distances } = search.finish();
        return { indices: indices.map((row) => (row < 0 ? -1 : store.numbers[row]!)), distances };
      },
    };
  }

  /** Writes the gallery as a safetensors file, whole or not at all. */
  save(path: string): Promise<void> {
    return this.#exclusive('Gallery.save', async () => {
      const store = this.#store;
      if (store === undefined) throw shapeError('Gallery.save', 'gallery', 'at least one row', 'none');
      const { data, cols, used, numbers, labels } = await moved('Gallery.save', store, store.size);
      const tensors = {
        rows: { shape: [used, cols], data: data.subarray(0, used * cols) },
        numbers: { shape: [used], data: numbers.subarray(0, used) },
        labels: { shape: [used], data: labels.subarray(0, used) },
      };
      const about = JSON.stringify({ ...this.#options, next: this.#next });
      await writeSafetensors(path, tensors, { metadata: { horoball_gallery: about } });
    });
  }

  /**
   * Reads a gallery that {@link save} wrote.
   *
   * @throws Error `ERR_HOROBALL_FORMAT` when the file is not one
   */
  static async load(path: string): Promise<Gallery<Reals>> {
    const { tensors, metadata } = await readSafetensors(path);
    const rows = tensors.get('rows');
    const numbers = tensors.get('numbers')?.data;
    const labels = tensors.get('labels')?.data;
    const { gallery, next } = emptyOf(path, metadata['horoball_gallery']);
    const sound = rows !== undefined && soundRows(rows, numbers, labels, next);
    if (!sound) throw notOne(path);
    const [used = 0, cols = 1] = rows.shape;
    const alive = new Uint8Array(used).fill(1);
    gallery.#store = {
      data: rows.data as Reals,
      cols,
      used,
      numbers: numbers as Int32Array,
      labels: labels as Int32Array,
      alive,
      size: used,
    };
    gallery.#next = next;
    return gallery;
  }

  /** Lets the rows go. Searches that have begun end as they would; anything else throws afterwards. */
  close(): void {
    this.#closed = true;
    this.#store = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Changes wait for one another. */
  async #exclusive<R>(operation: string, work: () => Promise<R>): Promise<R> {
    this.#checkOpen(operation);
    const turn = this.#turn.then(() => {
      this.#checkOpen(operation);
      return work();
    });
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  #checkOpen(operation: string): void {
    if (this.#closed) throw coded('ERR_HOROBALL_CLOSED', `[${operation}] the gallery is closed`);
  }
}

/** A gallery without rows, as the metadata of its file says, and the number of its next row. */
function emptyOf(path: string, text: string | undefined): { gallery: Gallery<Reals>; next: number } {
  try {
    const { next, ...distance } = JSON.parse(text ?? '') as MetricOptions & { next: number };
    if (Number.isInteger(next)) return { gallery: new Gallery<Reals>(distance), next };
  } catch {}
  throw notOne(path);
}

function soundRows(rows: SafeTensor, numbers: unknown, labels: unknown, next: number): boolean {
  if (!(numbers instanceof Int32Array && labels instanceof Int32Array && isReals(rows.data))) return false;
  const ascending = numbers.every((number, i) => number > (i === 0 ? -1 : numbers[i - 1]!) && number < next);
  return (
    next <= 2 ** 31 &&
    rows.shape.length === 2 &&
    rows.shape[1]! > 0 &&
    numbers.length === rows.shape[0] &&
    labels.length === numbers.length &&
    ascending
  );
}

function labelSet(operation: string, labels: Iterable<number>): ReadonlySet<number> {
  if (typeof labels?.[Symbol.iterator] !== 'function') {
    throw typeError(operation, 'labels', 'an iterable of integers', labels);
  }
  return new Set(integerList(operation, 'labels', Array.from(labels), int32));
}

function notOne(path: string): Error {
  return coded('ERR_HOROBALL_FORMAT', `[Gallery.load] ${path}: not a gallery that Gallery.save wrote`);
}
