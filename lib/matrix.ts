import { integer, isTyped, readLength } from './check.ts';
import { coded, describe, quoted, rangeError, shapeError, typeError } from './errors.ts';

/** Element types of matrices. Unless stated otherwise, a result has the type of the inputs. */
export type Reals = Float32Array | Float64Array;

/** A row-major matrix: element (i, j) is `data[i * cols + j]`. */
export interface Matrix<T extends Reals = Reals> {
  readonly data: T;
  readonly rows: number;
  readonly cols: number;
}

/** A matrix, or a typed array that is treated as a single row. */
export type Rows<T extends Reals = Reals> = Matrix<T> | T;

/** A matrix that this package returns. Arguments can be any objects with `data`, `rows` and `cols`. */
export class DenseMatrix<T extends Reals = Reals> implements Matrix<T> {
  readonly data: T;
  readonly rows: number;
  readonly cols: number;

  /** @internal */
  constructor(data: T, rows: number, cols: number) {
    this.data = data;
    this.rows = rows;
    this.cols = cols;
  }

  /**
   * Returns row `i` as a view of the matrix's memory.
   *
   * @throws TypeError `ERR_HOROBALL_TYPE` or RangeError `ERR_HOROBALL_RANGE` if row `i` does not exist; TypeError
   * `ERR_HOROBALL_DETACHED` if the memory was transferred
   */
  row(i: number): T {
    const at = integer('Matrix.row', 'i', i, 0, this.rows - 1) * this.cols;
    checkAttached('Matrix.row', 'data', this);
    return this.data.subarray(at, at + this.cols) as T;
  }

  /**
   * Returns a copy as nested arrays, the inverse of `matrix([[1, 2], [3, 4]])`.
   *
   * @throws TypeError `ERR_HOROBALL_DETACHED` if the memory was transferred
   */
  toArray(): number[][] {
    checkAttached('Matrix.toArray', 'data', this);
    const { data, rows, cols } = this;
    return Array.from({ length: rows }, (_, i) => Array.from(data.subarray(i * cols, (i + 1) * cols)));
  }
}

/** Rows of numbers, all of the same length, as nested arrays or a list of typed arrays. */
export type NestedRows = readonly ArrayLike<number>[];

/** A Float16Array, in engines that have it (Node.js 24 and later). */
export interface HalfArray extends ArrayLike<number> {
  readonly [Symbol.toStringTag]: 'Float16Array';
}

/**
 * Returns a row-major matrix: a view of a typed array (no copy), a float64 copy of nested arrays, or a float32 copy of a
 * Float16Array.
 *
 * @param data - `rows * cols` elements, over an ArrayBuffer or a SharedArrayBuffer of fixed length; or nested arrays:
 * one or more rows of the same length
 * @param rows - 0 or more; not for nested arrays
 * @param cols - 1 or more; not for nested arrays
 * @throws TypeError `ERR_HOROBALL_TYPE` or `ERR_HOROBALL_DETACHED`, RangeError `ERR_HOROBALL_SHAPE` or
 * `ERR_HOROBALL_MEMORY`
 * @example
 * const points = matrix(new Float32Array([0, 0, 0.5, 0]), 2, 2); // the origin and (0.5, 0)
 * points.rows; // => 2
 * points.row(1); // => new Float32Array([0.5, 0])
 * points.toArray(); // => [[0, 0], [0.5, 0]]
 * matrix([[0, 0], [0.5, 0]]).data; // => new Float64Array([0, 0, 0.5, 0])
 */
export function matrix<T extends Reals>(data: T, rows: number, cols: number): DenseMatrix<T>;
export function matrix(data: HalfArray, rows: number, cols: number): DenseMatrix<Float32Array>;
export function matrix(data: NestedRows): DenseMatrix<Float64Array>;
export function matrix(data: Reals | HalfArray | NestedRows, rows?: number, cols?: number): DenseMatrix {
  if (Array.isArray(data) && rows === undefined && cols === undefined) return nested(data);
  const view = isHalf(data) ? widened(data) : data;
  const shape = { data: view as Reals, rows: rows as number, cols: cols as number };
  const checked = asMatrix('matrix', 'data', shape);
  return new DenseMatrix(checked.data, checked.rows, checked.cols);
}

function isHalf(data: unknown): data is HalfArray {
  return ArrayBuffer.isView(data) && tagOf(data) === 'Float16Array';
}

function widened(data: HalfArray): Float32Array {
  checkFixed('matrix', 'data', data as unknown as ArrayBufferView);
  const wide = allocateArray('matrix', Float32Array, data.length);
  wide.set(data);
  return wide;
}

function tagOf(view: ArrayBufferView): string {
  return (view as Reals)[Symbol.toStringTag];
}

/** Copies nested rows to a matrix. Checks each number, because a typed array would turn holes and most strings into NaN. */
function nested(list: NestedRows): DenseMatrix<Float64Array> {
  const rows: ArrayLike<unknown>[] = [];
  const { length: count } = list;
  for (let i = 0; i < count; ++i) {
    const row: unknown = list[i];
    if (row === null || typeof row !== 'object')
      throw typeError('matrix', `data[${i}]`, 'an array', quoted(row));
    rows.push(row as ArrayLike<unknown>);
  }
  const cols = rows.length === 0 ? 0 : (readLength(rows[0]!) ?? 0);
  if (typeof cols !== 'number' || (cols > 0 && !Number.isInteger(cols)))
    throw typeError('matrix', 'data[0]', 'an array', quoted(rows[0]));
  if (!(cols > 0)) throw shapeError('matrix', 'data', 'at least one row of numbers', 'none');
  const data = allocateArray('matrix', Float64Array, rows.length * cols);
  for (const [i, row] of rows.entries()) {
    const length = readLength(row);
    if (length !== cols) throw shapeError('matrix', `data[${i}]`, `${cols} numbers`, quoted(length));
    for (let j = 0; j < cols; ++j) {
      const value: unknown = row[j];
      if (typeof value !== 'number') throw typeError('matrix', `data[${i}][${j}]`, 'a number', quoted(value));
      data[i * cols + j] = value;
    }
  }
  return new DenseMatrix(data, rows.length, cols);
}

/**
 * Checks one argument and returns it as a matrix. A typed array is one row. Each property is read once, so the value
 * that was checked is the one that is used, even if a getter returns a different value the next time.
 */
export function asMatrix<T extends Reals>(operation: string, argument: string, value: Rows<T>): Matrix<T> {
  if (ArrayBuffer.isView(value)) return asRow(operation, argument, value);
  if (value === null || typeof value !== 'object') throw notMatrix(operation, argument, value);
  const { data: given, rows, cols } = value;
  if (!ArrayBuffer.isView(given)) throw notMatrix(operation, argument, value);
  const data = checkedData(operation, argument, given);
  if (!Number.isInteger(rows) || rows < 0) throw sizeError(operation, argument, 'rows', 0, rows);
  if (!Number.isInteger(cols) || cols < 1) throw sizeError(operation, argument, 'cols', 1, cols);
  const shape = { data, rows, cols };
  if (data.length !== rows * cols) throw lengthError(operation, argument, shape);
  return shape;
}

/** Whether an argument is meant as rows, not as options. {@link asMatrix} then checks the rows. */
export function isRows(value: unknown): boolean {
  if (ArrayBuffer.isView(value) || Array.isArray(value)) return true;
  return value !== null && typeof value === 'object' && 'data' in value;
}

/**
 * Returns the error for an invalid size. For `matrix`, the error names the argument `rows` or `cols`; for other calls,
 * the matrix argument.
 */
function sizeError(
  operation: string,
  argument: string,
  size: 'rows' | 'cols',
  least: number,
  got: unknown,
): Error {
  if (operation === 'matrix')
    return shapeError(operation, size, `an integer of ${least} or more`, quoted(got));
  return shapeError(operation, argument, `${size} of ${least} or more`, quoted(got));
}

/** Returns the error for a value that is not rows. For an array, it says how to convert it. */
export function notMatrix(operation: string, argument: string, value: unknown): Error {
  const got = Array.isArray(value) ? 'an array. Call matrix(...) with an array of rows.' : quoted(value);
  return typeError(operation, argument, 'a matrix or a typed array', got);
}

function asRow<T extends Reals>(operation: string, argument: string, given: T): Matrix<T> {
  const data = checkedData(operation, argument, given);
  if (data.length === 0)
    throw shapeError(operation, argument, 'at least one element', 'an empty or detached array');
  return { data, rows: 1, cols: data.length };
}

function checkedData<T extends Reals>(operation: string, argument: string, given: T): T {
  const data = plain(given);
  if (!isReals(data)) {
    const hint = isHalf(given) ? '. Convert it with matrix().' : '';
    throw typeError(operation, argument, 'a Float32Array or Float64Array', describe(given) + hint);
  }
  checkFixed(operation, argument, data);
  return data;
}

const views: object = Object.getPrototypeOf(Float32Array.prototype);
const getterOf = (name: PropertyKey) => Object.getOwnPropertyDescriptor(views, name)?.get as () => unknown;
const [tagIn, bufferIn, offsetIn, lengthIn] = (
  [Symbol.toStringTag, 'buffer', 'byteOffset', 'length'] as const
).map(getterOf) as [() => unknown, () => ArrayBuffer, () => number, () => number];

/** Whether a class is built in, such as Float32Array of another realm. */
function isBuiltIn(Class: unknown): boolean {
  return typeof Class === 'function' && Function.prototype.toString.call(Class).includes('[native code]');
}

/**
 * Returns an array of a subclass as an array of its base class, on the same memory: `subarray` calls the constructor of the
 * subclass, which may interpret its arguments as coordinates.
 */
export function plain<T extends Reals>(data: T): T {
  const Class: unknown = data.constructor;
  if (Class === Float32Array || Class === Float64Array || isBuiltIn(Class)) return data;
  const tag = tagIn.call(data);
  if (tag !== 'Float32Array' && tag !== 'Float64Array') return data;
  const Kind = tag === 'Float32Array' ? Float32Array : Float64Array;
  const length = lengthIn.call(data);
  if (length === 0) return new Kind(0) as Reals as T; // a detached buffer cannot be viewed
  return new Kind(bufferIn.call(data), offsetIn.call(data), length) as Reals as T;
}

/** Throws for a resizable buffer: a job on another thread must not lose its memory. */
export function checkFixed(operation: string, argument: string, { buffer }: ArrayBufferView): void {
  // `resizable` is part of ES2024, and undefined in older engines.
  if ((buffer as { resizable?: boolean }).resizable === true) {
    throw typeError(operation, argument, 'a buffer of fixed length', 'a resizable one');
  }
}

/** Checks the option `gradC`, the array for the gradient with respect to c, and returns it. */
export function checkGradC(operation: string, gradC: Float64Array | undefined): Float64Array | undefined {
  if (gradC === undefined) return undefined;
  if (!(isTyped(gradC, Float64Array) && gradC.length === 1)) {
    throw typeError(operation, 'gradC', 'a Float64Array of one element', gradC);
  }
  checkFixed(operation, 'gradC', gradC);
  return gradC;
}

/**
 * Throws if an array of `length` elements was detached after the call started.
 */
export function checkKept(
  operation: string,
  argument: string,
  data: ArrayLike<unknown>,
  length: number,
): void {
  if (data.length === length) return;
  const text =
    'expected an array that stays attached until the call ends, got one whose buffer was transferred';
  throw coded('ERR_HOROBALL_DETACHED', `[${operation}] ${argument}: ${text}`, TypeError);
}

/** Throws if the buffer of a matrix was transferred after the matrix was checked. */
export function checkAttached(operation: string, argument: string, { data, rows, cols }: Matrix): void {
  checkKept(operation, argument, data, rows * cols);
}

/**
 * Whether a value is a Float32Array or Float64Array. Checks the tag, so that arrays of another realm pass and a
 * Float16Array does not.
 */
export function isReals(value: unknown): value is Reals {
  if (!ArrayBuffer.isView(value)) return false;
  const tag = tagOf(value);
  return tag === 'Float32Array' || tag === 'Float64Array';
}

function lengthError(operation: string, argument: string, { data, rows, cols }: Matrix): Error {
  const text = `[${operation}] ${argument}: expected ${rows} x ${cols} elements, got ${data.length}`;
  if (data.length > 0) return coded('ERR_HOROBALL_SHAPE', text, RangeError);
  return coded('ERR_HOROBALL_DETACHED', `${text}: its buffer is detached or was resized`, TypeError);
}

/** Throws unless `b` has the element type of `a`. */
export function checkSameType(operation: string, argument: string, a: Matrix, b: Matrix): void {
  const want = a.data[Symbol.toStringTag];
  const got = b.data[Symbol.toStringTag];
  if (want !== got) throw typeError(operation, argument, `a ${want}, like the others`, got);
}

/** Throws unless `value` is `rows` x `cols`. */
export function checkShape(
  operation: string,
  argument: string,
  value: Matrix,
  rows: number,
  cols: number,
): void {
  if (value.rows !== rows || value.cols !== cols) {
    throw shapeError(operation, argument, `${rows} x ${cols}`, `${value.rows} x ${value.cols}`);
  }
}

/** Returns a new matrix of zeros with the element type of `like`. */
export function zeros<T extends Reals>(
  operation: string,
  like: T,
  rows: number,
  cols: number,
): DenseMatrix<T> {
  return new DenseMatrix(allocate(operation, like, rows * cols), rows, cols);
}

/** Returns a new array of zeros with the element type of `like`. */
export function allocate<T extends Reals>(operation: string, like: T, length: number): T {
  const single = like[Symbol.toStringTag] === 'Float32Array';
  return allocateArray<Reals>(operation, single ? Float32Array : Float64Array, length) as T;
}

/** Returns a new typed array. Throws `ERR_HOROBALL_MEMORY` if it cannot be allocated. */
export function allocateArray<A>(operation: string, Kind: new (length: number) => A, length: number): A {
  try {
    return new Kind(length);
  } catch {
    throw coded('ERR_HOROBALL_MEMORY', `[${operation}] out: cannot allocate ${length} elements`, RangeError);
  }
}

/** Concatenates arrays. */
export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Copies the given rows, in that order. */
export function rowsAt<T extends Reals>(
  operation: string,
  { data, cols }: Matrix<T>,
  rows: ArrayLike<number>,
): Matrix<T> {
  const out = zeros(operation, data, rows.length, cols);
  for (let i = 0; i < rows.length; ++i) {
    const from = rows[i]! * cols;
    out.data.set(data.subarray(from, from + cols), i * cols);
  }
  return out;
}

/**
 * Returns the output of a call: the caller's `out`, validated, or new memory. `out` must not share memory with an input.
 */
export function resultMatrix<T extends Reals>(
  operation: string,
  argument: string,
  out: Rows<T> | undefined,
  rows: number,
  cols: number,
  inputs: readonly (Matrix<T> | undefined)[],
): DenseMatrix<T> {
  const like = inputs[0] as Matrix<T>;
  if (out === undefined) return zeros(operation, like.data, rows, cols);
  const { data } = asMatrix(operation, argument, out);
  if (data.length !== rows * cols) {
    throw shapeError(operation, argument, `${rows} x ${cols} elements`, String(data.length));
  }
  const result = new DenseMatrix(data, rows, cols);
  checkSameType(operation, argument, like, result);
  const { buffer } = data; // read once: the getter takes as long as a short call's arithmetic
  for (const input of inputs) {
    if (input !== undefined && input.data.buffer === buffer && overlap(input.data, data)) {
      throw rangeError(operation, argument, 'separate memory', 'memory shared with an input');
    }
  }
  return result;
}

/** Whether two arrays overlap in one buffer. */
function overlap(a: Reals, b: Reals): boolean {
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}
