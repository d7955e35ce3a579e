import type { Matrix } from '../../lib/index.ts';

/** Number of rows, and of entries per row, that are compared with the oracle at each end of a matrix. */
export const corners = 4;

/** Returns the first entries of the first row and the last entries of the last row. */
export function corner({ data }: Pick<Matrix, 'data' | 'rows' | 'cols'>): number[] {
  return [...data.subarray(0, corners), ...data.subarray(data.length - corners)];
}
