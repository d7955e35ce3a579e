/** A run can be long, a list of epochs to evaluate cannot. */
const longest = 100_000;

/**
 * Reads a list of epochs as the published code writes it: `[50]`, `[]`, `r(10,70,20)+[200]`, where
 * `r(start, end, step)` counts as Python's `range` does. Nothing is evaluated as code.
 * @returns the epochs in the order given, or `null` where the text is not such a list.
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
