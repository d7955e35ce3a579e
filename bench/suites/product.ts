import { type Matrix, matrix } from '../../lib/index.ts';
import { reals, type Type } from '../inputs.ts';
import type { PeerInput } from '../peers/client.ts';
import type { Labels } from '../results.ts';
import type { PeerSide } from '../suite.ts';

/** Names of the {@link products} that a suite can give as its `peakRate`. */
export const productNames: readonly string[] = ['torch sgemm', 'numpy sgemm'];

/**
 * Returns one peer per Python library that computes the matrix product x y^T. The highest rate among them counts as the
 * machine's peak for this shape.
 */
export function products(
  labels: Labels,
  inputs: { readonly x: string; readonly y: string },
  flops: number,
  over: Pick<PeerSide, 'against' | 'bar'> = {},
): PeerSide[] {
  return productNames.map((name) => ({ name, labels, params: {}, inputs: { ...inputs }, flops, ...over }));
}

/** Copies a matrix into an array of another element type. */
export function asType({ data, rows, cols }: Matrix, type: Type): Matrix {
  const out = reals(type, data.length);
  out.set(data);
  return matrix(out, rows, cols);
}

/** A matrix in a peer's format. */
export function input({ data, rows, cols }: Matrix): PeerInput {
  return { data, shape: [rows, cols] };
}
