// Helpers of the core's tests: reference files, test points, errors and comparisons.
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { type HalfArray, type Matrix, matrix, type Reals } from '../lib/index.ts';
import { readSafetensors, type Safetensors } from '../lib/io/index.ts';

/** Returns the path of a file under test/fixtures, which is not in dist/test, where tests run. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../test/fixtures/${name}`, import.meta.url));
}

/** A reference file with typed access to its tensors. */
export class Reference {
  readonly #file: Safetensors;

  private constructor(file: Safetensors) {
    this.#file = file;
  }

  static async open(name: string): Promise<Reference> {
    return new Reference(await readSafetensors(fixture(`${name}.safetensors`)));
  }

  get metadata(): Record<string, string> {
    return this.#file.metadata;
  }

  has(name: string): boolean {
    return this.#file.tensors.has(name);
  }

  reals(name: string): Float64Array {
    const tensor = this.#file.tensors.get(name);
    if (tensor === undefined) throw new Error(`the reference has no ${name}`);
    return Float64Array.from(tensor.data as Float64Array, Number);
  }

  /** Returns a tensor as a matrix: all axes except the last are flattened into rows. */
  matrix(name: string, type: RealsType): Matrix {
    const cols = this.#file.tensors.get(name)!.shape.at(-1)!;
    const data = type.from(this.reals(name));
    return matrix(data, data.length / cols, cols);
  }
}

/** The constructor of Float64Array or Float32Array. */
export interface RealsType {
  readonly name: string;
  new (length: number): Reals;
  from(values: ArrayLike<number>): Reals;
}

/** The element types under test. */
export const types: readonly RealsType[] = [Float64Array, Float32Array];

export function inner(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i]! * b[i]!;
  return sum;
}

/** The norm of the difference, divided by the norm of the reference if the latter is not 0. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < want.length; ++i) {
    difference += (got[i]! - want[i]!) ** 2;
    size += want[i]! ** 2;
  }
  return Math.sqrt(difference / (size === 0 ? 1 : size));
}

/** Fails if the {@link relativeError} of `got` exceeds `tolerance`, or if the lengths differ. */
export function close(
  t: ExecutionContext,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  const error = got.length === want.length ? relativeError(got, want) : Number.NaN;
  t.true(error <= tolerance, `${what}: relative error ${error} is above ${tolerance}`);
}

/** Fails if the relative error of any element exceeds `tolerance`, or if the lengths differ. */
export function eachClose(
  t: ExecutionContext,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  t.is(got.length, want.length, what);
  let [worst, at] = [0, 0];
  let firstBad = -1;
  for (let i = 0; i < want.length; ++i) {
    const error = got[i] === want[i] ? 0 : Math.abs(got[i]! - want[i]!) / Math.abs(want[i]!);
    if (firstBad < 0 && !(error <= tolerance)) firstBad = i;
    if (!(error <= worst)) [worst, at] = [error, i]; // also if the error is NaN
  }
  const shown = (i: number): string => `index ${i} (got ${got[i]}, expected ${want[i]})`;
  t.true(
    firstBad < 0,
    `${what}: relative error ${worst} above ${tolerance}, first bad ${shown(firstBad)}, worst ${shown(at)}`,
  );
}

/** Returns a seeded generator of numbers in [-1, 1). A linear congruential one is enough for test points. */
export function noise(seed: number): () => number {
  let state = (seed * 2654435761 + 1) % 4294967296;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 2147483648 - 1;
  };
}

/** Random rows whose norms are spread evenly up to `radius`. */
export function cloud(type: RealsType, rows: number, cols: number, radius: number, seed = 1): Matrix {
  const next = noise(seed);
  const data = new type(rows * cols);
  for (let i = 0; i < rows; ++i) {
    const row = Array.from({ length: cols }, () => next() + next() + next());
    const scale = (radius * (i + 1)) / rows / Math.hypot(...row);
    row.forEach((value, k) => {
      data[i * cols + k] = value * scale;
    });
  }
  return matrix(data, rows, cols);
}

/** Returns the name, code and message of the error with which a call throws or rejects; throws if it succeeds. */
export async function failure(call: () => unknown): Promise<{ name: string; code: string; message: string }> {
  try {
    await call();
  } catch (error) {
    const { name, code = '', message } = error as Error & { code?: string };
    return { name, code, message };
  }
  throw new Error('expected an error, got none');
}

/** A Float16Array of whole numbers, or a stand-in in engines without it. */
export function half(values: readonly number[]): HalfArray {
  const { Float16Array } = globalThis as { Float16Array?: new (values: readonly number[]) => HalfArray };
  if (Float16Array !== undefined) return new Float16Array(values);
  const array = Uint16Array.from(values);
  Object.defineProperty(array, Symbol.toStringTag, { value: 'Float16Array' });
  return array as unknown as HalfArray;
}
