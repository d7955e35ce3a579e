/**
 * Returns the message for a non-finite loss or gradient.
 * @param where - the first part of the network with a non-finite value; null if all are finite
 */
export function divergenceText(step: number, what: string, where: string | null): string {
  const location = where === null ? '' : ` (first non-finite value of the forward pass: ${where})`;
  return `[train] step ${step}: ${what}${location}. ${adviceText(step, where)}`;
}

function adviceText(step: number, where: string | null): string {
  if (step > 1) return 'Use a lower lr, or a higher t_e and t_h.';
  return where === null
    ? 'No weight has changed yet, so lr has no effect. Use values of t_e, t_h, lam and hyp_c that are closer to their defaults.'
    : 'No weight has changed yet, so lr has no effect. Use precision float32 or bfloat16, or other weights.';
}
