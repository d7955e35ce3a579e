import type { Reals } from './matrix.ts';

// V8 keeps typed arrays of up to 64 bytes in its own heap until somebody asks for their address. Moving one out
// and collecting it later costs more than a call on two short vectors, so at-once calls write small results to
// arrays that have been moved out for good, and copy.
const mostBytes = 64;
const places: Reals[][] = [];

/** Where an at-once call writes `result`: itself, or a standing array of its type and length. */
export function landing<T extends Reals>(result: T): T {
  if (result.byteLength > mostBytes) return result;
  const single = result.BYTES_PER_ELEMENT === 4;
  const row = single ? 1 : 0;
  const { length } = result;
  places[row] ??= [];
  places[row][length] ??= single ? new Float32Array(length) : new Float64Array(length);
  return places[row][length] as T;
}

/** Copies what a call has left at its landing. */
export function collect(from: Reals, result: Reals): void {
  if (from === result) return;
  for (let i = 0; i < from.length; ++i) result[i] = from[i] as number;
}
