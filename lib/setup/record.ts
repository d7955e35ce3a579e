import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureFolder } from '../io/folder.ts';

import { addonFolders, cacheFolder } from './paths.ts';

/** A libtorch on this machine. */
export interface LibTorch {
  /** Where it was found, in words: `LIBTORCH`, `python3`, `system`, `cache`. */
  origin: string;
  /** Folder of libtorch_cpu. */
  lib: string;
  /** Folder that holds torch/torch.h's `torch` folder. */
  include: string;
  /** As its own headers say, for example 2.13.0. */
  version: string;
  cuda: boolean;
}

/** What `setup` leaves beside the training addon. */
export interface AddonRecord {
  libtorch: LibTorch;
  /** Of the sources and the libtorch that the addon was built from. */
  fingerprint: string;
}

export const addonName = 'train.node';
export const recordName = 'train.json';

export interface BuiltAddon {
  file: string;
  record: AddonRecord;
}

/** The training addon that `setup` built, or undefined. */
export function findAddon(folders: readonly string[] = addonFolders()): BuiltAddon | undefined {
  for (const folder of folders) {
    const [file, record] = [join(folder, addonName), join(folder, recordName)];
    if (!existsSync(file) || !existsSync(record)) continue;
    return { file, record: JSON.parse(readFileSync(record, 'utf8')) as AddonRecord };
  }
  return undefined;
}

const choiceFile = (): string => join(cacheFolder(), 'libtorch.json');

/** The libtorch that `setup` took last time, or undefined. It may be gone meanwhile. */
export function readChoice(): LibTorch | undefined {
  try {
    return JSON.parse(readFileSync(choiceFile(), 'utf8')) as LibTorch;
  } catch {
    return undefined;
  }
}

export async function writeChoice(libtorch: LibTorch): Promise<void> {
  await ensureFolder(cacheFolder());
  await writeFile(choiceFile(), `${JSON.stringify(libtorch, null, 2)}\n`);
}
