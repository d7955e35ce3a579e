import type { Reals } from './matrix.ts';

// V8 keeps typed arrays of up to 64 bytes in its own heap until somebody asks for their address. Moving one out
// and collecting it later costs more than a call on two short vectors, so at-once calls write small results to
// arrays that have been moved out for good, and copy.
const mostBytes = 64;
const places: Reals[][] = [];

/**
 * Where an at-once call writes `result`: itself, or a standing array of its type and length.
 *
 * @param slot - tells the results of one call apart
 */
export function landing<T extends Reals | null>(slot: number, result: T): T {
  if (result === null || result.byteLength > mostBytes) return result;
  const single = result.BYTES_PER_ELEMENT === 4;
  const row = 2 * slot + (single ? 1 : 0);
  const { length } = result;
  places[row] ??= [];
  places[row][length] ??= single ? new Float32Array(length) : new Float64Array(length);
  return places[row][length] as T;
}

/** Copies what a call has left at its landing. */
export function collect(from: Reals | null, result: Reals | null): void {
  if (from === null || result === null || from === result) return;
  for (let i = 0; i < from.length; ++i) result[i] = from[i] as number;
}
