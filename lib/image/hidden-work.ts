/**
 * Work that a file can cause outside of its pixels, and that is limited neither by the number of pixels nor by sharp's time
 * limit: the decoders read text, frames and pages that horoball does not use.
 */
import { unreadable } from './fault.ts';
import type { ImageFormat } from './formats.ts';

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

/** Bytes of a value by its type in a TIFF file; the types are numbered from 1. */
const tiffTypeBytes: readonly number[] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8];
/** The tags StripByteCounts and TileByteCounts. */
const sizeTags: readonly number[] = [279, 325];

/**
 * Throws for a TIFF file whose directories, one per page, refer to the same data so often that reading the data would take
 * long. libtiff copies the values of all pages, and for each strip its data.
 */
function checkDirectories(bytes: Buffer): void {
  const tiff = new TiffReader(bytes);
  let left = 16 * bytes.length + 2 ** 26;
  const take = (count: number): void => {
    left -= count;
    if (left < 0) throw unreadable('its directories refer to much more data than the file contains');
  };
  // libtiff ends the list of directories at the first one that it has read before.
  let seen = 0;
  let [steps, limit] = [0, 1];
  for (let at = tiff.first(); at > 0 && at !== seen; at = tiff.readDirectory(at, take)) {
    if (++steps < limit) continue;
    seen = at;
    limit *= 2;
  }
}

/** Reads the directories of a TIFF or BigTIFF file. */
class TiffReader {
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #big: boolean;

  constructor(bytes: Buffer) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = bytes[0] === 0x49;
    this.#big = bytes[this.#little ? 2 : 3] === 0x2b;
  }

  /** Returns the position of the first directory; 0 without one. */
  first(): number {
    return this.#offset(this.#big ? 8 : 4);
  }

  /** Passes the sizes of the data of a directory to `take`, and returns the position of the next one; 0 after the last. */
  readDirectory(at: number, take: (count: number) => void): number {
    const [countBytes, entryBytes] = this.#big ? [8, 20] : [2, 12];
    const entries = at + countBytes;
    if (entries > this.#view.byteLength) return 0;
    const end = entries + entryBytes * (this.#big ? this.#offset(at) : this.#integer(at, 2));
    if (end > this.#view.byteLength) return 0;
    take(end - at);
    for (let entry = entries; entry < end; entry += entryBytes) this.#readEntry(entry, take);
    return this.#offset(end);
  }

  #readEntry(at: number, take: (count: number) => void): void {
    const width = tiffTypeBytes[this.#integer(at + 2, 2)] ?? 0;
    const count = this.#offset(at + 4);
    const valueAt = at + (this.#big ? 12 : 8);
    const inPlace = width * count <= (this.#big ? 8 : 4);
    const from = inPlace ? valueAt : this.#offset(valueAt);
    const end = from + width * count;
    if (end > this.#view.byteLength) return; // libtiff does not read it either
    if (!inPlace) take(width * count);
    if (!sizeTags.includes(this.#integer(at, 2))) return;
    for (let value = from; value < end; value += width)
      take(Math.min(this.#integer(value, width), this.#view.byteLength));
  }

  /** Reads an offset or a count; 0 beyond the end of the file. */
  #offset(at: number): number {
    const width = this.#big ? 8 : 4;
    return at + width <= this.#view.byteLength ? this.#integer(at, width) : 0;
  }

  #integer(at: number, width: number): number {
    if (width === 8) return Number(this.#view.getBigUint64(at, this.#little));
    if (width === 4) return this.#view.getUint32(at, this.#little);
    return width === 2 ? this.#view.getUint16(at, this.#little) : this.#view.getUint8(at);
  }
}
