/** Checks of TIFF files that the decoder does not make. */
import { unreadable } from './fault.ts';

/** Bytes of a value by its type in a TIFF file; the types are numbered from 1. */
const tiffTypeBytes: readonly number[] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8];
/** The tags StripByteCounts and TileByteCounts. */
const sizeTags: readonly number[] = [279, 325];

/**
 * Throws for a TIFF file whose directories, one per page, refer to the same data so often that reading the data would take
 * long. libtiff copies the values of all pages, and for each strip its data.
 */
export function checkDirectories(bytes: Buffer): void {
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

/** The tags and values that state YCbCr colors, and JPEG compression. */
const [photometricTag, ycbcr] = [262, 6];
const [compressionTag, jpegCompressions] = [259, [6, 7] as readonly number[]];

/** Throws for YCbCr colors whose compression is not JPEG: the decoder would return them as if they were RGB. */
export function checkColors(bytes: Buffer): void {
  const tiff = new TiffReader(bytes);
  const isYcbcr = tiff.tag(photometricTag) === ycbcr;
  if (isYcbcr && !jpegCompressions.includes(tiff.tag(compressionTag) ?? 1))
    throw unreadable('YCbCr colors without JPEG compression are not supported');
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

  /** Returns the first value of a tag of the first directory, if it is an integer of up to 32 bits; undefined without one. */
  tag(wanted: number): number | undefined {
    const { begin, end, step } = this.#entriesOf(this.first());
    for (let at = begin; at < end; at += step) {
      if (this.#integer(at, 2) !== wanted) continue;
      const width = tiffTypeBytes[this.#integer(at + 2, 2)] ?? 0;
      return width > 0 && width <= 4 ? this.#integer(at + (this.#big ? 12 : 8), width) : undefined;
    }
    return undefined;
  }

  /** Passes the sizes of the data of a directory to `take`, and returns the position of the next one; 0 after the last. */
  readDirectory(at: number, take: (count: number) => void): number {
    const { begin, end, step } = this.#entriesOf(at);
    if (begin === 0) return 0;
    take(end - at);
    for (let entry = begin; entry < end; entry += step) this.#readEntry(entry, take);
    return this.#offset(end);
  }

  /** Returns the positions of the first entry of a directory and of its end; both are 0 if the file is truncated. */
  #entriesOf(at: number): { begin: number; end: number; step: number } {
    const [countBytes, step] = this.#big ? [8, 20] : [2, 12];
    const begin = at + countBytes;
    const count =
      begin > this.#view.byteLength ? Number.NaN : this.#big ? this.#offset(at) : this.#integer(at, 2);
    const end = begin + step * count;
    return end <= this.#view.byteLength ? { begin, end, step } : { begin: 0, end: 0, step };
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
