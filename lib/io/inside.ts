import { type BigIntStats, constants } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { naming } from './file-errors.ts';
import { damaged } from './json.ts';
import { holesOf } from './regular.ts';
import { mostText } from './text.ts';
import { type OpenFile, openFile } from './thread-file.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * Opens a file of a run folder or study. Such a folder may come from an untrusted source: a link in it could lead
 * outside, and a plain open would block on a named pipe.
 *
 * @param flags - constants of `node:fs`; default: read-only
 * @throws `ERR_HOROBALL_FORMAT` if it is not a regular file or consists almost entirely of holes; file system errors
 */
export async function openInside(path: string, flags: number = O_RDONLY): Promise<OpenFile> {
  await checkInside(path);
  const file = await openFile(path, flags | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0)).catch(
    (error: NodeJS.ErrnoException) => {
      throw error.code === 'ELOOP' ? notRegular(path) : error; // replaced by a link since the check
    },
  );
  try {
    const holes = holesOf(await file.stat());
    if (holes !== null) throw damaged(path, holes);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Checks that a file of a run folder is a regular file, if it exists. */
export async function checkInside(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  if (found !== null && !found.isFile()) throw notRegular(path);
}

/** Whether a path still refers to an open file, which may have been moved, deleted or replaced. */
export async function refersTo(path: string, file: OpenFile): Promise<boolean> {
  const own = fileKey(await file.stat({ bigint: true }));
  return await lstat(path, { bigint: true }).then(
    (found) => fileKey(found) === own,
    () => false,
  );
}

/**
 * Identifies a file as long as it exists or is open. An inode number is unique within a file system only, and may exceed 2^53,
 * as on Lustre.
 */
export function fileKey({ dev, ino }: BigIntStats): string {
  // On Windows, versions of Node.js disagree on whether paths and open files have the same `dev`.
  return process.platform === 'win32' ? String(ino) : `${dev}:${ino}`;
}

/** Reads the text of a file of a run folder or study; null if it does not exist. */
export async function readInside(path: string): Promise<string | null> {
  try {
    const file = await openInside(path);
    try {
      if ((await file.stat()).size > mostText) throw damaged(path, `it is larger than ${mostText} bytes`);
      return await naming(path, file.readFile('utf8'));
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

function notRegular(path: string): Error {
  return damaged(path, 'expected a regular file, got a link, folder, pipe or device');
}
