/** Folders of generated data sets: created atomically, and regenerated only if their parameters change. */
import { randomUUID } from 'node:crypto';
import { lstat, readdir, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Coded, coded } from '../../errors.ts';
import { naming, namingFolder } from '../../io/file-errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { isAbandoned, Lock, lockHolder } from '../../io/lock.ts';
import { readRecordFile } from '../../io/record-file.ts';
import { writeWhole } from '../../io/thread-file.ts';
import type { Dataset } from './types.ts';

/** Options of {@link makeFolder}. */
export interface Making {
  /** Name of the manifest, a file in the folder with the parameters of its contents. */
  manifestName: string;
  /** Every parameter that determines the contents. */
  manifest: object;
  /** Whether this is the name of an entry that `fill` creates in the top folder. */
  isOwn: (name: string) => boolean;
  /** Description of the contents for errors, such as `the built-in data set`. */
  what: string;
  signal?: AbortSignal | undefined;
}

/**
 * Creates a folder atomically: fills it under a temporary name, then renames it. Does nothing if the folder exists with the
 * same manifest; replaces it if the manifest has other values and nothing else was added to the folder.
 *
 * @param fill - writes into the folder; its result is added to the manifest file
 * @returns whether the folder was created
 * @throws `ERR_HOROBALL_DATA_LAYOUT` if `root` has other contents or is a mount point
 */
export async function makeFolder(
  root: string,
  making: Making,
  fill: (folder: string) => Promise<object>,
): Promise<boolean> {
  const { manifestName, manifest, what, signal } = making;
  // If `root` is a link, the folder is created at its target, which may be on another disk.
  const where = await realpath(root).catch(() => path.resolve(root));
  const found = await readManifest(where, manifestName);
  if (found !== undefined && isSame(found, manifest)) return false;
  await refuseMountPoint(where, what);
  await refuseForeignFolder(where, found, making);
  signal?.throwIfAborted();

  await sweep(where);
  const partial = `${where}.partial-${randomUUID()}`;
  await naming(where, ensureFolder(path.dirname(where)));
  // Locked before the folder exists, because `sweep` in another process removes folders that have no lock.
  await using _ = await namingFolder(
    where,
    Lock.take(`${partial}.lock`, () => foreign(where, what)),
  );
  try {
    await naming(where, ensureFolder(partial));
    const more = await naming(where, fill(partial));
    const text = `${JSON.stringify({ ...manifest, ...more }, null, 2)}\n`;
    await naming(where, writeWhole(path.join(partial, manifestName), text));
    await take(partial, where, making);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return true;
}

/** Matches the end of a partial folder's name, a UUID. The group captures the suffix of its lock files. */
const ownName = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}(|\.lock.*)$/;

/** Removes partial folders and locks that killed processes left behind. */
async function sweep(where: string): Promise<void> {
  const parent = path.dirname(where);
  const start = `${path.basename(where)}.partial-`;
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(start))) {
    const [, lock] = ownName.exec(name.slice(start.length)) ?? [];
    if (lock === undefined) continue; // not created by `makeFolder`
    const file = path.join(parent, name);
    const isOver = lock !== '' ? await isAbandoned(file) : (await lockHolder(`${file}.lock`)) === null;
    if (isOver) await rm(file, { recursive: true, force: true });
  }
}

/** Reads the manifest of a folder; undefined if it is missing, cannot be read or is not a JSON object. */
export async function readManifest(
  root: string,
  name: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const parsed = await readRecordFile(path.join(root, name));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Warns if a folder does not have the number of images that were generated: some were deleted, or a list is truncated. */
export function lostWarnings(
  where: string,
  wanted: unknown,
  { train, test }: Pick<Dataset, 'train' | 'test'>,
): string[] {
  const got = train.samples.length + test.samples.length;
  if (!Number.isSafeInteger(wanted) || got === wanted) return [];
  return [`${where} has ${got} of the ${wanted} generated images; delete the folder to generate it again`];
}

function isSame(found: Readonly<Record<string, unknown>>, wanted: object): boolean {
  return Object.entries(wanted).every(([key, value]) => JSON.stringify(found[key]) === JSON.stringify(value));
}

/** Moves a finished folder to its destination, unless another process has created the same folder in the meantime. */
async function take(partial: string, where: string, making: Making): Promise<void> {
  const { manifestName, manifest } = making;
  const found = await readManifest(where, manifestName);
  if (found !== undefined && isSame(found, manifest)) return;
  if (found === undefined)
    await rmdir(where).catch(() => {}); // removes only an empty folder
  else {
    await refuseForeignFolder(where, found, making); // again, because files may have been added in the meantime
    await rm(where, { recursive: true, force: true });
  }
  await rename(partial, where).catch(async (error) => {
    const faster = await readManifest(where, manifestName);
    if (faster === undefined || !isSame(faster, manifest)) throw error;
  });
}

/** Files that file managers add to a folder. */
const systemFiles: ReadonlySet<string> = new Set(['.DS_Store', 'Thumbs.db', 'desktop.ini']);

/**
 * Rejects a folder whose contents were not generated: replacing it would delete files of the user. A file with the name of
 * the manifest may belong to another program, so it must have every parameter.
 */
async function refuseForeignFolder(
  root: string,
  found: Readonly<Record<string, unknown>> | undefined,
  { manifestName, manifest, isOwn, what }: Making,
): Promise<void> {
  const names = await readdir(root).catch(async (cause: NodeJS.ErrnoException) => {
    const isLink = (await lstat(root).catch(() => null))?.isSymbolicLink();
    if (cause.code === 'ENOENT' && !isLink) return []; // nothing is there, not even a link to a missing folder
    throw foreign(root, what, cause);
  });
  const isGenerated = found !== undefined && Object.keys(manifest).every((key) => Object.hasOwn(found, key));
  const isAllowed = (name: string): boolean =>
    isGenerated && (name === manifestName || systemFiles.has(name) || isOwn(name));
  if (!names.every(isAllowed)) throw foreign(root, what);
}

/** Rejects a mount point, because another folder cannot be renamed to replace it. */
async function refuseMountPoint(root: string, what: string): Promise<void> {
  const [own, parent] = await Promise.all(
    [root, path.dirname(root)].map((each) => stat(each).catch(() => null)),
  );
  if (!own || !parent || own.dev === parent.dev) return;
  const message = `[data] path: expected a place for ${what}, got ${root}, a mount point. Choose a folder in it.`;
  throw coded('ERR_HOROBALL_DATA_LAYOUT', message);
}

function foreign(root: string, what: string, cause?: unknown): Coded {
  const message = `[data] path: expected ${what} or a new folder, got ${root} with other contents. Choose a folder that does not exist.`;
  return Object.assign(coded('ERR_HOROBALL_DATA_LAYOUT', message), { cause });
}
