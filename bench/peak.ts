// Peak memory of one call of one side in a separate process: `peak.js SUITE SIDE THREADS` prints bytes.
import { entryArguments, inFreshProcess } from './fresh-process.ts';
import { peakBytes } from './memory.ts';
import { suites } from './suites/all.ts';

/** Returns the peak memory of one call in bytes, measured in a fresh process; NaN if the system does not report it. */
export async function peakElsewhere(suite: string, side: string, threads: number): Promise<number> {
  return (await inFreshProcess<number | null>(import.meta.url, suite, side, threads)) ?? Number.NaN;
}

const given = entryArguments(import.meta.url);
if (given !== undefined) {
  const [suite, side, threads] = given;
  const made = suites(Number(threads)).find(({ name }) => name === suite);
  const found = made?.build().own.find(({ name }) => name === side);
  const bytes = found === undefined ? Number.NaN : await peakBytes(found.run);
  process.stdout.write(JSON.stringify(bytes));
}
