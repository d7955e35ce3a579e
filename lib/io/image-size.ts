import { rangeError } from '../errors.ts';
import { readJpegHeader } from './jpeg-header.ts';

export interface ImageSize {
  width: number;
  height: number;
  /** Channels after decoding, alpha included. */
  channels: number;
}

/**
 * Returns the size in the header of a PNG or JPEG file.
 *
 * @param operation - name of the operation, for the error `ERR_HOROBALL_RANGE`
 */
export function imageSize(operation: string, file: Uint8Array): ImageSize {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const size = pngSize(bytes) ?? jpegSize(bytes);
  if (size === null)
    throw rangeError(operation, 'image', 'the bytes of a PNG or JPEG file', `${bytes.length} other bytes`);
  return size;
}

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Channels by color type of PNG: gray, RGB, palette (RGB), gray and alpha, RGB and alpha. */
const pngChannels: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

function pngSize(bytes: Buffer): ImageSize | null {
  if (bytes.length < 33 || !bytes.subarray(0, 8).equals(pngSignature)) return null;
  const channels = pngChannels[bytes.readUInt8(25)] ?? 3;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), channels };
}

function jpegSize(bytes: Buffer): ImageSize | null {
  const header = readJpegHeader(bytes);
  return header ? { width: header.width, height: header.height, channels: header.components } : null;
}
