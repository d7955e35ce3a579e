import { stat } from 'node:fs/promises';
import { sep } from 'node:path';
import { crc32 } from 'node:zlib';
import { runSteps, type Steps } from '../../call/run.ts';
import { forEach } from '../../call/slices.ts';
import { readImageHead } from '../../image/file.ts';
import type { Counts, Dataset, Split } from './types.ts';

type Splits = Pick<Dataset, 'train' | 'test' | 'gallery'>;

/** Identifies a data set: the sizes of its splits, and the result of {@link fingerprintOf}. */
export type DataIdentity = Counts & { fingerprint: number };

/** Describes a data set in messages; null stands for custom batches. */
export function identityText(identity: DataIdentity | null): string {
  if (identity === null) return 'batches from an iterable';
  const { train, test, gallery } = identity;
  return Object.entries({ train, test, gallery })
    .flatMap(([split, size]) => (size ? [`${split}: ${size.images} images in ${size.classes} classes`] : []))
    .join(', ');
}

/** Maximum number of files per split whose size is read: enough to recognize images that were generated anew. */
const maxSizes = 256;

/**
 * Returns a CRC-32 by which a resumed run recognizes its data set. It covers the names, classes and order of all images, the
 * ancestors of the classes, and the sizes of some files. Uncompressed images may all have the same size, so the CRC-32 also
 * covers the beginning of some of these.
 * Paths are relative to the folder that contains all images, so moving the whole data set does not change the value.
 */
export async function fingerprintOf({ train, test, gallery }: Splits): Promise<number> {
  const splits = gallery === undefined ? [train, test] : [train, test, gallery];
  const listed = await runSteps('data', undefined, () => crcOfLists(splits));
  const sizes = await Promise.all(splits.map(({ samples }) => sizesOfSome(samples)));
  return crc32(JSON.stringify(sizes), listed);
}

function* crcOfLists(splits: readonly Split[]): Steps<number> {
  const { length } = yield* commonFolder(splits);
  let crc = 0;
  const add = (value: unknown): void => {
    crc = crc32(`${JSON.stringify(value)}\n`, crc);
  };
  for (const { classes, samples, parents } of splits) {
    add([classes.length, samples.length]);
    yield* forEach(classes, (name, label) => add([name, parents?.[label] ?? []]));
    yield* forEach(samples, ({ path, label }) => add([path.slice(length).split(sep).join('/'), label]));
  }
  return crc;
}

/** Returns the deepest folder that contains all images, with a separator at the end. */
function* commonFolder(splits: readonly Split[]): Steps<string> {
  let folder: string | undefined;
  for (const { samples } of splits)
    yield* forEach(samples, ({ path }) => {
      folder ??= folderOf(path);
      while (!path.startsWith(folder)) folder = folderOf(folder.slice(0, -1));
    });
  return folder ?? '';
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf(sep) + 1);
}

/**
 * Returns the sizes of evenly spaced files, with a CRC-32 of the first 64 KiB of uncompressed images; null for a file that
 * cannot be read.
 */
async function sizesOfSome(samples: Split['samples']): Promise<unknown[]> {
  const every = Math.ceil(samples.length / maxSizes);
  const chosen = samples.filter((_, i) => i % every === 0);
  const sizeOf = async ({ path }: Split['samples'][0]): Promise<unknown> => {
    const { size } = await stat(path);
    return uncompressed.test(path) ? [size, crc32(await readImageHead(path, headBytes))] : size;
  };
  return await Promise.all(chosen.map((sample) => sizeOf(sample).catch(() => null)));
}

const uncompressed = /\.(bmp|p[bgpn]m)$/i;
const headBytes = 1 << 16;
