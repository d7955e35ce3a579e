import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openFile } from './thread-file.ts';

/**
 * Creates a folder and its missing parents. Node's `mkdir` with `recursive` never returns in a folder that accepts no
 * entries, such as /proc.
 *
 * @throws file system errors, such as EACCES, or EEXIST if the path exists and is not a folder
 */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await make(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await ensureFolder(dirname(path));
    await make(path);
  }
}

async function make(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(path)).isDirectory();
    if (!isThere) throw error;
  }
}

/**
 * Makes the names of new and renamed files in a folder survive a power failure. Does nothing if a folder cannot be
 * opened or synced, as on Windows.
 *
 * @throws a file system error if the disk fails
 */
export async function syncFolder(path: string): Promise<void> {
  const folder = await openFile(path, 'r').catch(() => null);
  try {
    await folder?.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EIO') throw error;
  } finally {
    await folder?.close();
  }
}
