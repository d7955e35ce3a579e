/** Named sets of ball points (c = 1) for search at scale: rows, and queries from the same distribution. */
import { type Matrix, matrix } from '../lib/index.ts';

/** A gallery and its queries. */
export interface SearchSet {
  readonly rows: Matrix<Float32Array>;
  readonly queries: Matrix<Float32Array>;
}

/** Returns the next pseudorandom number in [0, 1). */
type Random = () => number;

/** Returns Marsaglia's xorshift generator, with the output multiplied (a 32-bit analog of xorshift64*). */
function random(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (Math.imul(state, 0x2545f491) >>> 0) / 2 ** 32;
  };
}

type Fill = (row: Float32Array, next: Random) => void;

/** The sets by name. Each entry returns a function that draws one row. */
const kinds = {
  /** Uniform in the ball of radius 1: in 128 dimensions nearly every point is near the rim. */
  uniform: (dim: number): Fill => {
    const gauss = normals(dim, 1);
    return (row, next) => scale(gauss(row, next), next() ** (1 / dim) * (1 - 1e-3));
  },
  /** 1,000 clusters at distance 2 from the origin, each of radius 0.1 to 0.4. */
  clustered: (dim: number): Fill => {
    const gauss = normals(dim, 2);
    const centers = drawn(1000, dim, gauss, 20);
    const noise = new Float32Array(dim);
    return (row, next) => {
      const cluster = Math.floor(next() * centers.length);
      gauss(noise, next);
      const radius = 0.1 + 0.3 * (cluster / centers.length);
      row.forEach((_, k) => {
        row[k] = 2 * centers[cluster]![k]! + radius * noise[k]!;
      });
      toBall(row, length(row));
    };
  },
  /** Independent directions, at distance 6 to 7.6 from the origin: |x| is 0.995 to 0.999. */
  rim: (dim: number): Fill => {
    const gauss = normals(dim, 3);
    return (row, next) => {
      gauss(row, next);
      toBall(row, 6 + 1.6 * next());
    };
  },
  /** The leaves of a tree of 6 levels with 10 children per node, at distance 5 to 5.5 from the origin. */
  tree: (dim: number): Fill => {
    const gauss = normals(dim, 4);
    const levels = 6;
    const steps = Array.from({ length: levels }, (_, level) => drawn(4096, dim, gauss, 40 + level));
    return (row, next) => {
      row.fill(0);
      let node = 0;
      for (let level = 0; level < levels; ++level) {
        node = 10 * node + Math.floor(10 * next());
        const step = steps[level]![Math.imul(node + level, 0x9e3779b1) >>> 20]!;
        for (let k = 0; k < dim; ++k) row[k]! += 0.6 ** level * step[k]!;
      }
      toBall(row, 5 + 0.5 * next());
    };
  },
} as const;

export type SearchSetName = keyof typeof kinds;
export const searchSetNames = Object.keys(kinds) as SearchSetName[];

/** Draws a set. The same arguments give the same points. */
export function searchSet(name: SearchSetName, rows: number, queries: number, dim: number): SearchSet {
  const fill = kinds[name](dim);
  const draw = (count: number, seed: number): Matrix<Float32Array> => {
    const next = random(seed);
    const data = new Float32Array(count * dim);
    for (let i = 0; i < count; ++i) fill(data.subarray(i * dim, (i + 1) * dim), next);
    return matrix(data, count, dim);
  };
  return { rows: draw(rows, 7), queries: draw(queries, 8) };
}

/**
 * Returns a function that fills a row with a unit vector in a random direction: the sum of two slices of a table of normal
 * numbers, divided by its norm. This is faster than drawing every number.
 */
function normals(dim: number, seed: number): (row: Float32Array, next: Random) => Float32Array {
  const next = random(seed);
  const size = 1 << 18;
  const table = Float32Array.from({ length: size + dim }, () => {
    return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  });
  return (row, from) => {
    const [a, b] = [Math.floor(size * from()), Math.floor(size * from())];
    for (let k = 0; k < dim; ++k) row[k] = table[a + k]! + table[b + k]!;
    return scale(row, 1 / length(row));
  };
}

function drawn(
  count: number,
  dim: number,
  gauss: (row: Float32Array, next: Random) => Float32Array,
  seed: number,
): Float32Array[] {
  const next = random(seed);
  return Array.from({ length: count }, () => gauss(new Float32Array(dim), next));
}

function length(row: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < row.length; ++k) sum += row[k]! * row[k]!;
  return Math.sqrt(sum);
}

function scale(row: Float32Array, by: number): Float32Array {
  for (let k = 0; k < row.length; ++k) row[k]! *= by;
  return row;
}

/** Scales a row to the hyperbolic distance `distance` from the origin (c = 1). */
function toBall(row: Float32Array, distance: number): void {
  scale(row, Math.tanh(distance / 2) / length(row));
}
