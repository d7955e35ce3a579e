import type { Reals } from '../matrix.ts';

// V8 keeps typed arrays of up to 64 bytes on its own heap. The first access from C++ moves such an array off this heap,
// which takes longer than a call on two short vectors. Synchronous calls therefore write small results to persistent
// arrays, which have been moved already, and copy them from there.
const maxBytes = 64;
const buffers: Reals[][] = [];

/**
 * Returns the array to which a synchronous call writes: `result` itself, or a persistent array of the same type and
 * length.
 */
export function outputBuffer<T extends Reals>(result: T): T {
  if (result.byteLength > maxBytes) return result;
  const single = result.BYTES_PER_ELEMENT === 4;
  const row = single ? 1 : 0;
  const { length } = result;
  buffers[row] ??= [];
  buffers[row][length] ??= single ? new Float32Array(length) : new Float64Array(length);
  return buffers[row][length] as T;
}

/** Copies the result of a call from the persistent array, if one was used. */
export function collect(from: Reals, result: Reals): void {
  if (from === result) return;
  for (let i = 0; i < from.length; ++i) result[i] = from[i] as number;
}
