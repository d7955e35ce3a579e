import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { Command, Option } from 'commander';
import { type Delta, gromovDelta } from '../delta.ts';
import { coded } from '../errors.ts';
import { readNpy } from '../io/npy.ts';
import { isInRun } from '../io/run-path.ts';
import { readSafetensors } from '../io/safetensors.ts';
import { type Matrix, matrix } from '../matrix.ts';
import type { Skipped } from '../train/data/loader.ts';
import { embedSplit, type SplitName, splitNames } from '../train/measure/export.ts';
import { skippedText } from '../train/run/warnings.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';
import { configOf, networkOf, noteChangedData } from './network.ts';
import { addRunOptions, givenOptions, optionsOf } from './run-options.ts';

interface Options {
  split?: SplitName;
  tensor?: string;
  distances?: boolean;
  samples?: string;
  size?: string;
  json?: boolean;
}

const notes: Notes = {
  paragraphs: [
    'Follows the protocol of Khrulkov et al. (2020): unnormalized backbone features of the training images, Euclidean distances, and the first row of each subset as its base point. The delta relative to the diameter is averaged over the subsets, and c = (0.144 / relative delta)^2.',
  ],
  examples: [
    ['features from a file', 'horoball delta features.npy'],
    ['features of a run, in subsets of 500 rows', 'horoball delta runs/shapes-hybrid-1 --size 500'],
    [
      'features of a pretrained backbone on your images',
      'horoball delta --model dino_vits16 --ds folder --path my-images',
    ],
  ],
};

/** Minimum number of rows: delta is defined on four points, and fewer always form a tree. */
const fewest = 4;

/** `horoball delta`: measures how tree-like features are, and suggests a value for c. */
export function deltaCommand(): Command {
  const command = new Command('delta')
    .description('measure the Gromov delta of features and suggest a value for c')
    .argument(
      '[source]',
      'a .npy or .safetensors file of features, or a run folder; if omitted, the backbone given by --model',
    )
    .addOption(
      new Option('--split <name>', 'split of the data set').choices(splitNames).default(undefined, 'train'),
    )
    .addOption(optionOf('--tensor <name>', 'tensor to read from a .safetensors file', defaultTensorText))
    .option('--distances', 'the file contains a distance matrix instead of features')
    .addOption(
      optionOf('--samples <count>', 'number of random subsets', '100, or 1 if a subset holds all rows'),
    )
    .addOption(optionOf('--size <rows>', 'rows per subset', '2000, or all if there are fewer'))
    .option('--json', 'print the result as one JSON object on stdout');
  addRunOptions(command, {
    keys: optionsOf('embed'),
    from: 'run or defaults',
    helps: {
      seed: 'seed of the random subsets, and of the initial weights of parameters that are not loaded',
    },
    defaults: { seed: '0 for the subsets; for the weights, the seed of the run, or 42 without a run' },
  });
  addNotes(command, notes);
  command.action(async (source: string | undefined, options: Options & Record<string, unknown>) => {
    await measure(source, givenOptions('delta', options), options);
  });
  return command;
}

/** Returns an option with a default that only the help shows: the value is undefined if the option is not given. */
export function optionOf(flags: string, text: string, standard: string): Option {
  return new Option(flags, text).default(undefined, standard);
}

async function measure(
  source: string | undefined,
  given: Readonly<Record<string, unknown>>,
  options: Options,
): Promise<void> {
  const [samples, size] = [
    integerOption('samples', options.samples, 1),
    integerOption('size', options.size, fewest),
  ];
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const { signal } = interrupt;
  const features = await featuresOf(source, given, options, meter, signal);
  if (features.rows < fewest) {
    const message = `[delta] source: expected at least ${fewest} rows (fewer always form a tree), got ${features.rows}`;
    throw coded('ERR_HOROBALL_SHAPE', message, RangeError);
  }
  const seed = integerOption('seed', given['seed'] as string | undefined, 0) ?? 0;
  const input = options.distances ? 'distances' : 'points';
  const taken = Math.min(size ?? 2000, features.rows);
  const onProgress = (done: number, total: number): void => meter.count('measuring', done, total, 'subsets');
  const found = await gromovDelta(features, { input, samples, size: taken, seed, signal, onProgress });
  meter.end();
  const { rows, cols } = features;
  if (options.json) jsonLine({ type: 'delta', rows, cols, size: taken, ...found });
  for (const line of lines(found, rows, taken)) meter.say(line);
}

function lines({ delta, relative, suggestedC, standardError }: Delta, rows: number, size: number): string[] {
  const error = standardError === 0 ? '' : ` (standard error ${standardError.toPrecision(2)})`;
  return [
    `Delta ${delta.toPrecision(4)}, relative ${relative.toPrecision(4)}${error}, for ${rows} rows in subsets of ${size}.`,
    Number.isFinite(suggestedC)
      ? `Suggested c: ${suggestedC.toPrecision(4)}`
      : 'No c suggested: delta is 0, because the features are all equal or form an exact tree. Check the features.',
  ];
}

async function featuresOf(
  source: string | undefined,
  given: object,
  { split, tensor, distances }: Options,
  meter: Meter,
  signal: AbortSignal,
): Promise<Matrix> {
  const isRun =
    source === undefined || (await isFolder(source)) || (tensor === undefined && (await isInRun(source)));
  if (!isRun) {
    const { seed: _, ...ofImages } = { ...given, split } as Record<string, unknown>;
    refuseOthers(ofImages, `${source} is a file of features`);
    return await readFeatures(source, tensor);
  }
  refuseOthers({ tensor, distances }, 'the features are computed, not read from a file');
  const note = (text: string): void => meter.say(`Note: ${text}.`);
  const config = await configOf('delta', source, { ...given }, note);
  using embedder = await networkOf(source, config, note);
  const onProgress = (done: number, total: number): void => meter.count('embedding', done, total, 'img');
  const onSkipped = (image: Skipped): void => note(skippedText(image));
  const { embedded } = await embedSplit(embedder, config, split ?? 'train', {
    signal,
    onProgress,
    onSkipped,
    onDataset: (dataset) => noteChangedData(source, given, dataset, note),
  });
  return matrix(embedded.body, embedded.labels.length, embedded.bodyWidth);
}

/** Throws if one of the options is given. */
function refuseOthers(others: Readonly<Record<string, unknown>>, why: string, operation = 'delta'): void {
  const [name, value] = Object.entries(others).find(([, value]) => value !== undefined) ?? [];
  if (name === undefined) return;
  const message = `[${operation}] ${name}: ${value === true ? `not allowed because ${why}` : `expected no value because ${why}, got ${value}`}. Omit the option.`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}

/**
 * Reads a matrix of features.
 *
 * @param operation - for errors
 */
export async function readFeatures(
  file: string,
  name: string | undefined,
  operation = 'delta',
): Promise<Matrix> {
  const kind = extname(file);
  if (kind !== '.npy' && kind !== '.safetensors') {
    throw notFeatures(file, operation);
  }
  if (kind === '.npy') refuseOthers({ tensor: name }, `${file} contains a single array`, operation);
  const { shape, data } = kind === '.npy' ? await readNpy(file) : await tensorOf(file, name, operation);
  const real = data instanceof Float32Array || data instanceof Float64Array;
  if (shape.length === 2 && real) return matrix(data as Float32Array, shape[0]!, shape[1]!);
  const got = real ? `${shape.length} axes` : data.constructor.name;
  throw coded(
    'ERR_HOROBALL_SHAPE',
    `[${operation}] source: expected a two-dimensional array of floating-point numbers, got ${got} in ${file}. Convert the array.`,
  );
}

/** Returns the error for a source that is not a file of features; `delta` also accepts a run, other commands do not. */
function notFeatures(file: string, operation: string): Error {
  const files = 'a .npy or .safetensors file';
  const message =
    operation === 'delta'
      ? `[delta] source: expected ${files} or a run folder, got ${file}`
      : `[${operation}] source: expected ${files}, got ${file}. To use a run, write its features first: npx horoball embed RUN --split train --output body --out features.npy`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/** Tensor that is read from a .safetensors file by default: the features that `horoball embed` writes. */
const defaultTensor = 'body';
export const defaultTensorText: string = `${defaultTensor}, the backbone features that \`horoball embed\` writes`;

/** Maximum number of names in an error. */
const maxNamed = 8;

async function tensorOf(file: string, given: string | undefined, operation: string) {
  const { tensors } = await readSafetensors(file);
  const tensor = tensors.get(given ?? defaultTensor);
  if (tensor !== undefined) return tensor;
  const more = tensors.size - maxNamed;
  const names = `${[...tensors.keys()].slice(0, maxNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  const message =
    tensors.size === 0
      ? `[${operation}] source: expected a file with tensors, got ${file} without any`
      : given === undefined
        ? `[${operation}] source: expected a file with the tensor '${defaultTensor}' (the default), got ${file} without it. Pass --tensor with one of: ${names}`
        : `[${operation}] tensor: expected one of ${names}, got ${given}`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/** Parses the value of an option as an integer of at least `least`; undefined if the option was not given. */
export function integerOption(
  name: string,
  text: string | undefined,
  least: number,
  operation = 'delta',
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  const message = `[${operation}] ${name}: expected an integer of at least ${least}, got '${text}'`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}
