// Batches for the tests of the loss.
import type { Matrix } from '../lib/index.ts';
import { cloud, type RealsType } from './support.ts';

/** Unit rows, and points of the ball that are not their images. */
export function batch(
  type: RealsType,
  rows: number,
  cols: number,
  c: number,
): { euclidean: Matrix; hyperbolic: Matrix } {
  const euclidean = cloud(type, rows, cols, 1, 11);
  for (let i = 0; i < rows; ++i) {
    const row = euclidean.data.subarray(i * cols, (i + 1) * cols);
    const length = Math.hypot(...row);
    row.forEach((value, k) => {
      row[k] = value / length;
    });
  }
  return { euclidean, hyperbolic: cloud(type, rows, cols, 0.9 / Math.sqrt(c), 12) };
}
