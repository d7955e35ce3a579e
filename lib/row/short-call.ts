import type { Matrix, Reals } from '../matrix.ts';
import { core } from '../native.ts';
import { rowCall, shortData } from './call.ts';

// Getting the address of a typed array takes the core about 100 ns, and V8 first moves arrays of up to 64 bytes off its
// own heap. For two 8-vectors this takes ten times as long as the arithmetic, so synchronous calls on few numbers pass
// them through a persistent array with a fixed address.

/** Maximum total number of elements of a short call, including inputs and results. */
const most = 128;

/** Whether a call is short; `length` is the length of its result or cotangent. */
export function isShort(length: number, inputs: Given, grads: Given = []): boolean {
  return length + elementsOf(inputs) + elementsOf(grads) <= most;
}

type Given = readonly (Matrix | undefined)[];

function elementsOf(matrices: Given): number {
  let total = 0;
  for (let i = 0; i < matrices.length; ++i) total += matrices[i]?.data.length ?? 0;
  return total;
}

let shared: ArrayBufferLike | undefined;
let singles: Float32Array | undefined;

/** Returns the persistent array, viewed with the element type of `like`. */
function elements(like: Reals): Reals {
  const { callBuffer } = core();
  if (like.BYTES_PER_ELEMENT === 8) return callBuffer;
  if (shared !== callBuffer.buffer) {
    shared = callBuffer.buffer;
    singles = new Float32Array(shared, callBuffer.byteOffset, 2 * callBuffer.length);
  }
  return singles as Float32Array;
}

/** Copies the inputs one after another, then `last`; returns the next offset. */
export function writeShort(inputs: Given, last?: Reals): number {
  const like = (inputs[0] as Matrix).data;
  const to = elements(like);
  core().callBuffer[rowCall.elementBytes] = like.BYTES_PER_ELEMENT;
  let offset = (shortData * 8) / like.BYTES_PER_ELEMENT;
  for (const input of inputs) if (input !== undefined) offset = copy(input.data, to, offset);
  return last === undefined ? offset : copy(last, to, offset);
}

function copy(from: Reals, to: Reals, offset: number): number {
  for (let i = 0; i < from.length; ++i) to[offset + i] = from[i] as number;
  return offset + from.length;
}

/** Reads a result starting at `offset`; returns the next offset. */
export function readShort(offset: number, result: Reals): number {
  const from = elements(result);
  for (let i = 0; i < result.length; ++i) result[i] = from[offset + i] as number;
  return offset + result.length;
}

/** Reads the gradients of c and of the card's parameter. */
export function readScalars(scalars: Float64Array): void {
  const { callBuffer } = core();
  scalars[0] = callBuffer[rowCall.gradC] as number;
  scalars[1] = callBuffer[rowCall.gradParameter] as number;
}
