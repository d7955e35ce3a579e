/** Embeddings as files: one safetensors file, or NumPy arrays with a JSON file. */
import { rm } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { writeTogether } from '../../io/atomic.ts';
import { npyFile } from '../../io/npy-file.ts';
import { writeSafetensors } from '../../io/safetensors.ts';
import { textFile } from '../../io/text.ts';
import type { Skipped } from '../data/loader.ts';
import { openDataset } from '../data/registry.ts';
import type { Dataset, Split } from '../data/types.ts';
import type { Embedder } from '../lane/embedder.ts';
import type { RunConfig } from '../options/options.ts';
import { type Embedded, embed } from './evaluate.ts';
import { loaderOf } from './test-set.ts';
import type { Space } from './types.ts';

/** The outputs of a network that can be exported. */
export type Output = Exclude<Space, 'fused'>;
export const outputs: readonly Output[] = ['hyperbolic', 'cosine', 'body'];

/** The names of the splits of a data set; `all` contains training, test and gallery images, in this order. */
export const splitNames = ['test', 'train', 'query', 'gallery', 'all'] as const;
export type SplitName = (typeof splitNames)[number];

/** Embeddings with their metadata. */
export interface Export {
  dataset: string;
  split: SplitName;
  classes: readonly string[];
  /** Image path of each row, relative to the data set's folder. */
  paths: readonly string[];
  embedded: Embedded;
  /** The ball's curvature is -c. */
  c: number;
}

/** Returns a split by name. `query` is the test split, and so is `gallery` if the data set has no gallery. */
export function splitOf({ train, test, gallery }: Dataset, name: SplitName): Split {
  if (name === 'train') return train;
  if (name === 'gallery') return gallery ?? test;
  if (name === 'all') return merged(gallery ? [train, test, gallery] : [train, test]);
  return test;
}

/** Merges splits; classes with the same name and ancestors become one class. */
function merged(splits: readonly Split[]): Split {
  const labels = new Map<string, number>();
  const all: Required<Omit<Split, 'levels'>> = { classes: [], samples: [], parents: [] };
  for (const { classes, samples, parents } of splits) {
    const label = classes.map((name, i) => {
      const key = JSON.stringify([name, parents?.[i] ?? []]);
      if (!labels.has(key)) {
        labels.set(key, all.classes.push(name) - 1);
        all.parents.push(parents?.[i] ?? []);
      }
      return labels.get(key)!;
    });
    for (const sample of samples) all.samples.push({ ...sample, label: label[sample.label]! });
  }
  const { parents, ...split } = all;
  return splits.some((each) => each.parents !== undefined) ? all : split;
}

/** Callbacks and signal of {@link embedSplit}. */
export interface EmbedHooks {
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Receives the data set before its images are read. */
  onDataset?: ((dataset: Dataset) => Promise<void>) | undefined;
  /** Receives each unreadable image; it has no row in the result. */
  onSkipped?: ((image: Skipped) => void) | undefined;
}

/** Embeds a split of a run's data set with the evaluation transform. */
export async function embedSplit(
  embedder: Embedder,
  config: RunConfig,
  name: SplitName,
  { onSkipped, onDataset, ...hooks }: EmbedHooks = {},
): Promise<Export> {
  const dataset = await openDataset(config.ds, config.path);
  await onDataset?.(dataset);
  const split = splitOf(dataset, name);
  const loader = loaderOf(split, config);
  const embedded = await embed(embedder, split, loader, hooks);
  for (const image of loader.skipped) onSkipped?.(image);
  const paths = Array.from(embedded.indices, (i) => relative(dataset.root, split.samples[i]!.path));
  return { dataset: dataset.name, split: name, classes: split.classes, paths, embedded, c: embedder.c };
}

/**
 * Writes embeddings as safetensors: the `wanted` ones of `hyperbolic`, `cosine` (unit vectors) and `body` (the backbone's
 * unnormalized feature), one row per image, and `labels` (int32, indices into `classes`). The metadata has `dataset`, `split`
 * and `c`, and `classes` and `paths` as JSON.
 */
export async function writeExport(
  file: string,
  exported: Export,
  wanted: readonly Output[] = outputs,
): Promise<void> {
  const { embedded, dataset, split, classes, paths, c } = exported;
  const chosen = wanted.map((output) => {
    const { data, shape } = arrayOf(embedded, output);
    return [output, { shape, data }] as const;
  });
  const labels = { shape: [embedded.labels.length], data: embedded.labels };
  const metadata = {
    dataset,
    split,
    c: String(c),
    classes: JSON.stringify(classes),
    paths: JSON.stringify(paths),
  };
  await writeSafetensors(file, Object.fromEntries([...chosen, ['labels', labels]]), {
    metadata,
    checksums: true,
  });
}

/**
 * Writes one output as `file`, its labels as `<stem>.labels.npy`, and the metadata as `<stem>.json`; returns the paths. The
 * metadata has the CRC-32 of both arrays, is removed before they are replaced, and is written after them, so a mix of files
 * from two exports is detected.
 */
export async function writeNpyExport(file: string, exported: Export, output: Output): Promise<string[]> {
  const { embedded, dataset, split, classes, paths, c } = exported;
  const { data, shape } = arrayOf(embedded, output);
  const stem = file.replace(/\.npy$/, '');
  const arrays = [npyFile(file, data, shape), npyFile(`${stem}.labels.npy`, embedded.labels)];
  const crc32: Record<string, string> = {};
  for (const { path, checksum } of arrays) crc32[basename(path)] = await checksum();
  const text = JSON.stringify({ dataset, split, output, c, classes, paths, crc32 });
  const files = [...arrays, textFile(`${stem}.json`, `${text}\n`)];
  await writeTogether(files);
  return files.map(({ path }) => path);
}

/**
 * Writes the files of `--save_emb` to a run folder: the embeddings of the gallery (or of the test images, if there is no
 * gallery) and of the training images.
 * @param hooks - `beforeWrite` is called before each file, and may throw to prevent writing it
 * @returns the files with their image counts
 */
export async function saveEmbeddings(
  folder: string,
  embedder: Embedder,
  config: RunConfig,
  { beforeWrite, ...hooks }: EmbedHooks & { beforeWrite?: () => Promise<void> } = {},
): Promise<{ file: string; images: number }[]> {
  const written: { file: string; images: number }[] = [];
  const dataset = await openDataset(config.ds, config.path);
  const tested = dataset.gallery ? 'gallery' : 'test';
  const fileOf = (suffix: string): string => join(folder, `${config.emb_name}_${suffix}.safetensors`);
  const files = [
    [tested, fileOf('eval')],
    ['train', fileOf('train')],
  ] as const;
  for (const [name, file] of files) {
    const exported = await embedSplit(embedder, config, name, hooks);
    await beforeWrite?.();
    // An interruption must not leave the files of two networks side by side.
    if (written.length === 0) await rm(files[1][1], { force: true });
    await writeExport(file, exported);
    written.push({ file, images: exported.paths.length });
  }
  return written;
}

function arrayOf(embedded: Embedded, output: Output): { data: Float32Array; shape: [number, number] } {
  const rows = embedded.labels.length;
  if (output === 'body') return { data: embedded.body, shape: [rows, embedded.bodyWidth] };
  const data = output === 'cosine' ? embedded.euclidean : embedded.hyperbolic;
  return { data, shape: [rows, embedded.width] };
}
