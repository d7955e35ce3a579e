import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { filePath } from '../check.ts';
import { coded } from '../errors.ts';
import { naming } from './file-errors.ts';
import { type OpenFile, openFile } from './thread-file.ts';

/**
 * Maximum ratio of a file's size to its allocated space; above 1, because some file systems compress zeros.
 */
const maxHoleFactor = 64;
const freeBytes = 2 ** 26;

/**
 * Opens a file of unknown origin for reading. Rejects pipes and devices, which may never end, and files that consist
 * almost entirely of holes, so that the bytes on disk bound all later work.
 *
 * @throws `ERR_HOROBALL_FORMAT`, or file system errors
 */
export async function openRegular(path: string, operation: string): Promise<OpenFile> {
  filePath(operation, 'path', path);
  checkRegular(path, operation, await stat(path)); // opening a pipe would wait for its writer
  const file = await openFile(path);
  try {
    checkRegular(path, operation, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opens a file for reading as {@link openRegular} does, and closes it after `work`. */
export async function reading<T>(
  path: string,
  operation: string,
  work: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const file = await openRegular(path, operation);
  try {
    return await naming(path, work(file));
  } finally {
    await file.close();
  }
}

function checkRegular(path: string, operation: string, stats: Stats): void {
  if (stats.isDirectory()) return; // reading it throws a file system error
  if (!stats.isFile()) {
    throw coded(
      'ERR_HOROBALL_FORMAT',
      `[${operation}] ${path}: expected a regular file, got a pipe or device`,
    );
  }
  const holes = holesOf(stats);
  if (holes !== null) throw coded('ERR_HOROBALL_FORMAT', `[${operation}] ${path}: ${holes}`);
}

/** Describes the problem of a file that consists almost entirely of holes; null for other files. */
export function holesOf({ size, blocks }: Stats): string | null {
  const stored = 512 * (blocks ?? 0); // 0 if the file system does not report it
  if (stored === 0 || size <= maxHoleFactor * stored + freeBytes) return null;
  return `expected a complete file, got ${size} bytes of which ${stored} are on the disk. Copy it again.`;
}
