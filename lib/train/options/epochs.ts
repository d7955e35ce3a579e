/** Maximum number of epochs, because lists of epochs accept numbers of at most nine digits. */
export const maxEpochs = 999_999_999;

/** Default number of evaluations, in addition to the one at epoch 0. */
const defaultCount = 10;

/** Returns epoch 0 and about ten evenly spaced epochs up to the last one, in the syntax of {@link parseEpochs}. */
export function evenEpochs(last: number): string {
  if (last <= defaultCount) return `r(${last + 1})`;
  if (last % defaultCount === 0) return `r(0,${last + 1},${last / defaultCount})`;
  const epochs = Array.from({ length: defaultCount + 1 }, (_, i) => Math.round((i * last) / defaultCount));
  return `[${epochs.join(',')}]`;
}

/** Returns a list of only the last epoch, after which the published code evaluates. */
export function lastEpoch(last: number | string): string {
  return `[${last}]`;
}

/** Maximum length of a list, so that a range such as `r(999999999)` does not exhaust memory. */
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
