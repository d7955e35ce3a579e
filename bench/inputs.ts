import { type Matrix, matrix, type Reals } from '../lib/index.ts';

/** Names of element types, the same in Node and in the Python process of the peers. */
export type Type = 'float32' | 'float64';

/** Returns a generator of uniform numbers in [0, 1), the same on every machine for a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns a generator of standard normal numbers (Box-Muller). */
export function normal(seed: number): () => number {
  const next = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

export function reals(type: Type, length: number): Reals {
  return type === 'float32' ? new Float32Array(length) : new Float64Array(length);
}

/** Number of similar classes per group. */
const groupSize = 10;

/**
 * Unit rows in classes of `views`, similar to a head's output early in training: cosine about 0.5 within a class, 0.42
 * with the other classes of its group (the hard negatives), 0 with the rest.
 */
export function unitRows(rows: number, dim: number, views: number, seed: number, type: Type): Matrix {
  const next = normal(seed);
  const data = reals(type, rows * dim);
  const [group, own] = [new Float64Array(dim), new Float64Array(dim)];
  for (let row = 0; row < rows; ++row) {
    if (row % (views * groupSize) === 0) for (let j = 0; j < dim; ++j) group[j] = Math.sqrt(0.42) * next();
    if (row % views === 0) for (let j = 0; j < dim; ++j) own[j] = Math.sqrt(0.08) * next();
    const at = data.subarray(row * dim, (row + 1) * dim);
    for (let j = 0; j < dim; ++j) at[j] = group[j]! + own[j]! + Math.sqrt(0.5) * next();
    scale(at, 1 / norm(at));
  }
  return matrix(data, rows, dim);
}

/** Points of the ball in the rows' directions: expmap0 of norms from 0.5 to 2.3, as from an untied head with clipping. */
export function ballPoints(directions: Matrix, c: number, seed: number): Matrix {
  const next = uniform(seed);
  const { rows, cols } = directions;
  const data = directions.data.slice();
  for (let row = 0; row < rows; ++row) {
    const root = Math.sqrt(c);
    scale(data.subarray(row * cols, (row + 1) * cols), Math.tanh(root * (0.5 + 1.8 * next())) / root);
  }
  return matrix(data, rows, cols);
}

/** Moves every row by about `by` times its norm, which makes a near-duplicate of each point. */
export function nearby(points: Matrix, by: number, seed: number): Matrix {
  const next = normal(seed);
  const { rows, cols } = points;
  const step = by / Math.sqrt(cols);
  const data = points.data.map(
    (value, i) => value + step * norm(rowOf(points, Math.floor(i / cols))) * next(),
  );
  return matrix(data, rows, cols);
}

function rowOf({ data, cols }: Matrix, row: number): Reals {
  return data.subarray(row * cols, (row + 1) * cols);
}

function norm(row: Reals): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return Math.sqrt(sum);
}

function scale(row: Reals, by: number): void {
  for (let j = 0; j < row.length; ++j) row[j]! *= by;
}
