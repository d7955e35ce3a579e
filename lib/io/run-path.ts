import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { checkInside } from './inside.ts';
import { parsedJson } from './json.ts';
import { readSafetensors } from './safetensors.ts';

/** Names in a run folder: the final network, and the last checkpoint. */
export const finalName = 'model.safetensors';
export const lastName = 'last.safetensors';
/**
 * Keys in the metadata of weight files: the settings of the network, the state of the run (checkpoints only), the learnable
 * temperatures, and the step.
 */
export const networkKey = 'horoball';
export const checkpointKey = 'horoball.checkpoint';
export const temperaturesKey = 'horoball.temperatures';
export const stepKey = 'horoball.step';

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
 * and has not finished again. Null if it is not older, or if the two cannot be compared.
 */
export async function olderText({ folder, weights }: RunPath): Promise<string | null> {
  if (basename(weights) !== finalName) return null;
  try {
    const [own, last] = [await metadataOf(weights), await metadataOf(join(folder, lastName))];
    const step = Number(own[stepKey]);
    const { position } = parsedJson(last[checkpointKey]!, folder) as { position: { step: number } };
    if (!(step < position.step)) return null;
    return `${finalName} is the network after step ${step}, because the run was resumed and has not finished; its last checkpoint, ${lastName}, is of step ${position.step}`;
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
