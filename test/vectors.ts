/** A matrix as nested arrays, one per row. */
export type Table = readonly (readonly number[])[];

/** Cuts a row-major array into rows. */
export function table(data: ArrayLike<number>, cols: number): number[][] {
  return Array.from({ length: data.length / cols }, (_, i) =>
    Array.from({ length: cols }, (_, j) => data[i * cols + j]!),
  );
}

export function dot(x: readonly number[], y: readonly number[]): number {
  return x.reduce((sum, value, k) => sum + value * y[k]!, 0);
}

export function norm(x: readonly number[]): number {
  return Math.sqrt(dot(x, x));
}

export function minus(x: readonly number[], y: readonly number[]): number[] {
  return x.map((value, k) => value - y[k]!);
}
