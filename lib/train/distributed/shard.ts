/** Divides batches and images among ranks. */

/** A range of integers, `end` excluded. */
export interface Range {
  first: number;
  end: number;
}

/** Returns the range of each rank. The ranges are consecutive, in rank order, and their lengths differ by at most 1. */
export function ranges(total: number, size: number): Range[] {
  const at = (rank: number): number => Math.floor((total * rank) / size);
  return Array.from({ length: size }, (_, rank) => ({ first: at(rank), end: at(rank + 1) }));
}

/**
 * Returns the rows of each rank in a batch that is ordered by class, with `views` rows per class. A class is never divided,
 * and the rows of all ranks, in order, form the batch of a single process.
 */
export function batchRanges(rows: number, views: number, size: number): Range[] {
  return ranges(rows / views, size).map(({ first, end }) => ({ first: first * views, end: end * views }));
}

export function lengthOf({ first, end }: Range): number {
  return end - first;
}
