// Weights of rows: finite numbers of 0 or more.
import type { Steps } from './call/run.ts';
import { inSlices } from './call/slices.ts';
import { quoted, rangeError, shapeError } from './errors.ts';
import { asMatrix, checkKept, type Matrix, type Reals, type Rows } from './matrix.ts';

/** Returns weights as a column. They may be given as a row or a column; the caller checks their number. */
export function weightColumn<T extends Reals>(operation: string, given: Rows<T>): Matrix<T> {
  const { data, rows, cols } = asMatrix(operation, 'weights', given);
  if (rows !== 1 && cols !== 1) throw weightsShape(operation, `${rows} x ${cols}`);
  return { data, rows: data.length, cols: 1 };
}

/** Returns the error for a number of weights that differs from the number of rows. */
export function weightsShape(operation: string, got: string): Error {
  return shapeError(operation, 'weights', 'one number per row', got);
}

/** Throws if a weight from index `begin` to `end - 1` is invalid. */
export function checkWeights(
  operation: string,
  weights: ArrayLike<unknown>,
  begin: number,
  end: number,
): void {
  for (let i = begin; i < end; ++i) checkWeight(operation, weights[i]);
}

function checkWeight(operation: string, weight: unknown): asserts weight is number {
  if (!(typeof weight === 'number' && weight >= 0 && weight < Infinity))
    throw rangeError(operation, 'weights', 'finite numbers of 0 or more', quoted(weight));
}

/** Checks weights in slices. Each is read once and copied to `copy`, if it is given. */
export function* weightSteps(
  operation: string,
  weights: ArrayLike<unknown>,
  length: number,
  copy?: Float64Array,
): Steps<void> {
  yield* inSlices(length, (begin, end) => {
    if (ArrayBuffer.isView(weights)) checkKept(operation, 'weights', weights, length);
    if (copy === undefined) return checkWeights(operation, weights, begin, end);
    for (let i = begin; i < end; ++i) {
      const weight = weights[i];
      checkWeight(operation, weight);
      copy[i] = weight;
    }
  });
}
