/** The lists of epochs below have numbers of at most nine digits. */
export const mostEpochs = 999_999_999;

/** Evaluations of a run unless `eval_ep` is given, besides that of epoch 0. */
const usualCount = 10;

/** About ten evenly spaced epochs up to the last one, and 0, as the text of a list. */
export function evenEpochs(last: number): string {
  if (last <= usualCount) return `r(${last + 1})`;
  if (last % usualCount === 0) return `r(0,${last + 1},${last / usualCount})`;
  const epochs = Array.from({ length: usualCount + 1 }, (_, i) => Math.round((i * last) / usualCount));
  return `[${epochs.join(',')}]`;
}

/** Only the last epoch, as the published code evaluates. */
export function lastEpoch(last: number | string): string {
  return `[${last}]`;
}

/** Maximum length of a list, so that a range such as `r(999999999)` does not fill the memory. */
const longest = 100_000;

/**
 * Parses a list of epochs in the published syntax: `[50]`, `[]`, `r(10,70,20)+[200]`, where
 * `r(start, end, step)` counts like Python's `range`. No code is evaluated.
 * @returns the epochs in the given order; null for invalid text
 */
export function parseEpochs(text: string): number[] | null {
  const epochs: number[] = [];
  for (const term of text.replace(/\s+/g, '').split('+')) {
    const part = list(term) ?? range(term);
    if (part === null || epochs.length + part.length > longest) return null;
    for (const epoch of part) epochs.push(epoch);
  }
  return epochs;
}

function list(term: string): number[] | null {
  const inside = /^\[((?:\d{1,9}(?:,\d{1,9})*,?)?)\]$/.exec(term)?.[1];
  if (inside === undefined) return null;
  return inside
    .split(',')
    .filter((digits) => digits !== '')
    .map(Number);
}

function range(term: string): number[] | null {
  const match = /^r(?:ange)?\((\d{1,9})(?:,(\d{1,9}))?(?:,(-?\d{1,9}))?\)$/.exec(term);
  if (match === null) return null;
  const [first, second, third] = match.slice(1);
  const start = second === undefined ? 0 : Number(first);
  const end = Number(second ?? first);
  const step = third === undefined ? 1 : Number(third);
  if (step === 0 || Math.abs(end - start) / Math.abs(step) > longest) return null;
  const epochs: number[] = [];
  for (let epoch = start; step > 0 ? epoch < end : epoch > end; epoch += step) epochs.push(epoch);
  return epochs;
}
