// Divides work on the main thread among turns of the event loop. Results do not depend on the division.

import {
  allocateArray,
  checkKept,
  type DenseMatrix,
  type Matrix,
  matrix,
  type Reals,
  zeros,
} from '../matrix.ts';
import { pause, type Steps } from './run.ts';

/** Elements between two reads of the clock: about 0.2 ms of work, at up to 50 ns per element. */
const sliceSize = 1 << 12;
/** Items between two reads of the clock: about 0.25 ms of work, at up to 500 ns per item. */
const itemsPerSlice = 1 << 9;

/** Calls `work` for the range from 0 to `length`, in ascending slices of at most `size`. */
export function* inSlices(
  length: number,
  work: (begin: number, end: number) => void,
  size: number = sliceSize,
): Steps<void> {
  for (let begin = 0; begin < length; begin += size) {
    work(begin, Math.min(length, begin + size));
    yield pause;
  }
}

/** Calls `work` for each item and its index, in order. */
export function* forEach<T>(items: Iterable<T>, work: (item: T, at: number) => void): Steps<void> {
  let at = 0;
  for (const item of items) {
    work(item, at);
    at += 1;
    if (at % itemsPerSlice === 0) yield pause;
  }
}

/** Returns the number of rows per slice: at most 4096 rows and 65,536 elements in total, but at least one row. */
export function rowsPerSlice(cols: number): number {
  return Math.max(1, Math.min(sliceSize, Math.floor((1 << 16) / cols)));
}

/** Returns the integers from 0 to n - 1. */
export function* range(n: number): Steps<Int32Array> {
  const list = new Int32Array(n);
  yield* inSlices(n, (begin, end) => {
    for (let i = begin; i < end; ++i) list[i] = i;
  });
  return list;
}

/** Copies the given rows, in that order; `argument` names their matrix in errors. */
export function* gatherRows<T extends Reals>(
  operation: string,
  argument: string,
  from: Matrix<T>,
  rows: Int32Array,
): Steps<Matrix<T>> {
  const { data, cols } = from;
  const length = from.rows * cols; // data is shorter if its buffer was already detached
  const out = zeros(operation, data, rows.length, cols);
  const copy = (begin: number, end: number): void => {
    checkKept(operation, argument, data, length);
    for (let i = begin; i < end; ++i) {
      const at = rows[i]! * cols;
      out.data.set(data.subarray(at, at + cols), i * cols);
    }
  };
  yield* inSlices(rows.length, copy, rowsPerSlice(cols));
  return out;
}

/** Returns a float64 copy of a matrix, multiplied by `scale`; `argument` names the matrix in errors. */
export function* widened(
  operation: string,
  argument: string,
  { data, rows, cols }: Matrix,
  scale = 1,
): Steps<DenseMatrix<Float64Array>> {
  const length = rows * cols; // data is shorter if its buffer was already detached
  const out = allocateArray(operation, Float64Array, length);
  yield* inSlices(length, (begin, end) => {
    checkKept(operation, argument, data, length);
    for (let i = begin; i < end; ++i) out[i] = data[i]! * scale;
  });
  return matrix(out, rows, cols);
}

/** Sorts a list with a stable merge sort: sorts short parts, then merges them. */
export function* sorted(list: Int32Array, compare: (a: number, b: number) => number): Steps<Int32Array> {
  const { length } = list;
  const part = 1 << 10;
  let from = list.slice();
  yield* inSlices(length, (begin, end) => from.subarray(begin, end).sort(compare), part);
  for (let width = part; width < length; width *= 2) {
    const to = new Int32Array(length);
    for (let begin = 0; begin < length; begin += 2 * width)
      yield* merge(
        from,
        to,
        [begin, Math.min(length, begin + width), Math.min(length, begin + 2 * width)],
        compare,
      );
    from = to;
  }
  return from;
}

/** Merges two adjacent sorted ranges, `begin` to `middle` and `middle` to `end`. */
function* merge(
  from: Int32Array,
  to: Int32Array,
  [begin, middle, end]: readonly [number, number, number],
  compare: (a: number, b: number) => number,
): Steps<void> {
  let a = begin;
  let b = middle;
  yield* inSlices(end - begin, (first, last) => {
    for (let at = begin + first; at < begin + last; ++at) {
      const isFirst = a < middle && (b === end || compare(from[a]!, from[b]!) <= 0);
      to[at] = from[isFirst ? a++ : b++]!;
    }
  });
}
