import { constants, fstatSync } from 'node:fs';
import { holesOf } from '../io/regular.ts';
import { readStart, withDescriptor } from '../io/thread-file.ts';
import { unreadable } from './fault.ts';
import { formatOf, signatureLength } from './formats.ts';

/** Bytes per pixel of the largest uncompressed format: 16-bit red, green, blue and alpha. */
const bytesPerPixel = 8;
/** Maximum size of metadata and color profiles, far more than real images have. */
const metadataBytes = 1 << 26;

/**
 * Reads an image file. Named pipes, devices, folders and files that consist almost entirely of holes are rejected
 * before anything is read. Files of unsupported formats are rejected after their first bytes are read.
 *
 * @throws `ERR_HOROBALL_PICTURE`; file system errors
 */
export function readImageFile(path: string, maxPixels: number): Promise<Buffer> {
  return withImageFile(path, async (file, size) => {
    const most = maxPixels * bytesPerPixel + metadataBytes;
    if (size > most)
      throw unreadable(
        `the file has ${size} bytes, more than an image of the maximum of ${maxPixels} pixels needs`,
      );
    return await readStart(file, size);
  });
}

/** Returns the first `count` bytes of an image file; see {@link readImageFile}. */
export function readImageHead(path: string, count: number): Promise<Buffer> {
  return withImageFile(path, (file, size) => readStart(file, Math.min(count, size)));
}

function withImageFile<T>(path: string, work: (file: number, size: number) => Promise<T>): Promise<T> {
  if (path.includes('\0')) return Promise.reject(unreadable('its path contains a null character'));
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  return withDescriptor(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0), async (file) => {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw unreadable('it is not a regular file');
    if (stat.size === 0) throw unreadable('the file is empty');
    const holes = holesOf(stat);
    if (holes !== null) throw unreadable(holes);
    requireImage(await readStart(file, Math.min(signatureLength, stat.size)));
    return await work(file, stat.size);
  });
}

/** Returns the format of an image's bytes. Throws if it is not a supported format. */
export function requireImage(bytes: Buffer): NonNullable<ReturnType<typeof formatOf>> {
  const format = formatOf(bytes);
  if (format === undefined) {
    throw unreadable('the content is not JPEG, PNG, WebP, TIFF, GIF, BMP, PBM, PGM or PPM');
  }
  return format;
}
