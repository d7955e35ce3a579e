import { readdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { coded, printable } from '../errors.ts';
import { isImageName } from '../image/formats.ts';
import { type Matrix, matrix, rowsAt } from '../matrix.ts';
import type { MetricOptions } from '../pairwise.ts';
import { type Neighbors, topK } from '../topk.ts';
import type { Skipped } from '../train/data/loader.ts';
import type { Split } from '../train/data/types.ts';
import type { Embedder } from '../train/lane/embedder.ts';
import { searchDevice } from '../train/lane/native.ts';
import { type Embedded, embed } from '../train/measure/evaluate.ts';
import { type Output, outputs } from '../train/measure/export.ts';
import { loaderOf } from '../train/measure/test-set.ts';
import { trainedSpace } from '../train/options/define.ts';
import type { OptionName, RunConfig } from '../train/options/options.ts';
import { newestRun } from '../train/run/plan.ts';
import { skippedText } from '../train/run/warnings.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';
import { configOf, networkOf } from './network.ts';
import { addRunOptions, givenOptions, optionsOf } from './run-options.ts';
import { textTable } from './table.ts';

interface Options {
  gallery: string;
  run?: string;
  k: string;
  output?: Output;
  json?: boolean;
}

const notes: Notes = {
  paragraphs: [
    'Embeds all images in the gallery folder and its subfolders, and ranks them by their distance from each query. Without --run, --model or --weights, the newest finished run in runs/ is used. A query that is in the gallery is not its own result.',
  ],
  examples: [
    ['similar images', 'horoball search --gallery my-images query.jpg'],
    [
      'by the features of a pretrained backbone',
      'horoball search --gallery my-images --model dino_vits16 --k 5 query.jpg',
    ],
  ],
};

/** `horoball search`: finds the most similar images in a folder. */
export function searchCommand(): Command {
  const command = new Command('search')
    .description('find the most similar images in a folder')
    .usage('[options] --gallery <folder> <image...>')
    .argument('<image...>', 'images to search for')
    .requiredOption('--gallery <folder>', 'folder with the images to search, at any depth; required')
    .addOption(
      new Option('--run <path>', 'run folder of the network, or a checkpoint in it').default(
        undefined,
        'the newest finished run',
      ),
    )
    .option('--k <n>', 'number of results per image', '10')
    .addOption(
      new Option('--output <name>', "output to compare; 'body' is the backbone's feature")
        .choices(outputs)
        .default(undefined, 'hyperbolic, or cosine for a run with geometry euclidean; body for a backbone'),
    )
    .option('--json', 'print one JSON object per image on stdout');
  addRunOptions(command, { keys: optionsOf('search'), from: 'run or defaults', datasets: false });
  addNotes(command, notes);
  command.action(async (images: string[], options: Options & Record<string, unknown>) => {
    await search(images, givenOptions('search', options), options);
  });
  return command;
}

type Given = Partial<Record<OptionName, unknown>>;

async function search(images: readonly string[], given: Given, options: Options): Promise<void> {
  const wanted = countOf(options.k);
  const found = await imagesBelow(options.gallery);
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const { signal } = interrupt;
  const note = (text: string): void => meter.say(`Note: ${text}.`);
  const run = await runOf(options.run, given, note);
  const config = await configOf('search', run, { ...given, ds: 'folder', path: options.gallery }, note);
  using embedder = await networkOf(run, config, note, { head: (options.output ?? 'body') !== 'body' });
  const paths = [...found, ...images];
  const split: Split = { classes: ['images'], samples: paths.map((path) => ({ path, label: 0 })) };
  const loader = loaderOf(split, config);
  const onProgress = (done: number, total: number): void => meter.count('embedding', done, total, 'img');
  const embedded = await embed(embedder, split, loader, { signal, onProgress });
  meter.end();
  for (const image of loader.skipped) {
    if (images.includes(image.path)) throw unreadable(image.path, image.reason);
    note(skippedText(image));
  }
  const output = options.output ?? (run === undefined ? 'body' : trainedSpace(config.geometry));
  const gallery = embedded.indices.filter((index) => index < found.length);
  if (gallery.length === 0) throw unreadableGallery(options.gallery, found.length, loader.skipped[0]!);
  const near = await nearest(embedded, gallery.length, output, { embedder, config, wanted, signal, paths });
  for (const [i, path] of images.entries()) {
    const rows = near.list(i).map(({ row, distance }) => ({ path: found[gallery[row]!]!, distance }));
    if (options.json) jsonLine({ type: 'search', image: path, output, nearest: rows });
    else process.stdout.write(`${printable(text(path, rows))}\n`);
  }
}

/** Returns the given run, undefined if only a backbone is given, or the newest finished run if neither is given. */
async function runOf(
  run: string | undefined,
  given: Given,
  note: (text: string) => void,
): Promise<string | undefined> {
  if (run !== undefined || given.model !== undefined || given.weights !== undefined) return run;
  const newest = await newestRun('runs');
  if (newest === null) throw usage('run: expected a finished run in runs/, got none. Pass --run or --model.');
  note(`searching with ${newest}, the newest finished run`);
  return newest;
}

interface Search {
  embedder: Embedder;
  config: RunConfig;
  wanted: number;
  signal: AbortSignal;
  /** Images of the gallery, followed by the queries. */
  paths: readonly string[];
}

/** Returns the nearest gallery rows of each query; the queries are the rows after the gallery. */
async function nearest(
  embedded: Embedded,
  count: number,
  output: Output,
  { embedder, config, wanted, signal, paths }: Search,
): Promise<{ list(query: number): { row: number; distance: number }[] }> {
  const all = rowsOf(embedded, output);
  const range = (begin: number, end: number): number[] =>
    Array.from({ length: end - begin }, (_, i) => begin + i);
  const files = Array.from(embedded.indices, (index) => resolve(paths[index]!));
  const k = Math.min(wanted, count);
  const metric: MetricOptions =
    output === 'hyperbolic' ? { metric: 'poincare', c: embedder.c } : { metric: 'cosine' };
  const found: Neighbors = await topK(
    rowsAt('search', all, range(count, all.rows)),
    rowsAt('search', all, range(0, count)),
    {
      ...metric,
      k,
      exclude: Int32Array.from(files.slice(count), (file) => files.slice(0, count).indexOf(file)),
      device: searchDevice(embedder.config.device) === 'cpu' || config.device === 'cpu' ? 'cpu' : 'auto',
      signal,
    },
  );
  return {
    list: (query) =>
      range(query * k, (query + 1) * k)
        .filter((at) => found.indices[at]! >= 0)
        .map((at) => ({ row: found.indices[at]!, distance: found.distances[at]! })),
  };
}

function rowsOf(
  { body, bodyWidth, euclidean, hyperbolic, width }: Embedded,
  output: Output,
): Matrix<Float32Array> {
  if (output === 'body') return matrix(body, body.length / bodyWidth, bodyWidth);
  const data = output === 'cosine' ? euclidean : hyperbolic;
  return matrix(data, data.length / width, width);
}

/** Returns the images in a folder and its subfolders, sorted by path; hidden files and folders are skipped. */
async function imagesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory() && isImageName(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split(/[\\/]/).some((part) => part.startsWith('.')))
    .sort();
  if (paths.length === 0) throw usage(`gallery: expected a folder with images, got ${folder} without any`);
  return paths.map((path) => join(folder, path));
}

function text(image: string, rows: readonly { path: string; distance: number }[]): string {
  const cells = rows.map(({ path, distance }) => [relative('.', path), distance.toFixed(4)]);
  return textTable([[image, 'Distance'], ...cells]);
}

function countOf(text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value > 0) return value;
  throw usage(`k: expected an integer from 1 to 999999, got '${text}'`);
}

function unreadable(path: string, reason: string): Error {
  return coded('ERR_HOROBALL_PICTURE', `[search] image: expected a readable image, got ${path} (${reason})`);
}

function unreadableGallery(folder: string, count: number, { path, reason }: Skipped): Error {
  return coded(
    'ERR_HOROBALL_PICTURE',
    `[search] gallery: expected readable images, got none of ${count} in ${folder}. Repair ${path} (${reason}) and the others.`,
  );
}

function usage(message: string): RangeError {
  return coded('ERR_HOROBALL_OPTION', `[search] ${message}`, RangeError);
}
