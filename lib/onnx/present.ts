import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Coded, coded } from '../errors.ts';
import { onnxFiles, type Storage, storages } from './storage.ts';

/** Returns the storage types for which an exported folder has a file, fp32 first. */
export async function presentStorages(folder: string): Promise<Storage[]> {
  const isFile = (path: string): Promise<boolean> =>
    stat(path).then(
      (entry) => entry.isFile(),
      () => false,
    );
  const found = await Promise.all(storages.map((storage) => isFile(join(folder, onnxFiles[storage]))));
  return storages.filter((_, i) => found[i]);
}

/** The operation that opens a network, its argument and the accepted values, for errors. */
export interface Opening {
  readonly operation: string;
  readonly argument: string;
  readonly expected: string;
}

/**
 * Whether a network's path is a folder.
 *
 * @throws Error `ERR_HOROBALL_RUN` if the path does not exist; other file system errors
 */
export async function isFolder(source: string, { operation, argument, expected }: Opening): Promise<boolean> {
  try {
    return (await stat(source)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    const message = `[${operation}] ${argument}: expected ${expected}, got ${resolve(source)}, which does not exist. Check the path.`;
    throw Object.assign(coded('ERR_HOROBALL_RUN', message), { cause: error });
  }
}

/** Returns the error for a folder without any of the files of a network. */
export function noNetwork(folder: string, { operation, argument, expected }: Opening): Coded {
  const files = [...storages.map((storage) => onnxFiles[storage]), 'model.safetensors'].join(', ');
  const message = `[${operation}] ${argument}: expected ${expected}, got ${folder}, but neither ${resolve(folder)} nor ${resolve(folder, 'export')} contains any of ${files}. Train a network, or export one with: npx horoball export`;
  return coded('ERR_HOROBALL_RUN', message);
}
