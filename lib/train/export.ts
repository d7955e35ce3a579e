/** Embeddings as files: safetensors with everything in one, or NumPy arrays with a JSON file beside them. */
import { join, relative } from 'node:path';
import { writeNpy } from '../io/npy.ts';
import { writeSafetensors } from '../io/safetensors.ts';
import type { RunConfig } from './config.ts';
import { type Dataset, openDataset, type Split } from './data/dataset.ts';
import { type Embedded, embed } from './evaluate.ts';
import type { Embedder } from './model.ts';
import type { Space } from './record.ts';
import { writeText } from './run-folder.ts';
import { loaderOf } from './source.ts';

/** The outputs of a network that can be exported. */
export type Output = Exclude<Space, 'fused'>;
export const outputs: readonly Output[] = ['hyperbolic', 'cosine', 'body'];

/** Which pictures of a data set: `all` are those that an evaluation sees, queries before the gallery. */
export const splitNames = ['test', 'train', 'query', 'gallery', 'all'] as const;
export type SplitName = (typeof splitNames)[number];

/** Embeddings and what they are of. */
export interface Export {
  dataset: string;
  split: SplitName;
  classes: readonly string[];
  /** Of each row's picture, from the data set's folder. */
  paths: readonly string[];
  embedded: Embedded;
  /** The ball's curvature is -c. */
  c: number;
}

/** A split of a data set by name; `gallery` is the test split where there is no gallery. */
export function splitOf({ train, test, gallery }: Dataset, name: SplitName): Split {
  if (name === 'train') return train;
  if (name === 'gallery') return gallery ?? test;
  if (name === 'all' && gallery) return { ...test, samples: [...test.samples, ...gallery.samples] };
  return test;
}

/** Embeds a split of a run's data set with the evaluation's transform. */
export async function embedSplit(
  embedder: Embedder,
  config: RunConfig,
  name: SplitName,
  hooks: {
    signal?: AbortSignal | undefined;
    onProgress?: ((done: number, total: number) => void) | undefined;
  } = {},
): Promise<Export> {
  const dataset = await openDataset(config.ds, config.path);
  const split = splitOf(dataset, name);
  const embedded = await embed(embedder, split, loaderOf(split, config), hooks);
  const paths = Array.from(embedded.indices, (i) => relative(dataset.root, split.samples[i]!.path));
  return { dataset: dataset.name, split: name, classes: split.classes, paths, embedded, c: embedder.c };
}

/**
 * Writes embeddings as safetensors: `hyperbolic`, `cosine` (unit vectors) and `body` (the backbone's feature, not
 * normalised), a row a picture, and `labels` (int32, places in `classes`); the metadata has `dataset`, `split`, `c`, and
 * as JSON `classes` and `paths`.
 */
export async function writeExport(
  file: string,
  made: Export,
  wanted: readonly Output[] = outputs,
): Promise<void> {
  const { embedded, dataset, split, classes, paths, c } = made;
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
  await writeSafetensors(file, Object.fromEntries([...chosen, ['labels', labels]]), { metadata });
}

/** Writes one output as `file`, its labels as `<stem>.labels.npy`, and what they are of as `<stem>.json`. */
export async function writeNpyExport(file: string, made: Export, output: Output): Promise<string[]> {
  const { embedded, dataset, split, classes, paths, c } = made;
  const { data, shape } = arrayOf(embedded, output);
  const stem = file.replace(/\.npy$/, '');
  const files = [file, `${stem}.labels.npy`, `${stem}.json`] as const;
  await writeNpy(files[0], data, shape);
  await writeNpy(files[1], embedded.labels);
  await writeText(files[2], `${JSON.stringify({ dataset, split, output, c, classes, paths })}\n`);
  return [...files];
}

/**
 * What `--save_emb` leaves in a run folder, named as the published code names it: test and training embeddings.
 * @returns the files, and how many pictures are in each
 */
export async function saveEmbeddings(
  folder: string,
  embedder: Embedder,
  config: RunConfig,
  signal?: AbortSignal,
): Promise<{ file: string; pictures: number }[]> {
  const written: { file: string; pictures: number }[] = [];
  const dataset = await openDataset(config.ds, config.path);
  const tested = dataset.gallery ? 'gallery' : 'test';
  for (const [name, suffix] of [
    [tested, 'eval'],
    ['train', 'train'],
  ] as const) {
    const made = await embedSplit(embedder, config, name, { signal });
    const file = join(folder, `${config.emb_name}_${suffix}.safetensors`);
    await writeExport(file, made);
    written.push({ file, pictures: made.paths.length });
  }
  return written;
}

function arrayOf(embedded: Embedded, output: Output): { data: Float32Array; shape: [number, number] } {
  const rows = embedded.labels.length;
  if (output === 'body') return { data: embedded.body, shape: [rows, embedded.bodyWidth] };
  const data = output === 'cosine' ? embedded.euclidean : embedded.hyperbolic;
  return { data, shape: [rows, embedded.width] };
}
