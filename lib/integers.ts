import { quoted, rangeError, shapeError, typeError } from './errors.ts';

/** 0, 1, ..., n - 1. */
export function range(n: number): Int32Array {
  const list = new Int32Array(n);
  for (let i = 0; i < n; ++i) list[i] = i;
  return list;
}

/** What a list of integers has to be. */
export interface ListLimits {
  readonly least: number;
  readonly most: number;
  /** How many there are; default any number. */
  readonly length?: number;
}

/** Checks and copies a list of integers. */
export function integerList(
  operation: string,
  argument: string,
  list: ArrayLike<number>,
  { least, most, length }: ListLimits,
): Int32Array {
  if (typeof list !== 'object' || list === null || typeof list.length !== 'number') {
    throw typeError(operation, argument, 'an array of integers', quoted(list));
  }
  if (length !== undefined && list.length !== length) {
    throw shapeError(operation, argument, `${length} elements`, String(list.length));
  }
  const copy = new Int32Array(list.length);
  for (let i = 0; i < copy.length; ++i) {
    const value = list[i];
    if (!Number.isInteger(value) || value! < least || value! > most) {
      throw rangeError(operation, argument, `integers from ${least} to ${most}`, quoted(value));
    }
    copy[i] = value!;
  }
  return copy;
}
