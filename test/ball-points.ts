// Random points of the ball for numerics tests, some of them near the rim or near each other.
import fc from 'fast-check';
import { type Matrix, matrix } from '../lib/index.ts';
import { cloud, inner, type RealsType } from './support.ts';

/** Whether every element is finite; absent matrices count as finite. */
export const finite = (...all: readonly (Matrix | undefined)[]): boolean =>
  all.every((each) => each === undefined || each.data.every(Number.isFinite));

/** A ball point, given by a direction and a relative distance to the rim. */
const point = (d: number, c: number) =>
  fc
    .tuple(
      fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: d, maxLength: d }),
      fc.oneof(fc.constantFrom(0, 1e-300, 1e-16, 1, 0.5), fc.double({ min: 1e-16, max: 1, noNaN: true })),
    )
    .map(([direction, left]) => {
      const length = Math.hypot(...direction);
      return direction.map((value) => (length > 1e-150 ? ((value / length) * (1 - left)) / Math.sqrt(c) : 0));
    });

const space = fc
  .tuple(fc.integer({ min: 1, max: 24 }), fc.double({ min: -8, max: 8, noNaN: true }))
  .map(([d, exponent]) => ({ d, c: 10 ** exponent }));

/** A curvature and two points of its ball. */
export const pair: fc.Arbitrary<{ c: number; x: number[]; y: number[] }> = space.chain(({ d, c }) =>
  fc.record({ c: fc.constant(c), x: point(d, c), y: point(d, c) }),
);

/** Converts a point to an element type. If it is on the rim, perhaps through rounding, scales it into the ball. */
export function inside(type: RealsType, row: readonly number[], c: number): Matrix {
  const data = type.from(row);
  const outside = c * inner(data, data) >= 1 - 1e-15;
  return matrix(outside ? (data.map((value) => value * (1 - 2 ** -22)) as typeof data) : data, 1, row.length);
}

/** Returns points of norm `radius`/sqrt(c), and a near-duplicate of each, at a distance of about `apart` times its norm. */
export function nearDuplicates(type: RealsType, c: number, radius: number, apart: number): [Matrix, Matrix] {
  const x = cloud(Float64Array, 6, 9, 1, 2);
  const step = cloud(Float64Array, 6, 9, 1, 4);
  const place = radius / Math.sqrt(c);
  const data = x.data.map((value, i) => (value / rowNorm(x, i)) * place) as Float64Array;
  const other = data.map(
    (value, i) => value * (1 - apart) + (apart * place * step.data[i]!) / rowNorm(step, i) / 2,
  );
  return [matrix(type.from(data), 6, 9), matrix(type.from(other), 6, 9)];
}

/** The norm of the row that contains element `at`. */
export function rowNorm({ data, cols }: Matrix, at: number): number {
  const start = at - (at % cols);
  return Math.hypot(...data.subarray(start, start + cols));
}
