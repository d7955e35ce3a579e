import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { coded } from '../errors.ts';

/**
 * Sees that a file can be put where an option says, before the work that it is to hold.
 * @throws `ERR_HOROBALL_OPTION` where its folder does not exist
 */
export async function checkOutput(option: string, file: string): Promise<void> {
  const folder = dirname(file);
  const isFolder = await stat(folder).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (isFolder) return;
  const message = `${option}: expected a file in a folder that exists, got ${file}; make ${folder} first`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}
