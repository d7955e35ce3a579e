import { open, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { coded } from '../errors.ts';
import { removeAbandoned } from '../io/atomic.ts';
import { explanationOf } from '../io/file-errors.ts';
import { recordNames } from '../io/run-path.ts';

/** Options of {@link checkOutput}. */
export interface OutputKind {
  /** Streamed output may go to a pipe or device; other output replaces the file as a whole. */
  stream?: boolean;
}

/**
 * Checks that an output file can be written, before the work that produces it.
 * @throws `ERR_HOROBALL_OPTION` if it cannot be written
 */
export async function checkOutput(
  option: string,
  file: string,
  { stream = false }: OutputKind = {},
): Promise<void> {
  const refuse = (expected: string, advice: string): never => {
    const message = `${option}: expected ${expected}, got ${file}. ${advice}`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  };
  const entry = await stat(file).catch(() => undefined);
  if (entry?.isDirectory()) return refuse('a file', 'Specify a file in this folder.');
  if (entry !== undefined && !entry.isFile()) {
    if (stream) return;
    return refuse('a regular file', 'Devices and pipes cannot be replaced.');
  }
  if (entry !== undefined && (await isRecord(file)))
    return refuse('a file that is not part of a run or study', 'Choose another name.');
  const folder = dirname(file);
  const parent = await stat(folder).catch(() => undefined);
  if (parent === undefined) return refuse('a file in an existing folder', `Create ${folder} first.`);
  if (!parent.isDirectory())
    return refuse('a file in a folder', `Choose another location: ${folder} is not a folder.`);
  await tryFolder(folder).catch((error: unknown) => {
    const explanation = explanationOf(error);
    if (explanation === undefined) throw error;
    refuse('a file in a writable folder', 'Choose another location.');
  });
}

/** Whether a file is one of those that a run or study writes next to its record, config.json or sweep.json. */
async function isRecord(file: string): Promise<boolean> {
  if (!recordNames.includes(basename(file))) return false;
  const found = await Promise.all(
    ['config.json', 'sweep.json'].map((name) => stat(join(dirname(file), name)).catch(() => undefined)),
  );
  return found.some((entry) => entry !== undefined);
}

/**
 * Checks that files can be written to an output folder, which need not exist, before the work that produces them.
 * @throws `ERR_HOROBALL_OPTION` if it cannot be written
 */
export async function checkOutputFolder(option: string, folder: string): Promise<void> {
  const refuse = (advice: string): never => {
    const message = `${option}: expected a writable folder, got ${folder}. ${advice}`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  };
  let parent = folder;
  let entry = await stat(parent).catch(() => undefined);
  while (entry === undefined && dirname(parent) !== parent) {
    parent = dirname(parent);
    entry = await stat(parent).catch(() => undefined);
  }
  if (!entry?.isDirectory()) return refuse(`Choose another location: ${parent} is not a folder.`);
  await tryFolder(parent).catch((error: unknown) => {
    if (explanationOf(error) === undefined) throw error;
    refuse('Choose another location.');
  });
}

/**
 * Checks that files can be created in a folder, by creating and removing one. Checking permissions is not enough: the
 * file system may be read-only, or the folder may reject new files.
 */
async function tryFolder(folder: string): Promise<void> {
  await removeAbandoned(join(folder, 'horoball'));
  const trial = join(folder, `.horoball.${crypto.randomUUID()}.tmp`);
  const file = await open(trial, 'wx');
  await file.close();
  await rm(trial);
}
