import { isImageFault } from '../../image/fault.ts';
import { readImageHead, requireImage } from '../../image/file.ts';
import type { Sample } from './types.ts';

/** Number of bytes to read from each image: in practice, more than a PNG has before its transparency chunk (tRNS). */
const headBytes = 1 << 16;

/**
 * Whether the header of an image declares an alpha channel or, in a PNG, a transparent color. Always false for TIFF, GIF
 * and BMP, whose alpha is only known after decoding.
 *
 * @throws `ERR_HOROBALL_PICTURE` if the file is not an image; file system errors
 */
export async function hasAlphaChannel(path: string): Promise<boolean> {
  const head = await readImageHead(path, headBytes);
  const format = requireImage(head);
  if (format === 'png') return pngAlpha(head);
  return format === 'webp' && webpAlpha(head);
}

/** Whether a PNG has an alpha channel (color types 4 and 6), or a transparency chunk (tRNS) before its pixels (IDAT). */
function pngAlpha(bytes: Buffer): boolean {
  const type = bytes[25];
  if (type === 4 || type === 6) return true;
  for (let at = 8; at + 8 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    const chunk = bytes.toString('latin1', at + 4, at + 8);
    if (chunk === 'tRNS') return true;
    if (chunk === 'IDAT') return false;
  }
  return false;
}

/** Returns the alpha flag of an extended or lossless file (RFC 9649); simple lossy files have no alpha. */
function webpAlpha(bytes: Buffer): boolean {
  const kind = bytes.toString('latin1', 12, 16);
  if (kind === 'VP8X') return ((bytes[20] ?? 0) & 0x10) !== 0;
  return kind === 'VP8L' && ((bytes[24] ?? 0) & 0x10) !== 0;
}

/** Maximum number of images whose headers are read before training. */
const maxHeaders = 200;

/**
 * Reads the headers of evenly spaced images. Returns the number of readable ones (`read`), and how many of these have alpha;
 * unreadable images are reported when they are decoded.
 */
export async function alphaIn(samples: readonly Sample[]): Promise<{ alpha: number; read: number }> {
  const step = Math.max(1, samples.length / maxHeaders);
  const chosen = samples.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  const found = await Promise.all(
    chosen.map(async ({ path }) => {
      try {
        return await hasAlphaChannel(path);
      } catch (error) {
        if (isImageFault(error) || (error as NodeJS.ErrnoException).syscall !== undefined) return null;
        throw error;
      }
    }),
  );
  const readable = found.filter((each) => each !== null);
  return { alpha: readable.filter((each) => each).length, read: readable.length };
}
