import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { filePath } from '../check.ts';
import { bytesIn } from './bytes.ts';
import { atFile } from './file-errors.ts';
import { syncFolder } from './folder.ts';
import { type OpenFile, openFile } from './thread-file.ts';

/**
 * Before a file of at least this size is written, abandoned temporary files are removed. Finding them takes much less
 * time than writing the file.
 */
const largeBytes = 2 ** 22;

/** A file to write atomically. */
export interface FileToWrite {
  path: string;
  write(file: OpenFile): Promise<void>;
  /**
   * Size of the file, approximately. If it is large, temporary files that killed processes left while writing the same
   * file are removed.
   */
  bytes?: number;
}

/**
 * Writes a file atomically: to a temporary file in the same folder, which is synced and renamed.
 * An existing file is unchanged until then. Once the promise resolves, the new file survives a power failure.
 *
 * @param bytes - see {@link FileToWrite}
 */
export async function writeAtomically(path: string, write: FileToWrite['write'], bytes = 0): Promise<void> {
  await writeTogether([{ path, write, bytes }]);
}

/**
 * Writes files that belong together, each atomically. All of them are written and synced before the first replaces an
 * existing file. Of several files, the last describes the others: it is removed before they are replaced and appears
 * after them, so a killed process leaves a complete set, or a set without the last file.
 */
export async function writeTogether(files: readonly FileToWrite[]): Promise<void> {
  for (const { path } of files) filePath('write', 'path', path);
  const staged: { path: string; temporary: string }[] = [];
  try {
    for (const file of files) {
      const { path } = file;
      const temporary = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}.tmp`);
      staged.push({ path, temporary });
      await atPath(path, stage(file, temporary));
    }
    const last = staged.at(-1)!.path;
    if (staged.length > 1) await atPath(last, rm(last, { force: true }));
    for (const { path, temporary } of staged) await atPath(path, rename(temporary, path));
    for (const folder of new Set(staged.map(({ path }) => dirname(path))))
      await atPath(last, syncFolder(folder));
  } catch (error) {
    for (const { temporary } of staged) await rm(temporary, { force: true }).catch(() => {}); // `error` is reported instead
    throw error;
  }
}

async function stage({ path, write, bytes = 0 }: FileToWrite, temporary: string): Promise<void> {
  if (bytes >= largeBytes) await removeAbandoned(path);
  const file = await openFile(temporary, 'wx');
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Names the file of the caller in errors, not the temporary one. */
async function atPath<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw atFile(error, path);
  }
}

/** Matches the name of a temporary file of {@link writeAtomically}. The group captures the name of the file to write. */
const temporaryName = /^\.(.+)\.[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\.tmp$/s;

/** Returns the name of the file that a temporary file replaces once it is written; null for names of other files. */
export function replacedBy(name: string): string | null {
  return temporaryName.exec(name)?.[1] ?? null;
}

/**
 * Removes the temporary files that killed processes left in a folder.
 *
 * @param own - names of files that only this process writes: all of their temporary files are removed, those of other
 *   files only if they are abandoned
 */
export async function removeTemporaries(folder: string, own: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) {
    const replaced = replacedBy(name);
    if (replaced === null) continue;
    const file = join(folder, name);
    if (own.includes(replaced) || (await isAbandoned(file))) await rm(file, { force: true });
  }
}

/** A temporary file counts as abandoned if nothing was written to it for this time. */
const abandonedAfterMs = 3_600_000;

/**
 * Removes the temporary files that killed processes left while writing `path`. Errors are ignored, because writing the file
 * reports them.
 */
export async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(path);
  for (const name of await readdir(folder).catch(() => [])) {
    if (replacedBy(name) === basename(path)) await removeIfAbandoned(join(folder, name));
  }
}

/** Removes a temporary file that a killed process left behind, unless it is too recent. Errors are ignored. */
export async function removeIfAbandoned(file: string): Promise<void> {
  if (await isAbandoned(file)) await rm(file, { force: true }).catch(() => {});
}

async function isAbandoned(file: string): Promise<boolean> {
  const found = await lstat(file).catch(() => null);
  return found?.isFile() === true && Date.now() - found.mtimeMs > abandonedAfterMs;
}

/** Number of bytes that are read or written at a time. */
const partBytes = 1 << 28;

/** Writes an array of any size, in parts, because a single write is limited to 2 GiB. */
export async function writeAll(file: OpenFile, data: ArrayBufferView): Promise<void> {
  for (let done = 0; done < data.byteLength; ) {
    const part = bytesIn(data, done, done + partBytes);
    const { bytesWritten } = await file.write(part, 0, part.length);
    done += bytesWritten;
  }
}

/**
 * Reads from `position` until `data` is full or the file ends.
 *
 * @returns the number of bytes read
 */
export async function readAll(file: OpenFile, data: ArrayBufferView, position: number): Promise<number> {
  let done = 0;
  while (done < data.byteLength) {
    const part = bytesIn(data, done, done + partBytes);
    const { bytesRead } = await file.read(part, 0, part.length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
