/**
 * Work that a file can cause outside of its pixels, and that is limited neither by the number of pixels nor by sharp's time
 * limit: the decoders read text, frames and pages that horoball does not use.
 */
import { unreadable } from './fault.ts';
import type { ImageFormat } from './formats.ts';
import { checkDirectories } from './tiff.ts';

/**
 * Returns the bytes to decode, without text that takes long to inflate.
 *
 * @throws `ERR_HOROBALL_PICTURE` for a file in which decoders would read much more than it contains
 */
export function withoutHiddenWork(bytes: Buffer, format: ImageFormat): Buffer {
  if (format === 'png') return withoutLongText(bytes);
  if (format === 'webp') checkFrames(bytes);
  if (format === 'tiff') checkDirectories(bytes);
  return bytes;
}

/**
 * If a PNG file has more bytes of compressed text than this, the text is removed. Inflated, it is up to a thousand times
 * larger.
 */
const maxCompressedText = 2 ** 16;
const pngSignatureBytes = 8;
/** The types zTXt and iTXt. */
const pngText: readonly number[] = [0x7a545874, 0x69545874];

/** Removes the compressed text of a PNG file if there is much of it. */
function withoutLongText(bytes: Buffer): Buffer {
  const kept: Buffer[] = [];
  let [keptFrom, removed] = [0, 0];
  for (let at = pngSignatureBytes; at + 8 <= bytes.length; ) {
    const end = at + 12 + bytes.readUInt32BE(at);
    if (pngText.includes(bytes.readUInt32BE(at + 4)) && end <= bytes.length) {
      if (at > keptFrom) kept.push(bytes.subarray(keptFrom, at));
      removed += end - at;
      keptFrom = end;
    }
    at = end;
  }
  return removed > maxCompressedText ? Buffer.concat([...kept, bytes.subarray(keptFrom)]) : bytes;
}

/** Maximum number of frames of a WebP file: libwebp searches its list of frames from the start for each of them. */
const maxFrames = 2 ** 13;
const webpHeaderBytes = 12;
/** The type ANMF. */
const webpFrame = 0x414e4d46;

function checkFrames(bytes: Buffer): void {
  let frames = 0;
  for (let at = webpHeaderBytes; at + 8 <= bytes.length; ) {
    if (bytes.readUInt32BE(at) === webpFrame && ++frames > maxFrames)
      throw unreadable(`it has more than ${maxFrames} frames`);
    const length = bytes.readUInt32LE(at + 4);
    at += 8 + length + (length % 2);
  }
}
