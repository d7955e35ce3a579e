import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { atFile, naming } from './trouble.ts';

/**
 * Writes a file that appears whole or not at all: to a temporary file beside it, synced to the disk, renamed.
 * What stood there before stays until then.
 */
export async function writeAtomically(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // its folder may be the trouble
    throw atFile(error, path); // the name that the caller knows
  }
}

/** Opens a file for some reading. */
export async function reading<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await naming(path, work(file));
  } finally {
    await file.close();
  }
}

/** One write takes less than 2 GiB; this one takes any array. */
export async function writeAll(file: FileHandle, data: ArrayBufferView): Promise<void> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, 1 << 28));
    done += bytesWritten;
  }
}

/** Fills `data` from `position` on. @returns how many bytes there were */
export async function readAll(file: FileHandle, data: ArrayBufferView, position: number): Promise<number> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let done = 0;
  while (done < bytes.length) {
    const size = Math.min(bytes.length - done, 1 << 28);
    const { bytesRead } = await file.read(bytes, done, size, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
