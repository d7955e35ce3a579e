import type { Steps } from './call/run.ts';
import { inSlices } from './call/slices.ts';
import { readLength } from './check.ts';
import { coded, quoted, rangeError, shapeError, typeError } from './errors.ts';
import { allocateArray, checkKept } from './matrix.ts';

/** Returns the maximum of `least` and the numbers. For 120,000 numbers, `Math.max(...numbers)` would overflow the stack. */
export function largest(numbers: Iterable<number>, least: number): number {
  let most = least;
  for (const number of numbers) most = Math.max(most, number);
  return most;
}

/** Checks that a value is an array or array-like object, and returns its length, which is read once. */
export function listLength(
  operation: string,
  argument: string,
  list: ArrayLike<unknown>,
  expected: string,
): number {
  const length = typeof list === 'object' && list !== null ? readLength(list) : undefined;
  if (!Number.isSafeInteger(length) || (length as number) < 0) {
    throw typeError(operation, argument, expected, quoted(list));
  }
  if (length === 0) checkUndetached(operation, argument, list);
  return length as number;
}

const TypedArray = Object.getPrototypeOf(Int32Array) as { readonly prototype: Int32Array };

/** Throws for a detached array, which has a length of 0 like an empty one, but no iterator. */
export function checkUndetached(operation: string, argument: string, list: ArrayLike<unknown>): void {
  if (!ArrayBuffer.isView(list)) return;
  try {
    TypedArray.prototype.values.call(list as Int32Array);
  } catch {
    const text = 'expected an attached array, got one whose buffer was transferred';
    throw coded('ERR_HOROBALL_DETACHED', `[${operation}] ${argument}: ${text}`, TypeError);
  }
}

/** Constraints on a list of integers. */
export interface ListLimits {
  readonly least: number;
  readonly most: number;
  /** Required length; default any. */
  readonly length?: number;
}

/** The limits of elements of an Int32Array. */
export const int32: ListLimits = { least: -(2 ** 31), most: 2 ** 31 - 1 };

/** Checks and copies a list of integers. */
export function* integerList(
  operation: string,
  argument: string,
  list: ArrayLike<number>,
  { least, most, length }: ListLimits,
): Steps<Int32Array> {
  const count = listLength(operation, argument, list, 'an array of integers');
  if (length !== undefined && count !== length) {
    throw shapeError(operation, argument, `${length} elements`, String(count));
  }
  const copy = allocateArray(operation, Int32Array, count);
  yield* inSlices(count, (begin, end) => {
    if (ArrayBuffer.isView(list)) checkKept(operation, argument, list, count);
    for (let i = begin; i < end; ++i) {
      const value = list[i];
      if (!Number.isInteger(value) || value! < least || value! > most) {
        throw rangeError(operation, argument, `integers from ${least} to ${most}`, quoted(value));
      }
      copy[i] = value!;
    }
  });
  return copy;
}
