import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ensureFolder } from '../io/folder.ts';
import { boundedJson, damaged } from '../io/json.ts';

import { addonFolders, cacheFolder } from './paths.ts';

/** A libtorch on this machine. */
export interface LibTorch {
  /** How it was found, in words, such as `LIBTORCH`, `python3`, `system` or `installed by setup`. */
  origin: string;
  /** Folder that contains libtorch_cpu. */
  lib: string;
  /** Folder that contains `torch/torch.h`. */
  include: string;
  /** Version in its headers, such as 2.13.0. */
  version: string;
  cuda: boolean;
}

/** The record that `setup` stores next to the training addon. */
export interface AddonRecord {
  libtorch: LibTorch;
  /** Hash of the sources and of the libtorch from which the addon was built. */
  fingerprint: string;
}

const libtorchSchema = z.object({
  origin: z.string(),
  lib: z.string(),
  include: z.string(),
  version: z.string(),
  cuda: z.boolean(),
}) satisfies z.ZodType<LibTorch>;

const recordSchema = z.object({
  libtorch: libtorchSchema,
  fingerprint: z.string(),
}) satisfies z.ZodType<AddonRecord>;

export const addonName = 'train.node';
export const recordName = 'train.json';

export interface BuiltAddon {
  file: string;
  record: AddonRecord;
}

/**
 * Returns the training addon that `setup` built or used last or, if `of` is given, the one with that fingerprint;
 * undefined if not found.
 */
export function findAddon(folders: readonly string[] = addonFolders(), of?: string): BuiltAddon | undefined {
  for (const folder of folders) {
    const [file, record] = [join(folder, addonName), join(folder, recordName)];
    if (!existsSync(file) || !existsSync(record)) continue;
    const read = readRecord(recordSchema, record);
    if (read !== undefined && (of ?? read.fingerprint) === read.fingerprint) return { file, record: read };
  }
  return undefined;
}

const choiceFile = (): string => join(cacheFolder(), 'libtorch.json');

/** Returns the libtorch that `setup` selected last time, or undefined. It may no longer exist. */
export function readChoice(): LibTorch | undefined {
  return readRecord(libtorchSchema, choiceFile());
}

/** Maximum number of values in a record, which has a dozen. */
const maxValues = 1000;

/** Reads a record; undefined if it is missing or invalid, so that it is rewritten. */
function readRecord<T>(schema: z.ZodType<T>, file: string): T | undefined {
  try {
    return schema.safeParse(boundedJson(readFileSync(file), maxValues, (why) => damaged(file, `it ${why}`)))
      .data;
  } catch {
    return undefined;
  }
}

export async function writeChoice(libtorch: LibTorch): Promise<void> {
  await ensureFolder(cacheFolder());
  await writeFile(choiceFile(), `${JSON.stringify(libtorch, null, 2)}\n`);
}
