import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { coded, describe, quoted } from '../errors.ts';
import { checkInside } from './inside.ts';
import { maxOptionValues, parsedJson } from './json.ts';
import { readSafetensors } from './safetensors.ts';
import { shellWord } from './shell.ts';

/** Names in a run folder: the final network, the last checkpoint, and that of the best evaluation. */
export const finalName = 'model.safetensors';
export const lastName = 'last.safetensors';
export const bestName = 'best.safetensors';
/** Names of the files of runs and studies. */
export const recordNames: readonly string[] = [
  ...['config.json', 'metrics.jsonl', 'snapshot.json', finalName, lastName, bestName],
  ...['sweep.json', 'results.jsonl'],
];
/**
 * Keys in the metadata of weight files: the settings of the network, the state of the run (checkpoints only), the learnable
 * temperatures, the step, the data and initial weights of the run, and the options that a run keeps when it is resumed.
 */
export const networkKey = 'horoball';
export const checkpointKey = 'horoball.checkpoint';
export const temperaturesKey = 'horoball.temperatures';
export const stepKey = 'horoball.step';
export const inputsKey = 'horoball.inputs';
export const optionsKey = 'horoball.options';

/** What a run was trained from. */
export interface Inputs {
  /** The fingerprint of the data set; undefined if it is unknown. */
  readonly data?: number | undefined;
  /** CRC-32 of the file of initial weights; null if they were random, undefined if that is unknown. */
  readonly weights?: number | null | undefined;
}

/** Whether the known inputs of two files are the same. */
export function areSameInputs(one: Inputs, other: Inputs): boolean {
  return (['data', 'weights'] as const).every(
    (name) => one[name] === undefined || other[name] === undefined || one[name] === other[name],
  );
}

/** A run folder, and the file with the weights that a path selects. */
export interface RunPath {
  readonly folder: string;
  readonly weights: string;
}

/**
 * Returns the run that a path names. A run folder selects its final network; a checkpoint or the final network in a run
 * folder selects itself. Any other path counts as a run folder; reading its config.json fails.
 *
 * @throws Error `ERR_HOROBALL_FORMAT` if a safetensors file next to a config.json is damaged
 */
export async function runPathOf(path: string): Promise<RunPath> {
  return (await isInRun(path))
    ? { folder: dirname(path), weights: path }
    : { folder: path, weights: join(path, finalName) };
}

/** Whether a path is a file with the weights of the run whose config.json is next to it. */
export async function isInRun(path: string): Promise<boolean> {
  if (!path.endsWith('.safetensors') || !(await isFile(path))) return false;
  if (!(await isFile(join(dirname(path), 'config.json')))) return false;
  const { metadata } = await readSafetensors(path, { names: [] });
  // A config.json next to other weights may belong to another program.
  return checkpointKey in metadata || (networkKey in metadata && basename(path) === finalName);
}

/**
 * Returns the text of a warning if the final network is older than the last checkpoint, because a finished run was resumed
 * and has not finished again, or if the best checkpoint is not of the best evaluation, because it is from an earlier backup.
 * Null if the file is up to date, or if it cannot be compared with the last checkpoint.
 */
export async function olderText({ folder, weights }: RunPath): Promise<string | null> {
  const name = basename(weights);
  if (name !== finalName && name !== bestName) return null;
  try {
    const [own, last] = [await metadataOf(weights), await metadataOf(join(folder, lastName))];
    const { step: saved, best } = positionIn(last);
    const step = name === finalName ? Number(own[stepKey]) : positionIn(own).step;
    const valid = [step, saved, best?.step ?? 0].every(Number.isSafeInteger); // the texts contain no other values
    if (!valid || step >= saved) return null;
    if (name === finalName)
      return `${finalName} is outdated: it holds the network after step ${step}, but the run was resumed, has not finished, and has saved step ${saved} in ${lastName}`;
    if (best === null || best.step === step) return null;
    return `${bestName} is outdated: it holds the network after step ${step}, but the best evaluation of the run was after step ${best.step}`;
  } catch {
    return null; // the code that loads these files reports the error
  }
}

function inputsIn(metadata: Readonly<Record<string, string>>): Inputs {
  if (metadata[checkpointKey] === undefined)
    return (parsedJson(metadata[inputsKey] ?? '{}', inputsKey, maxOptionValues) ?? {}) as Inputs;
  const { data, weights } = positionIn(metadata);
  return { data: data?.fingerprint, weights };
}

/** Returns the position in the metadata of a checkpoint, which the code that loads the checkpoint validates. */
function positionIn(metadata: Readonly<Record<string, string>>): {
  step: number;
  best: { step: number } | null;
  data?: { fingerprint: number } | null;
  weights?: number | null;
} {
  return (parsedJson(metadata[checkpointKey]!, checkpointKey) as { position: ReturnType<typeof positionIn> })
    .position;
}

/** Returns the step after which the final network of a run was saved; null if the file does not have it, or is not readable. */
export async function stepOf(file: string): Promise<number | null> {
  const metadata = await metadataOf(file).catch(() => null);
  const step = Number(metadata?.[stepKey]);
  return Number.isSafeInteger(step) ? step : null;
}

/**
 * Checks that weights belong to the same run as the last checkpoint next to them: the file of another run would be used
 * with the transform and the loss of this one, and evaluated on images that it may have been trained on. Files of earlier
 * versions do not have the options and the inputs of their run.
 *
 * @throws Error `ERR_HOROBALL_WEIGHTS` naming the first option that differs, if any
 */
export async function checkSameRun({ folder, weights }: RunPath): Promise<void> {
  const [own, last] = [await originOf(weights), await originOf(join(folder, lastName))];
  if (own === null || last === null) return;
  const other = Object.keys(own.options).find(
    (name) => Object.hasOwn(last.options, name) && !isDeepStrictEqual(own.options[name], last.options[name]),
  );
  if (other === undefined && areSameInputs(own.inputs, last.inputs)) return;
  const name = basename(weights);
  const [got, wanted] =
    other === undefined
      ? []
      : [own, last].map(({ options }) => `${other} ${describe(quoted(options[other]))}`);
  const problem =
    got === undefined
      ? `${name} and ${lastName}, which were trained on different data or from different initial weights`
      : `${name}, written with ${got}, and ${lastName}, written with ${wanted}`;
  const message = `[run] path: expected all weights in ${folder} to be from the same run, got ${problem}. Restore both files from the same backup.`;
  throw coded('ERR_HOROBALL_WEIGHTS', message);
}

/** The options and the inputs of the run that wrote a file. */
interface Origin {
  options: Readonly<Record<string, unknown>>;
  inputs: Inputs;
}

/** Returns the origin of a file; null if the file does not have the options of its run, or is missing or damaged. */
async function originOf(file: string): Promise<Origin | null> {
  try {
    const metadata = await metadataOf(file);
    const options = parsedJson(metadata[optionsKey] ?? 'null', file, maxOptionValues);
    if (options === null || typeof options !== 'object') return null;
    return { options: options as Origin['options'], inputs: inputsIn(metadata) };
  } catch {
    return null; // the code that loads these files reports the error
  }
}

async function metadataOf(file: string): Promise<Record<string, string>> {
  await checkInside(file);
  return (await readSafetensors(file, { names: [] })).metadata;
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

/** Describes a run folder without final weights in an error, and what to do. */
export function withoutWeightsText(folder: string): string {
  const checkpoint = [lastName, bestName].map((name) => join(folder, name)).find((file) => existsSync(file));
  const pass =
    checkpoint === undefined ? 'Resume it' : `Pass its checkpoint ${checkpoint}, or resume the run`;
  return `${folder} without ${finalName}: the run is not finished, or it diverged. ${pass} with: npx horoball train --resume ${shellWord(folder)}`;
}
