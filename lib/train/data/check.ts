import { readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Dataset, Sample, Split } from './dataset.ts';
import { decode, isPictureFault, Scratch } from './decode.ts';
import type { Skipped } from './loader.ts';
import { type Count, countOf } from './published.ts';

/** What {@link checkDataset} found. */
export interface DatasetCheck {
  name: string;
  root: string;
  splits: Partial<Record<'train' | 'test' | 'gallery', Count>>;
  warnings: string[];
  /** Pictures that are not there, are empty or (when decoded) are damaged. */
  unreadable: Skipped[];
}

/** See {@link checkDataset}. */
export interface CheckOptions {
  /** Decode every picture, instead of seeing only that its file is there; default false. */
  decode?: boolean | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Looks at every picture of a data set. */
export async function checkDataset(dataset: Dataset, options: CheckOptions = {}): Promise<DatasetCheck> {
  const { name, root, train, test, gallery, warnings } = dataset;
  const splits: Record<string, Split> = { train, test, ...(gallery && { gallery }) };
  const samples = Object.values(splits).flatMap((split) => split.samples);
  const counts = Object.fromEntries(Object.entries(splits).map(([key, split]) => [key, countOf(split)]));
  return { name, root, splits: counts, warnings, unreadable: await findUnreadable(samples, options) };
}

async function findUnreadable(samples: readonly Sample[], options: CheckOptions): Promise<Skipped[]> {
  const found: Skipped[] = [];
  let [next, done] = [0, 0];
  const worker = async (): Promise<void> => {
    const scratch = new Scratch();
    while (next < samples.length) {
      options.signal?.throwIfAborted();
      const { path } = samples[next++]!;
      const reason = await whyUnreadable(path, options.decode ? scratch : undefined);
      if (reason !== undefined) found.push({ path, reason });
      options.onProgress?.(++done, samples.length);
    }
  };
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, worker));
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Nothing when the picture is sound; decoded only where there is a scratch for it. */
async function whyUnreadable(path: string, scratch: Scratch | undefined): Promise<string | undefined> {
  try {
    if (scratch !== undefined) await decode(await readFile(path), scratch);
    else if ((await stat(path)).size === 0) return 'the file is empty';
    return undefined;
  } catch (error) {
    if (!isPictureFault(error)) throw error;
    return error.message;
  }
}
