import { rangeError } from '../errors.ts';

export interface ImageSize {
  width: number;
  height: number;
  /** Of the pixels once decoded, alpha among them. */
  channels: number;
}

/**
 * The size that the header of a PNG or JPEG file tells.
 * @param operation - is named in the error, `ERR_HOROBALL_RANGE`
 */
export function imageSize(operation: string, file: Uint8Array): ImageSize {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const size = pngSize(bytes) ?? jpegSize(bytes);
  if (size === null)
    throw rangeError(operation, 'image', 'the bytes of a PNG or JPEG file', `${bytes.length} other bytes`);
  return size;
}

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Channels by PNG's colour type: grey, RGB, palette (RGB), grey and alpha, RGB and alpha. */
const pngChannels: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

function pngSize(bytes: Buffer): ImageSize | null {
  if (bytes.length < 33 || !bytes.subarray(0, 8).equals(pngSignature)) return null;
  const channels = pngChannels[bytes.readUInt8(25)] ?? 3;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), channels };
}

/** Segment after segment up to the one that starts a frame (ITU T.81, B.1 and B.2.2). */
function jpegSize(bytes: Buffer): ImageSize | null {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return null;
  for (let at = 2; at + 10 <= bytes.length && bytes[at] === 0xff; at += 2 + bytes.readUInt16BE(at + 2)) {
    const marker = bytes[at + 1]!;
    // C4, C8 and CC lie among the frames' markers and are tables and an extension.
    const startsFrame = (marker & 0xf0) === 0xc0 && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (startsFrame)
      return {
        height: bytes.readUInt16BE(at + 5),
        width: bytes.readUInt16BE(at + 7),
        channels: bytes[at + 9]!,
      };
  }
  return null;
}
