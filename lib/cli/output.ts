import { open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { coded } from '../errors.ts';
import { troubleOf } from '../io/trouble.ts';

/** See {@link checkOutput}. */
export interface OutputKind {
  /** It is written as it goes, so a pipe or a device will do; others are put in the place of what is there. */
  stream?: boolean;
}

/**
 * Sees that a file can be put where an option says, before the work that it is to hold.
 * @throws `ERR_HOROBALL_OPTION` where it cannot
 */
export async function checkOutput(
  option: string,
  file: string,
  { stream = false }: OutputKind = {},
): Promise<void> {
  const refuse = (expected: string, advice: string): never => {
    const message = `${option}: expected ${expected}, got ${file}; ${advice}`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  };
  const there = await stat(file).catch(() => undefined);
  if (there?.isDirectory()) return refuse('a file', 'it is a folder');
  if (there !== undefined && !there.isFile()) {
    if (stream) return;
    return refuse('an ordinary file', 'it is a device or a pipe');
  }
  const folder = dirname(file);
  const above = await stat(folder).catch(() => undefined);
  if (above === undefined) return refuse('a file in a folder that exists', `make ${folder} first`);
  if (!above.isDirectory()) return refuse('a file in a folder', `${folder} is none`);
  await tryFolder(folder).catch((error: unknown) => {
    const trouble = troubleOf(error);
    if (trouble === undefined) throw error;
    refuse('a file in a folder that can be written to', 'name another place');
  });
}

/** Permissions say too little: a disk may be read-only, and a system's folder may take no files from anybody. */
async function tryFolder(folder: string): Promise<void> {
  const trial = join(folder, `.${crypto.randomUUID()}.tmp`);
  const file = await open(trial, 'wx');
  await file.close();
  await rm(trial);
}
