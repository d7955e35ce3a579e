import { findDataset } from '../train/data/registry.ts';
import { Meter } from './meter.ts';

/** Whether a data set is generated if it is missing, so that its folder need not exist. */
export function isGenerated(ds: string): boolean {
  return findDataset(ds)?.generate !== undefined;
}

/** Generates a data set if it does not exist yet and can be generated; an abort leaves nothing behind. */
export async function generateData(ds: string, path: string, signal: AbortSignal): Promise<void> {
  const record = findDataset(ds);
  if (record?.generate === undefined) return;
  using meter = new Meter();
  let drawn = 0;
  const onProgress = (done: number, total: number): void => {
    drawn = done;
    meter.count('generating', done, total, 'img');
  };
  try {
    await record.generate(path, { onProgress, signal });
    if (drawn > 0) meter.say(`Generated ${drawn} images in ${path}.`);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
