import { type AsyncOptions, runSteps, runStepsSync, type Steps } from './call/run.ts';
import { inSlices, rowsPerSlice } from './call/slices.ts';
import { checkOptions } from './check.ts';
import { rangeError } from './errors.ts';
import {
  asMatrix,
  checkKept,
  type DenseMatrix,
  type Matrix,
  type Reals,
  type Rows,
  resultMatrix,
} from './matrix.ts';

/** Options of {@link normalize}. */
export interface NormalizeOptions<T extends Reals = Reals> {
  /** Output array; must not share memory with the input. */
  out?: Rows<T> | undefined;
}

const name = 'normalize';
const known: ReadonlySet<string> = new Set(['out', 'signal']);

/** Unit rows, and the norms of the rows before normalization. */
export interface Normalized<T extends Reals = Reals> {
  readonly unit: DenseMatrix<T>;
  readonly norms: Float64Array;
}

/** Divides each row by its norm; `operation` and `argument` name the matrix in errors. */
export function* unitRows<T extends Reals>(
  operation: string,
  argument: string,
  x: Matrix<T>,
  out?: Rows<T>,
): Steps<Normalized<T>> {
  const { data, rows, cols } = x;
  const unit = resultMatrix(operation, 'out', out, rows, cols, [x]);
  const norms = new Float64Array(rows);
  const some = (begin: number, end: number): void => {
    checkKept(operation, argument, data, rows * cols);
    checkKept(operation, 'out', unit.data, rows * cols);
    for (let i = begin; i < end; ++i) {
      const { norm, scale } = normOf(data, i * cols, cols);
      if (norm === 0)
        throw rangeError(operation, argument, 'rows that are not all zeros', `zeros in row ${i}`);
      norms[i] = norm * scale;
      for (let k = i * cols; k < (i + 1) * cols; ++k) unit.data[k] = data[k]! / scale / norm;
    }
  };
  yield* inSlices(rows, some, rowsPerSlice(cols));
  return { unit, norms };
}

/**
 * Converts a gradient with respect to unit rows, in place, to the gradient with respect to the rows before
 * normalization. `operation` names the call in errors.
 */
export function* throughNorm(
  operation: string,
  gradient: Matrix,
  unit: Matrix,
  norms: Float64Array,
): Steps<void> {
  const { rows, cols } = unit;
  const some = (begin: number, end: number): void => {
    checkKept(operation, 'out', gradient.data, rows * cols);
    for (let i = begin; i < end; ++i) {
      const [from, to] = [i * cols, (i + 1) * cols];
      let along = 0;
      for (let k = from; k < to; ++k) along += gradient.data[k]! * unit.data[k]!;
      for (let k = from; k < to; ++k)
        gradient.data[k] = (gradient.data[k]! - along * unit.data[k]!) / norms[i]!;
    }
  };
  yield* inSlices(unit.rows, some, rowsPerSlice(cols));
}

/**
 * Largest accepted difference between the norm of a unit row and 1: rows normalized in bfloat16 have such rounding
 * errors.
 */
const unitTolerance = 0.01;

/** Throws for a row that is not of unit length. Rows with NaN pass. */
export function* checkUnitRows(
  operation: string,
  argument: string,
  { data, rows, cols }: Matrix,
): Steps<void> {
  const some = (begin: number, end: number): void => {
    checkKept(operation, argument, data, rows * cols);
    for (let i = begin; i < end; ++i) {
      let sum = 0;
      for (let k = i * cols; k < (i + 1) * cols; ++k) sum += data[k]! * data[k]!;
      const norm = Math.sqrt(sum);
      if (Math.abs(norm - 1) > unitTolerance) {
        const got = `norm ${Number(norm.toPrecision(4))} in row ${i}. Set normalize: true, or call normalize() first.`;
        throw rangeError(operation, argument, 'rows of unit length', got);
      }
    }
  };
  yield* inSlices(rows, some, rowsPerSlice(cols));
}

/** Returns the norm of a row as `norm * scale`. The scale is a power of 2 that keeps the squares in range, usually 1. */
function normOf(data: Reals, begin: number, cols: number): { norm: number; scale: number } {
  const sum = squares(data, begin, cols, 1);
  // Below this, squares of single elements may have underflowed.
  if (sum > 1e-270 && sum < Infinity) return { norm: Math.sqrt(sum), scale: 1 };
  let largest = 0;
  for (let k = begin; k < begin + cols; ++k) largest = Math.max(largest, Math.abs(data[k]!));
  if (largest === 0) return { norm: 0, scale: 1 };
  if (!(largest < Infinity)) return { norm: Number.NaN, scale: 1 };
  const scale = 2 ** Math.max(-1022, Math.floor(Math.log2(largest)));
  return { norm: Math.sqrt(squares(data, begin, cols, scale)), scale };
}

function squares(data: Reals, begin: number, cols: number, scale: number): number {
  let sum = 0;
  for (let k = begin; k < begin + cols; ++k) {
    const value = data[k]! / scale;
    sum += value * value;
  }
  return sum;
}

function* normalized<T extends Reals>(x: Rows<T>, given?: NormalizeOptions<T>): Steps<DenseMatrix<T>> {
  const { out } = checkOptions(name, given, 'options', known);
  return (yield* unitRows(name, 'x', asMatrix(name, 'x', x), out)).unit;
}

/** The type of {@link normalize}. */
export interface Normalize {
  <T extends Reals>(x: Rows<T>, options?: NormalizeOptions<T> & AsyncOptions): Promise<DenseMatrix<T>>;
  sync<T extends Reals>(x: Rows<T>, options?: NormalizeOptions<T> & AsyncOptions): DenseMatrix<T>;
}

/**
 * Divides each row by its Euclidean norm. Norms are computed in float64 and neither overflow nor underflow. Rows with NaN or
 * infinity become NaN.
 *
 * @returns rows of unit length
 * @throws RangeError `ERR_HOROBALL_RANGE` for a row of zeros, which has no direction; TypeError or RangeError with a code
 * `ERR_HOROBALL_...` for other invalid arguments
 * @example
 * const unit = await normalize(matrix([[3, 4], [0, 2]]));
 * unit.toArray(); // => [[0.6, 0.8], [0, 1]]
 */
export const normalize: Normalize = Object.assign(
  <T extends Reals>(x: Rows<T>, options?: NormalizeOptions<T> & AsyncOptions) =>
    runSteps(name, options?.signal, () => normalized(x, options)),
  {
    sync: <T extends Reals>(x: Rows<T>, options?: NormalizeOptions<T> & AsyncOptions) =>
      runStepsSync(name, normalized(x, options), options?.signal),
  },
);
