/** PBM, PGM and PPM (P1 to P6, https://netpbm.sourceforge.net/doc/) as Pillow's `convert('RGB')` reads them. */

import { eachRow } from './each-row.ts';
import { checkSize, unreadable } from './fault.ts';
import type { Pixels } from './resample.ts';
import { roundHalfEven } from './transforms.ts';

const space = (byte: number | undefined): boolean =>
  byte === 32 || (byte !== undefined && byte >= 9 && byte <= 13);
const hash = 35;

/** Reads ASCII numbers separated by white space and comments. */
class Tokens {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  #skip(): void {
    const bytes = this.#bytes;
    for (; this.at < bytes.length; this.at++) {
      if (bytes[this.at] === hash) {
        while (this.at < bytes.length && bytes[this.at] !== 10 && bytes[this.at] !== 13) this.at++;
      } else if (!space(bytes[this.at])) return;
    }
  }

  number(): number {
    this.#skip();
    let value = 0;
    const begin = this.at;
    for (; this.at < this.#bytes.length; this.at++) {
      const digit = this.#bytes[this.at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      value = 10 * value + digit;
    }
    const ended =
      this.at === this.#bytes.length || space(this.#bytes[this.at]) || this.#bytes[this.at] === hash;
    if (this.at === begin || this.at - begin > 10 || !ended) throw damaged('expected a number', begin);
    return value;
  }

  /** Reads a pixel of a plain PBM, where white space between pixels is optional. */
  bit(): number {
    this.#skip();
    const bit = this.#bytes[this.at]! - 48;
    if (bit !== 0 && bit !== 1) throw damaged('expected 0 or 1', this.at);
    this.at++;
    return bit;
  }
}

interface Header {
  /** 1 PBM, 2 PGM, 3 PPM. */
  kind: number;
  plain: boolean;
  width: number;
  height: number;
  maxval: number;
}

/** Decodes a PBM, PGM or PPM file. Throws `ERR_HOROBALL_PICTURE` if it is damaged or too large. */
export async function decodePnm(bytes: Buffer, maxPixels: number): Promise<Pixels> {
  const digit = bytes[1]! - 48;
  const tokens = new Tokens(bytes, 3);
  const kind = digit > 3 ? digit - 3 : digit;
  const [width, height] = [tokens.number(), tokens.number()];
  const maxval = kind === 1 ? 1 : tokens.number();
  if (!(maxval > 0 && maxval < 65_536))
    throw unreadable(`expected a maximum value from 1 to 65535, got ${maxval}`);
  checkSize(width, height, maxPixels);
  const header = { kind, plain: digit <= 3, width, height, maxval };
  const need = header.plain ? bytesOfPlain(header) : binaryRow(header) * height;
  const begin = header.plain ? tokens.at : tokens.at + 1; // one white-space byte ends a binary header
  if (bytes.length - begin < need)
    throw unreadable(`the file is truncated: ${need - (bytes.length - begin)} bytes are missing`);
  const channels = kind === 3 ? 3 : 1;
  const data = new Uint8Array(width * height * channels);
  const row = header.plain ? plainRows(tokens, header, data) : binaryRows(bytes, begin, header, data);
  await eachRow(header, row);
  return { data, width, height, layout: kind === 3 ? 'rgb' : 'gray' };
}

/** Returns the minimum size of plain-text pixels in bytes, so that a short file cannot cause a large allocation. */
function bytesOfPlain({ kind, width, height }: Header): number {
  const values = width * height * (kind === 3 ? 3 : 1);
  return kind === 1 ? values : 2 * values - 1;
}

function binaryRow({ kind, width, maxval }: Header): number {
  if (kind === 1) return Math.ceil(width / 8);
  return width * (kind === 3 ? 3 : 1) * (maxval > 255 ? 2 : 1);
}

/**
 * Returns a table of the output level of each value. As in Pillow, grays of more than 8 bits are clipped (mode I), and
 * colors are scaled.
 */
function levels({ kind, maxval }: Header): Uint8Array {
  const top = kind === 2 && maxval > 255 ? 65_535 : 255;
  return Uint8Array.from({ length: 65_536 }, (_, value) =>
    Math.min(255, roundHalfEven((value / maxval) * top)),
  );
}

function plainRows(tokens: Tokens, header: Header, data: Uint8Array): (y: number) => void {
  const length = header.width * (header.kind === 3 ? 3 : 1);
  if (header.kind === 1) {
    return (y) => {
      for (let i = y * length; i < (y + 1) * length; i++) data[i] = tokens.bit() === 1 ? 0 : 255;
    };
  }
  const level = levels(header);
  return (y) => {
    for (let i = y * length; i < (y + 1) * length; i++) {
      const value = tokens.number();
      if (value > header.maxval)
        throw damaged(`expected a value up to ${header.maxval}, got ${value}`, tokens.at);
      data[i] = level[value]!;
    }
  };
}

function binaryRows(bytes: Buffer, begin: number, header: Header, data: Uint8Array): (y: number) => void {
  const { kind, width, maxval } = header;
  const pitch = binaryRow(header);
  if (kind === 1) {
    return (y) => {
      const from = begin + y * pitch;
      for (let x = 0; x < width; x++)
        data[y * width + x] = (bytes[from + (x >> 3)]! >> (7 - (x & 7))) & 1 ? 0 : 255;
    };
  }
  if (maxval === 255)
    return (y) => data.set(bytes.subarray(begin + y * pitch, begin + (y + 1) * pitch), y * pitch);
  const level = levels(header);
  const length = width * (kind === 3 ? 3 : 1);
  return (y) => {
    const from = begin + y * pitch;
    for (let i = 0; i < length; i++) {
      const value = maxval > 255 ? bytes.readUInt16BE(from + 2 * i) : bytes[from + i]!;
      data[y * length + i] = level[value]!;
    }
  };
}

function damaged(what: string, at: number): Error {
  return unreadable(`the file is damaged: ${what} at byte ${at}`);
}
