import { setImmediate } from 'node:timers/promises';

/** Number of subspace iterations, far more than real embeddings need to converge. */
const rounds = 60;

/** Embeddings projected to the unit disk. */
export interface Projection {
  /** x and y in the unit disk, row after row. */
  points: Float64Array;
  /** Fraction of the tangent vectors' variance along each of the two directions. */
  explained: [number, number];
}

/**
 * Projects ball points to the unit disk: to the tangent space at the origin with logmap0, onto its two directions of
 * largest variance, and back with expmap0. Points in that plane keep their distance from the origin; all others move
 * closer to it.
 * @param ball - `rows` x `cols` points with c |x|^2 < 1
 * @returns the points times sqrt c, so that the boundary is at 1 for any c
 */
export async function projectToDisk(
  ball: ArrayLike<number>,
  rows: number,
  cols: number,
  c: number,
): Promise<Projection> {
  const tangent = tangentVectors(ball, rows, cols, c);
  const { directions, explained } = await principalDirections(tangent, rows, cols);
  const points = new Float64Array(2 * rows);
  for (let i = 0; i < rows; i++) {
    const row = tangent.subarray(i * cols, (i + 1) * cols);
    const x = dot(row, directions[0]);
    const y = dot(row, directions[1]);
    const norm = Math.hypot(x, y);
    const radius = norm > 0 ? Math.tanh(norm) / norm : 1;
    points[2 * i] = radius * x;
    points[2 * i + 1] = radius * y;
  }
  return { points, explained };
}

/** Returns sqrt c times logmap0 of each row x: artanh(sqrt c |x|) x / |x|. */
function tangentVectors(ball: ArrayLike<number>, rows: number, cols: number, c: number): Float64Array {
  const tangent = new Float64Array(rows * cols);
  const root = Math.sqrt(c);
  for (let i = 0; i < rows; i++) {
    let square = 0;
    for (let k = i * cols; k < (i + 1) * cols; k++) square += ball[k]! * ball[k]!;
    const norm = Math.sqrt(square);
    const factor = norm > 0 ? Math.atanh(Math.min(root * norm, 1 - 1e-12)) / norm : 0;
    for (let k = i * cols; k < (i + 1) * cols; k++) tangent[k] = factor * ball[k]!;
  }
  return tangent;
}

/**
 * Computes the two principal directions of the centered rows by subspace iteration. Yields to the event loop between
 * iterations.
 */
async function principalDirections(
  x: Float64Array,
  rows: number,
  cols: number,
): Promise<{ directions: [Float64Array, Float64Array]; explained: [number, number] }> {
  const mean = new Float64Array(cols);
  for (let i = 0; i < rows; i++) for (let k = 0; k < cols; k++) mean[k]! += x[i * cols + k]! / rows;
  const basis = [initialVector(cols, 1), initialVector(cols, 2)] as [Float64Array, Float64Array];
  const spread: [number, number] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    orthonormalize(basis);
    for (const [at, direction] of basis.entries()) {
      const image = covarianceTimes(x, mean, direction, rows, cols);
      spread[at] = dot(image, direction);
      direction.set(image);
    }
    await setImmediate();
  }
  orthonormalize(basis);
  const total = totalVariance(x, mean, rows, cols) || 1;
  return { directions: basis, explained: [spread[0] / total, spread[1] / total] };
}

/**
 * Returns a fixed initial vector, which makes the drawing reproducible; any vector that is not orthogonal to the
 * solution works.
 */
function initialVector(cols: number, seed: number): Float64Array {
  return Float64Array.from({ length: cols }, (_, k) => Math.sin(seed * 12.9898 + k * 78.233));
}

function covarianceTimes(
  x: Float64Array,
  mean: Float64Array,
  v: Float64Array,
  rows: number,
  cols: number,
): Float64Array {
  const out = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    let along = 0;
    for (let k = 0; k < cols; k++) along += (x[i * cols + k]! - mean[k]!) * v[k]!;
    for (let k = 0; k < cols; k++) out[k]! += (along * (x[i * cols + k]! - mean[k]!)) / rows;
  }
  return out;
}

function totalVariance(x: Float64Array, mean: Float64Array, rows: number, cols: number): number {
  let sum = 0;
  for (let i = 0; i < rows * cols; i++) sum += (x[i]! - mean[i % cols]!) ** 2;
  return sum / rows;
}

function orthonormalize([first, second]: [Float64Array, Float64Array]): void {
  scaleTo1(first);
  const along = dot(second, first);
  for (let k = 0; k < second.length; k++) second[k]! -= along * first[k]!;
  scaleTo1(second);
}

function scaleTo1(v: Float64Array): void {
  const norm = Math.sqrt(dot(v, v));
  if (norm > 0) for (let k = 0; k < v.length; k++) v[k]! /= norm;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}
