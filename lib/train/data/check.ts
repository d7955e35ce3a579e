import { availableParallelism } from 'node:os';
import { checkSignal } from '../../call/run.ts';
import { boolean, checkCallback, checkObject, integer, readOptions } from '../../check.ts';
import { decode } from '../../image/decode.ts';
import { defaultMaxPixels, isImageFault, manyPixels } from '../../image/fault.ts';
import { readImageFile } from '../../image/file.ts';
import { hasAlpha } from '../../image/resample.ts';
import { reasonOf } from '../../io/file-errors.ts';
import { hasAlphaChannel } from './alpha.ts';
import type { Skipped } from './loader.ts';
import { countOf } from './published.ts';
import { checkSplit } from './split.ts';
import type { Count, Dataset, Sample, Split } from './types.ts';

/** The result of {@link checkDataset}. */
export interface DatasetCheck {
  /** Name and absolute path of the data set. */
  name: string;
  root: string;
  /** Numbers of images and classes in each split. */
  splits: Partial<Record<'train' | 'test' | 'gallery', Count>>;
  /** Notes on the data set, one sentence each. */
  warnings: string[];
  /**
   * Images that cannot be read (for example, missing or empty ones), are in an unsupported format or, with `decode`, are
   * damaged or too large; sorted by path.
   */
  unreadable: Skipped[];
  /**
   * Number of images with an alpha channel; the run option `background` determines how it is treated. Without `decode`, TIFF,
   * GIF and BMP are not counted.
   */
  alpha: number;
  /** Number of images with more than 89,478,485 pixels, PIL's warning limit; 0 without `decode`. */
  large: number;
}

/** Options of {@link checkDataset}. */
export interface CheckOptions {
  /** Decode every image instead of reading only its header; default false. */
  decode?: boolean | undefined;
  /** Maximum number of pixels; larger images count as unreadable. Default 178,956,970, the limit of PIL. */
  maxPixels?: number | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Checks every image of a data set, several at a time.
 * @returns counts per split, and the unreadable images
 * @throws the signal's reason if it is aborted
 * @example
 * const { unreadable } = await checkDataset(await imageFolder('my-images'), { decode: true });
 */
export async function checkDataset(dataset: Dataset, options: CheckOptions = {}): Promise<DatasetCheck> {
  const operation = 'checkDataset';
  const { name, root, train, test, gallery, warnings } = checkObject(operation, dataset, 'dataset');
  const given = Object.entries<Split>({ train, test, ...(gallery && { gallery }) });
  const splits = Object.fromEntries(given.map(([key, split]) => [key, checkSplit(operation, split)]));
  const wanted = checkedOptions(operation, options);
  const samples = Object.values(splits).flatMap((split) => split.samples);
  const counts = Object.fromEntries(Object.entries(splits).map(([key, split]) => [key, countOf(split)]));
  return { name, root, splits: counts, warnings, ...(await checkImages(samples, wanted)) };
}

function checkedOptions(operation: string, given: CheckOptions): CheckOptions {
  const options = readOptions(operation, given, ['decode', 'maxPixels', 'onProgress', 'signal']);
  const { decode, maxPixels, onProgress, signal } = options;
  boolean(operation, 'decode', decode, false);
  if (maxPixels !== undefined) integer(operation, 'maxPixels', maxPixels, 1, Number.MAX_SAFE_INTEGER);
  checkCallback(operation, 'onProgress', onProgress);
  checkSignal(operation, signal);
  return options;
}

type Found = Pick<DatasetCheck, 'unreadable' | 'alpha' | 'large'>;

async function checkImages(samples: readonly Sample[], options: CheckOptions): Promise<Found> {
  const found: Found = { unreadable: [], alpha: 0, large: 0 };
  let [next, done] = [0, 0];
  const worker = async (): Promise<void> => {
    while (next < samples.length) {
      options.signal?.throwIfAborted();
      const { path } = samples[next++]!;
      await checkImage(path, options, found);
      await options.onProgress?.(++done, samples.length);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  found.unreadable.sort((a, b) => (a.path < b.path ? -1 : 1));
  return found;
}

async function checkImage(path: string, options: CheckOptions, found: Found): Promise<void> {
  const { decode: whole = false, maxPixels = defaultMaxPixels } = options;
  try {
    if (!whole) {
      if (await hasAlphaChannel(path)) found.alpha++;
      return;
    }
    const pixels = await decode(await readImageFile(path, maxPixels), maxPixels);
    if (hasAlpha(pixels)) found.alpha++;
    if (pixels.width * pixels.height > manyPixels) found.large++;
  } catch (error) {
    if (!isImageFault(error)) throw error;
    found.unreadable.push({ path, reason: reasonOf(error) });
  }
}
