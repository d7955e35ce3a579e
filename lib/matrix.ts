import { coded, describe, quoted, rangeError, shapeError, typeError } from './errors.ts';

/** The element types that every function takes; what goes in comes out. */
export type Reals = Float32Array | Float64Array;

/** A row-major matrix: element (i, j) is `data[i * cols + j]`. */
export interface Matrix<T extends Reals = Reals> {
  readonly data: T;
  readonly rows: number;
  readonly cols: number;
}

/** A matrix, or a typed array that stands for its only row. */
export type Rows<T extends Reals = Reals> = Matrix<T> | T;

/**
 * A row-major view of a typed array; nothing is copied.
 *
 * @param data - `rows * cols` elements, over an ArrayBuffer or a SharedArrayBuffer of fixed length
 * @param rows - 0 or more
 * @param cols - 1 or more
 * @throws TypeError `ERR_HOROBALL_TYPE`, RangeError `ERR_HOROBALL_SHAPE`
 * @example
 * const points = matrix(new Float32Array([0, 0, 0.5, 0]), 2, 2); // the origin and (0.5, 0)
 * points.rows; // => 2
 */
export function matrix<T extends Reals>(data: T, rows: number, cols: number): Matrix<T> {
  return asMatrix('matrix', 'data', { data, rows, cols });
}

/** Checks one argument and gives it its shape. A typed array is one row. */
export function asMatrix<T extends Reals>(operation: string, argument: string, value: Rows<T>): Matrix<T> {
  if (ArrayBuffer.isView(value)) return asRow(operation, argument, value);
  if (value === null || typeof value !== 'object' || !ArrayBuffer.isView(value.data)) {
    throw typeError(operation, argument, 'a matrix or a typed array', quoted(value));
  }
  const { data, rows, cols } = value;
  checkData(operation, argument, data);
  if (!Number.isInteger(rows) || rows < 0)
    throw shapeError(operation, argument, 'rows of 0 or more', quoted(rows));
  if (!Number.isInteger(cols) || cols < 1)
    throw shapeError(operation, argument, 'cols of 1 or more', quoted(cols));
  if (data.length !== rows * cols) throw lengthError(operation, argument, value);
  return value;
}

function asRow<T extends Reals>(operation: string, argument: string, data: T): Matrix<T> {
  checkData(operation, argument, data);
  if (data.length === 0)
    throw shapeError(operation, argument, 'at least one element', 'an empty or detached array');
  return { data, rows: 1, cols: data.length };
}

function checkData(operation: string, argument: string, data: Reals): void {
  if (!isReals(data)) throw typeError(operation, argument, 'a Float32Array or Float64Array', describe(data));
  checkFixed(operation, argument, data);
}

/** Throws for a resizable buffer: a job on another thread must not lose the memory under its feet. */
export function checkFixed(operation: string, argument: string, { buffer }: ArrayBufferView): void {
  // ES2024; absent before it.
  if ((buffer as { resizable?: boolean }).resizable === true) {
    throw typeError(operation, argument, 'a buffer of fixed length', 'a resizable one');
  }
}

/** The place for the gradient of c, checked. */
export function checkGradC(operation: string, gradC: Float64Array | undefined): Float64Array | undefined {
  if (gradC === undefined) return undefined;
  if (!(gradC instanceof Float64Array && gradC.length === 1)) {
    throw typeError(operation, 'gradC', 'a Float64Array of one element', gradC);
  }
  checkFixed(operation, 'gradC', gradC);
  return gradC;
}

/**
 * Throws for an array that had `length` elements when its call began and has lost them to somebody else since.
 */
export function checkKept(
  operation: string,
  argument: string,
  data: ArrayLike<unknown>,
  length: number,
): void {
  if (data.length === length) return;
  const text = 'expected an array that stays until the call ends, got one whose buffer was transferred';
  throw coded('ERR_HOROBALL_DETACHED', `[${operation}] ${argument}: ${text}`, TypeError);
}

/** By tag, so that arrays of another realm pass and a Float16Array does not. */
export function isReals(value: unknown): value is Reals {
  if (!ArrayBuffer.isView(value)) return false;
  const tag = (value as Reals)[Symbol.toStringTag] as string;
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
  if (want !== got) throw typeError(operation, argument, `a ${want} as the others`, got);
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

/** A new matrix of zeros with the element type of `like`. */
export function zeros<T extends Reals>(operation: string, like: T, rows: number, cols: number): Matrix<T> {
  return { data: allocate(operation, like, rows * cols), rows, cols };
}

/** A new array of zeros with the element type of `like`. */
export function allocate<T extends Reals>(operation: string, like: T, length: number): T {
  const single = like[Symbol.toStringTag] === 'Float32Array';
  return room<Reals>(operation, single ? Float32Array : Float64Array, length) as T;
}

/** A new typed array; `ERR_HOROBALL_MEMORY` where there is none so long. */
export function room<A>(operation: string, Kind: new (length: number) => A, length: number): A {
  try {
    return new Kind(length);
  } catch {
    throw coded('ERR_HOROBALL_MEMORY', `[${operation}] out: no memory for ${length} elements`, RangeError);
  }
}

/** One array after another, as one. */
export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Copies of some rows, in the order given. */
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
 * Where a result goes: the caller's `out`, checked, or new memory. An `out` may not share memory with an input.
 */
export function resultMatrix<T extends Reals>(
  operation: string,
  argument: string,
  out: Rows<T> | undefined,
  rows: number,
  cols: number,
  inputs: readonly (Matrix<T> | undefined)[],
): Matrix<T> {
  const like = inputs[0] as Matrix<T>;
  if (out === undefined) return zeros(operation, like.data, rows, cols);
  const { data } = asMatrix(operation, argument, out);
  if (data.length !== rows * cols) {
    throw shapeError(operation, argument, `${rows} x ${cols} elements`, String(data.length));
  }
  const result = { data, rows, cols };
  checkSameType(operation, argument, like, result);
  const { buffer } = data; // asked for once: the getter costs as much as a short call's arithmetic
  for (const input of inputs) {
    if (input !== undefined && input.data.buffer === buffer && overlap(input.data, data)) {
      throw rangeError(operation, argument, 'memory of its own', 'memory that an input has');
    }
  }
  return result;
}

/** Of two arrays over one buffer. */
function overlap(a: Reals, b: Reals): boolean {
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}
