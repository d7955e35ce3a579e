import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ensureFolder } from '../io/folder.ts';
import { boundedJson, damaged } from '../io/json.ts';
import { writeText } from '../io/text.ts';

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
/** Makes libtorch's BLAS fast on processors of every vendor (native/torch/mkl_kernels.cc); only on Linux with x86-64. */
export const mklName = 'mkl_kernels.so';
/** Decodes JPEG files (native/torch/jpeg.cc); only where libjpeg-turbo's headers are installed. */
export const jpegName = 'jpeg.so';

export interface BuiltAddon {
  file: string;
  record: AddonRecord;
}

/**
 * Returns the training addon in the first folder that has one or, if `of` is given, one with that fingerprint; undefined if
 * not found.
 */
export function findAddon(folders: readonly string[] = addonFolders(), of?: string): BuiltAddon | undefined {
  for (const folder of folders) {
    const [file, record] = [join(folder, addonName), join(folder, recordName)];
    if (!isFile(file)) continue;
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

/** Limits of a record, which has a dozen values. */
const maxValues = 1000;
const maxBytes = 2 ** 20;

/** Reads a record; undefined if it is missing or invalid, so that it is rewritten. */
function readRecord<T>(schema: z.ZodType<T>, file: string): T | undefined {
  try {
    return schema.safeParse(boundedJson(readSmall(file), maxValues, (why) => damaged(file, `it ${why}`)))
      .data;
  } catch {
    return undefined;
  }
}

/** Reads a small file. Throws if it is missing, too large, or not a regular file: reading a pipe would block. */
function readSmall(file: string): Buffer {
  const descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile() || stat.size > maxBytes) throw damaged(file, 'it is not a record');
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether a path leads to a regular file: loading a pipe as a library would never end. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export async function writeChoice(libtorch: LibTorch): Promise<void> {
  await ensureFolder(cacheFolder());
  // Atomically: without the choice, setup would not find the libtorch that it has installed.
  await writeText(choiceFile(), `${JSON.stringify(libtorch, null, 2)}\n`);
}
