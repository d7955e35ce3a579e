import { setImmediate } from 'node:timers/promises';
import { coded } from '../errors.ts';

/** Arrays that tensors are read into and written from. */
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** The name of an element type in safetensors files. */
export type Dtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'U64'
  | 'I32'
  | 'U32'
  | 'I16'
  | 'U16'
  | 'I8'
  | 'U8'
  | 'BOOL';

interface Kind {
  /** Allocates the array into which the bytes are read. */
  readonly make: (length: number) => TensorData;
  readonly bytes: number;
  /** Converts bits to a value, for types without a typed array. */
  readonly widen?: (bits: number) => number;
}

/** The storage and conversion of each element type. */
export const kinds: Readonly<Record<Dtype, Kind>> = {
  F64: { make: (n) => new Float64Array(n), bytes: 8 },
  F32: { make: (n) => new Float32Array(n), bytes: 4 },
  F16: { make: (n) => new Uint16Array(n), bytes: 2, widen: halfToNumber },
  BF16: { make: (n) => new Uint16Array(n), bytes: 2, widen: bfloatToNumber },
  I64: { make: (n) => new BigInt64Array(n), bytes: 8 },
  U64: { make: (n) => new BigUint64Array(n), bytes: 8 },
  I32: { make: (n) => new Int32Array(n), bytes: 4 },
  U32: { make: (n) => new Uint32Array(n), bytes: 4 },
  I16: { make: (n) => new Int16Array(n), bytes: 2 },
  U16: { make: (n) => new Uint16Array(n), bytes: 2 },
  I8: { make: (n) => new Int8Array(n), bytes: 1 },
  U8: { make: (n) => new Uint8Array(n), bytes: 1 },
  BOOL: { make: (n) => new Uint8Array(n), bytes: 1 },
};

const byTag: Readonly<Record<string, Dtype>> = {
  Float64Array: 'F64',
  Float32Array: 'F32',
  BigInt64Array: 'I64',
  BigUint64Array: 'U64',
  Int32Array: 'I32',
  Uint32Array: 'U32',
  Int16Array: 'I16',
  Uint16Array: 'U16',
  Int8Array: 'I8',
  Uint8Array: 'U8',
};

/** Returns the element type under which an array is written, if any. */
export function dtypeOf(data: unknown): Dtype | undefined {
  return ArrayBuffer.isView(data) ? byTag[(data as TensorData)[Symbol.toStringTag]] : undefined;
}

/** Maximum number of dimensions, more than any library supports: a sparse JavaScript array may declare billions. */
export const mostSizes = 1024;

/** Whether a value is a shape: a list of nonnegative integers. */
export function isSizes(value: unknown): value is number[] {
  return sizesIn(value) !== null;
}

/**
 * Copies a shape; null if it is not a list of at most `most` nonnegative integers. Reads the length once, because a proxy
 * may return another one at each read.
 */
export function sizesIn(value: unknown, most: number = mostSizes): number[] | null {
  if (!Array.isArray(value)) return null;
  const { length } = value;
  if (!(Number.isSafeInteger(length) && length <= most)) return null;
  const sizes = Array.from({ length }, (_, axis) => value[axis] as unknown);
  return sizes.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
    ? (sizes as number[])
    : null;
}

/**
 * Allocates an array of zeros.
 *
 * @throws `ERR_HOROBALL_MEMORY` if it does not fit into memory
 */
export function allocate(dtype: Dtype, length: number): TensorData {
  const { make, bytes } = kinds[dtype];
  try {
    return make(length);
  } catch {
    throw coded('ERR_HOROBALL_MEMORY', `an array of ${length * bytes} bytes cannot be allocated`, RangeError);
  }
}

/** Formats a shape for a message: its first eight dimensions. */
export function shapeText(shape: readonly number[]): string {
  return shape.length > 8 ? `[${shape.slice(0, 8)},... (${shape.length} axes)]` : `[${shape}]`;
}

/** Returns the number of elements of a shape; not exact above 2^53. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** Elements per turn of the event loop: a fraction of a millisecond. */
const slice = 1 << 16;

/**
 * Converts F16 and BF16 bits to float32, which represents them exactly. Sets nonzero bytes of BOOL to 1 in place, and
 * returns other data unchanged.
 */
export async function widened(dtype: Dtype, data: TensorData): Promise<TensorData> {
  if (dtype === 'BOOL') return await asBits(data as Uint8Array);
  const { widen } = kinds[dtype];
  if (widen === undefined) return data;
  const out = allocate('F32', data.length) as Float32Array;
  for (let begin = 0; begin < out.length; begin += slice) {
    const end = Math.min(out.length, begin + slice);
    for (let i = begin; i < end; ++i) out[i] = widen(data[i] as number);
    if (end < out.length) await setImmediate();
  }
  return out;
}

async function asBits(data: Uint8Array): Promise<Uint8Array> {
  for (let begin = 0; begin < data.length; begin += slice) {
    const end = Math.min(data.length, begin + slice);
    for (let i = begin; i < end; ++i) data[i] = Number(data[i] !== 0);
    if (end < data.length) await setImmediate();
  }
  return data;
}

/** Converts IEEE 754 binary16 bits: the sign, 5 bits of exponent (bias 15), 10 of fraction. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** Converts bfloat16 bits, which are the upper half of a float32. */
function bfloatToNumber(bits: number): number {
  word[0] = bits << 16;
  return float[0]!;
}
