import { stat } from 'node:fs/promises';
import { join } from 'node:path';
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
