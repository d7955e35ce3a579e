import type { Matrix } from '../../lib/index.ts';

/** Rows per corner that are compared with the oracle. */
export const corners = 4;

/** The first entries of the first row and the last entries of the last row. */
export function corner({ data }: Pick<Matrix, 'data' | 'rows' | 'cols'>): number[] {
  return [...data.subarray(0, corners), ...data.subarray(data.length - corners)];
}
