import { pause, type Steps } from '../call/run.ts';
import { inSlices, rowsPerSlice } from '../call/slices.ts';
import { itemsOf } from '../check.ts';
import { rangeError } from '../errors.ts';
import { int32, integerList } from '../integers.ts';
import { allocate, checkKept, type Matrix, type Reals } from '../matrix.ts';
import type { AnyMetricOptions } from '../pairwise.ts';
import { encodeIndex, type GalleryIndex } from './lists.ts';

/** The rows of a gallery, ordered by number. The first `used` rows are never changed in place. */
export interface Store<T extends Reals> {
  readonly data: T;
  readonly cols: number;
  /** Rows in use; the rest of `data` is spare capacity. */
  readonly used: number;
  readonly numbers: Int32Array;
  readonly labels: Int32Array;
  /** Per row: 1, or 0 if it was removed. */
  readonly alive: Uint8Array;
  readonly size: number;
  /** An index of the first rows. */
  readonly index?: GalleryIndex<T> | undefined;
}

/** Number of elements that are copied per slice. */
const slice = 1 << 16;

/**
 * Maximum number of rows that are moved per slice, whatever their width: each may need a separate copy, and starting a
 * copy takes longer than copying the elements.
 */
const runsPerSlice = 1 << 8;

/** Returns an empty store for rows with the columns and the element type of `like`. */
export function emptyStore<T extends Reals>(operation: string, like: Matrix<T>): Store<T> {
  const empty = new Int32Array(0);
  const data = allocate(operation, like.data, 0);
  return { data, cols: like.cols, used: 0, numbers: empty, labels: empty, alive: new Uint8Array(0), size: 0 };
}

/**
 * Returns a store with space for `capacity` rows that contains the rows of `old` that were not removed, without an
 * index.
 */
export function* moved<T extends Reals>(operation: string, old: Store<T>, capacity: number): Steps<Store<T>> {
  const { cols } = old;
  const data = allocate(operation, old.data, capacity * cols);
  const numbers = new Int32Array(capacity);
  const labels = new Int32Array(capacity);
  const alive = new Uint8Array(capacity).fill(1, 0, old.size);
  let used = 0;
  const move = (row: number, end: number): void => {
    data.set(old.data.subarray(row * cols, end * cols), used * cols);
    numbers.set(old.numbers.subarray(row, end), used);
    labels.set(old.labels.subarray(row, end), used);
    used += end - row;
  };
  const moveAlive = (begin: number, last: number): void => {
    for (let row = begin; row < last; ++row) {
      let end = row;
      while (end < last && old.alive[end] === 1) ++end;
      if (end > row) move(row, end);
      row = end;
    }
  };
  yield* inSlices(old.used, moveAlive, Math.min(runsPerSlice, rowsPerSlice(cols)));
  return { data, cols, used, numbers, labels, alive, size: used };
}

/** Copies a matrix to `to`, starting at element `at`; `argument` names the matrix in errors. */
export function* copy(
  operation: string,
  argument: string,
  { data, rows, cols }: Matrix,
  to: Reals,
  at: number,
): Steps<void> {
  const length = rows * cols; // data is shorter if its buffer was already detached
  const part = (begin: number, end: number): void => {
    checkKept(operation, argument, data, length);
    to.set(data.subarray(begin, end), at + begin);
  };
  yield* inSlices(length, part, slice);
}

/** Returns the position of the row with a given number, or -1. */
export function find({ numbers, used }: Store<Reals>, number: number): number {
  let low = 0;
  let high = used;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < number) low = middle + 1;
    else high = middle;
  }
  return low < used && numbers[low] === number ? low : -1;
}

/** Returns a mask of the rows, 1 for those not removed; undefined if no row was removed. */
export function aliveMask({ alive, used, size }: Store<Reals>): Uint8Array | undefined {
  return size === used ? undefined : alive.subarray(0, used);
}

/** Returns a mask of the rows, 1 for those that have one of the labels and were not removed. */
export function* labelMask(
  { alive, labels, used }: Store<Reals>,
  wanted: ReadonlySet<number>,
): Steps<Uint8Array> {
  const mask = new Uint8Array(used);
  yield* inSlices(used, (begin, end) => {
    for (let row = begin; row < end; ++row) mask[row] = alive[row]! & Number(wanted.has(labels[row]!));
  });
  return mask;
}

/** Returns the list of each remaining row, in the order of a store without the removed rows. */
export function* remainingLists({ alive, index }: Store<Reals>): Steps<Int32Array> {
  const lists = index?.lists ?? new Int32Array(0);
  const kept = new Int32Array(lists.length);
  let count = 0;
  yield* inSlices(lists.length, (begin, end) => {
    for (let i = begin; i < end; ++i) if (alive[i] === 1) kept[count++] = lists[i]!;
  });
  return kept.slice(0, count);
}

/** Returns the index for a store to which the remaining rows of `old` were moved. */
export function* movedIndex<T extends Reals>(
  operation: string,
  old: Store<T>,
  { data, used, cols }: Store<T>,
  metric: AnyMetricOptions,
): Steps<GalleryIndex<T> | undefined> {
  if (old.index === undefined || old.size === old.used) return old.index;
  const lists = yield* remainingLists(old);
  if (lists.length === 0) return undefined;
  const rows = { data: data.subarray(0, used * cols) as T, rows: used, cols };
  return yield* encodeIndex(operation, rows, old.index.centers, lists, metric);
}

/** Returns the rows of a store, including removed ones. */
export function rowsOfStore<T extends Reals>({ data, used, cols }: Store<T>): Matrix<T> {
  return { data: data.subarray(0, used * cols) as T, rows: used, cols };
}

/** Returns, for each query, the position of the row to exclude, given its number; -1 if there is no such row. */
export function* excludedRows(
  operation: string,
  store: Store<Reals>,
  numbers: ArrayLike<number>,
  queries: number,
): Steps<Int32Array> {
  const rows = yield* integerList(operation, 'exclude', numbers, { ...int32, least: -1, length: queries });
  yield* inSlices(rows.length, (begin, end) => {
    for (let i = begin; i < end; ++i) rows[i] = find(store, rows[i]!);
  });
  return rows;
}

/** Maximum number of labels of a search: an iterable may be endless. */
const maxLabels = 2 ** 23;

/** Returns a copy of the labels as a set. */
export function* labelSet(operation: string, labels: Iterable<number>): Steps<ReadonlySet<number>> {
  const list: number[] = [];
  for (const label of itemsOf(operation, 'labels', 'an iterable of integers', labels)) {
    if (list.length === maxLabels)
      throw rangeError(operation, 'labels', `at most ${maxLabels} labels`, 'more (is the iterable endless?)');
    if (list.push(label) % 4096 === 0) yield pause;
  }
  const checked = yield* integerList(operation, 'labels', list, int32);
  const set = new Set<number>();
  yield* inSlices(checked.length, (begin, end) => {
    for (let i = begin; i < end; ++i) set.add(checked[i]!);
  });
  return set;
}
