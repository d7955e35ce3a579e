/**
 * Returns the Euclidean norm of a vector, bit-identical to `Math.hypot(...values)`, which would overflow the stack for
 * long vectors. The squares do not overflow, and only negligible ones underflow.
 */
export function norm(values: ArrayLike<number>): number {
  let largest = 0;
  let hasNaN = false;
  for (let i = 0; i < values.length; ++i) {
    const size = Math.abs(values[i]!);
    if (size > largest) largest = size;
    hasNaN ||= Number.isNaN(size);
  }
  if (largest === Infinity) return Infinity;
  if (hasNaN) return Number.NaN;
  if (largest === 0) return 0;
  let sum = 0;
  let lost = 0; // Kahan summation
  for (let i = 0; i < values.length; ++i) {
    const part = Math.abs(values[i]!) / largest;
    const term = part * part - lost;
    const next = sum + term;
    lost = next - sum - term;
    sum = next;
  }
  return Math.sqrt(sum) * largest;
}
