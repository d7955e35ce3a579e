/**
 * Work that a file can cause outside of its pixels, and that is limited neither by the number of pixels nor by sharp's time
 * limit: the decoders read text, color profiles, frames and pages that horoball does not use.
 */
import { unreadable } from './fault.ts';
import type { ImageFormat } from './formats.ts';
import { checkDirectories } from './tiff.ts';

/**
 * Returns the bytes to decode, without text and color profiles that take long to inflate; profiles are ignored anyway.
 *
 * @throws `ERR_HOROBALL_PICTURE` for a file in which decoders would read much more than it contains
 */
export function withoutHiddenWork(bytes: Buffer, format: ImageFormat): Buffer {
  if (format === 'png') return withoutLongMetadata(bytes);
  if (format === 'webp') checkCount(webpFrames(bytes));
  if (format === 'gif') checkCount(gifFrames(bytes));
  if (format === 'tiff') checkDirectories(bytes);
  return bytes;
}

/**
 * If a PNG file has more bytes of compressed text and color profiles than this, they are removed. Inflated, they are up to a
 * thousand times larger.
 */
const maxCompressedMetadata = 2 ** 16;
const pngSignatureBytes = 8;
/** The types zTXt, iTXt and iCCP. */
const pngMetadata: readonly number[] = [0x7a545874, 0x69545874, 0x69434350];

/** Removes the compressed metadata of a PNG file if there is much of it. */
function withoutLongMetadata(bytes: Buffer): Buffer {
  const kept: Buffer[] = [];
  let [keptFrom, removed] = [0, 0];
  for (let at = pngSignatureBytes; at + 8 <= bytes.length; ) {
    const end = at + 12 + bytes.readUInt32BE(at);
    if (pngMetadata.includes(bytes.readUInt32BE(at + 4)) && end <= bytes.length) {
      if (at > keptFrom) kept.push(bytes.subarray(keptFrom, at));
      removed += end - at;
      keptFrom = end;
    }
    at = end;
  }
  return removed > maxCompressedMetadata ? Buffer.concat([...kept, bytes.subarray(keptFrom)]) : bytes;
}

/**
 * Maximum number of frames of an animation, although only the first is decoded: libwebp searches its list of frames from the
 * start for each frame, and libnsgif copies its list for each frame.
 */
const maxFrames = 2 ** 13;

function checkCount(frames: Iterable<unknown>): void {
  let count = 0;
  for (const _ of frames) if (++count > maxFrames) throw unreadable(`it has more than ${maxFrames} frames`);
}

const webpHeaderBytes = 12;
/** The type ANMF. */
const webpFrame = 0x414e4d46;

/** Yields the position of each frame of a WebP file. */
function* webpFrames(bytes: Buffer): Generator<number> {
  for (let at = webpHeaderBytes; at + 8 <= bytes.length; ) {
    if (bytes.readUInt32BE(at) === webpFrame) yield at;
    const length = bytes.readUInt32LE(at + 4);
    at += 8 + length + (length % 2);
  }
}

const gifHeaderBytes = 13;
const [gifExtension, gifComment, gifFrame] = [0x21, 0xfe, 0x2c];
const gifFrameBytes = 10;

/** Yields the position of each frame of a GIF file. Skips extensions exactly as libnsgif does. */
function* gifFrames(bytes: Buffer): Generator<number> {
  let at = gifHeaderBytes + colorTableBytes(bytes[10]);
  for (;;) {
    while (bytes[at] === gifExtension)
      // Except in a comment, the first block may be empty without ending the extension.
      at = afterBlocks(bytes, at + (bytes[at + 1] === gifComment ? 2 : 3 + (bytes[at + 2] ?? 0)));
    if (bytes[at] !== gifFrame) return;
    yield at;
    // The byte before the blocks is the code size.
    at = afterBlocks(bytes, at + gifFrameBytes + colorTableBytes(bytes[at + 9]) + 1);
  }
}

/** Returns the size of the color table that the flags of a GIF file or frame declare. */
function colorTableBytes(flags = 0): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

/** Returns the position after a list of blocks, each of which begins with its length. An empty block is the last. */
function afterBlocks(bytes: Buffer, begin: number): number {
  let at = begin;
  for (let length = bytes[at]; length !== undefined && length > 0; length = bytes[at]) at += 1 + length;
  return at + 1;
}
