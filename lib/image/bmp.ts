/** Windows and OS/2 bitmaps as Pillow reads them: 1 to 32 bits per pixel, palettes, RLE, bit masks. */

import { eachRow } from './each-row.ts';
import { checkSize, unreadable } from './fault.ts';
import type { Pixels } from './resample.ts';

const fileHeader = 14;
const compressions = ['raw', 'rle8', 'rle4', 'masks'] as const;

interface Header {
  width: number;
  height: number;
  topDown: boolean;
  bits: number;
  compression: (typeof compressions)[number];
  /** Bit masks of red, green, blue and alpha in a pixel. */
  masks: readonly number[];
  /** Four bytes per entry, blue first, the fourth unused. */
  palette: Uint8Array;
  /** Offset of the pixels. */
  begin: number;
}

/** Decodes a BMP file. Throws `ERR_HOROBALL_PICTURE` if it is damaged, too large or not supported. */
export async function decodeBmp(bytes: Buffer, maxPixels: number): Promise<Pixels> {
  const header = readHeader(bytes, maxPixels);
  const { width, height, bits } = header;
  if (header.compression === 'rle8' || header.compression === 'rle4') {
    const indices = unpackRuns(bytes, header);
    return await byPalette(header, (y, x) => indices[y * width + x]!);
  }
  const pitch = Math.ceil((width * bits) / 32) * 4;
  const need = (height - 1) * pitch + Math.ceil((width * bits) / 8); // like Pillow, without padding after the last row
  if (bytes.length - header.begin < need)
    throw unreadable(`the file is truncated: ${need - (bytes.length - header.begin)} bytes are missing`);
  if (bits > 8) return await directColors(bytes, header, pitch);
  const [perByte, mask] = [8 / bits, (1 << bits) - 1];
  return await byPalette(header, (y, x) => {
    const byte = bytes[header.begin + y * pitch + Math.floor(x / perByte)]!;
    return (byte >> (8 - bits * (1 + (x % perByte)))) & mask;
  });
}

function readHeader(bytes: Buffer, maxPixels: number): Header {
  if (bytes.length < fileHeader + 12) throw unreadable('the file ends inside its header');
  const size = bytes.readUInt32LE(fileHeader);
  if (![12, 40, 52, 56, 64, 108, 124].includes(size))
    throw unreadable(`a BMP header of ${size} bytes is not supported`);
  if (bytes.length < fileHeader + size) throw unreadable('the file ends inside its header');
  const at = (offset: number): number => fileHeader + offset;
  const old = size === 12; // OS/2 1.x: 16-bit sizes, palette entries of 3 bytes
  const width = old ? bytes.readUInt16LE(at(4)) : bytes.readInt32LE(at(4));
  const signed = old ? bytes.readUInt16LE(at(6)) : bytes.readInt32LE(at(8));
  const bits = bytes.readUInt16LE(at(old ? 10 : 14));
  const code = old ? 0 : bytes.readUInt32LE(at(16));
  const compression = compressions[code];
  if (compression === undefined) throw unreadable(`BMP compression ${code} is not supported`);
  if (![1, 4, 8, 16, 24, 32].includes(bits))
    throw unreadable(`a BMP of ${bits} bits per pixel is not supported`);
  const wanted = { rle8: 8, rle4: 4 }[compression as string];
  if (wanted !== undefined && wanted !== bits)
    throw unreadable(`BMP compression ${code} does not fit ${bits} bits per pixel`);
  checkSize(width, Math.abs(signed), maxPixels);
  let end = at(size);
  const masks = compression === 'masks' ? readMasks(bytes, size) : [];
  if (compression === 'masks' && size === 40) end += 12;
  const palette =
    bits <= 8
      ? readPalette(bytes, end, old ? 3 : 4, old ? 0 : bytes.readUInt32LE(at(32)), bits)
      : new Uint8Array(0);
  const begin = bytes.readUInt32LE(10) || end;
  return { width, height: Math.abs(signed), topDown: signed < 0, bits, compression, masks, palette, begin };
}

function readMasks(bytes: Buffer, size: number): number[] {
  const begin = fileHeader + 40; // the masks follow a header of 40 bytes, or are inside a longer one
  const count = size >= 56 ? 4 : 3;
  if (bytes.length < begin + 4 * count) throw unreadable('the file ends inside its header');
  return Array.from({ length: count }, (_, i) => bytes.readUInt32LE(begin + 4 * i));
}

function readPalette(bytes: Buffer, begin: number, entry: number, named: number, bits: number): Uint8Array {
  const count = Math.min(named || 1 << bits, 256);
  const palette = new Uint8Array(4 * 256);
  for (let i = 0; i < count; i++)
    palette.set(bytes.subarray(begin + i * entry, begin + i * entry + 3), 4 * i);
  return palette;
}

/** Returns the position of an image row in the file, which may store rows bottom-up; y counts from the top. */
function fileRow({ height, topDown }: Header, y: number): number {
  return topDown ? y : height - 1 - y;
}

async function byPalette(header: Header, index: (row: number, x: number) => number): Promise<Pixels> {
  const { width, height, palette } = header;
  const data = new Uint8Array(3 * width * height);
  await eachRow(header, (y) => {
    const row = fileRow(header, y);
    let to = 3 * y * width;
    for (let x = 0; x < width; x++) {
      const from = 4 * index(row, x);
      data[to++] = palette[from + 2]!;
      data[to++] = palette[from + 1]!;
      data[to++] = palette[from]!;
    }
  });
  return { data, width, height, layout: 'rgb' };
}

/** Returns the offset of a mask's byte in a pixel. As in Pillow, a mask must be a whole byte. */
function byteOf(mask: number): number {
  const index = [0xff, 0xff00, 0xff0000, 0xff000000].indexOf(mask);
  if (index < 0) throw unreadable(`the BMP bit mask ${mask.toString(16)} is not supported`);
  return index;
}

async function directColors(bytes: Buffer, header: Header, pitch: number): Promise<Pixels> {
  if (header.bits === 16) return await fiveBits(bytes, header, pitch);
  const { width, height, bits } = header;
  const offsets = offsetsOf(header);
  const [step, channels] = [bits / 8, offsets.length];
  const data = new Uint8Array(channels * width * height);
  await eachRow(header, (y) => {
    let from = header.begin + fileRow(header, y) * pitch;
    let to = channels * y * width;
    for (let x = 0; x < width; x++, from += step)
      for (const offset of offsets) data[to++] = bytes[from + offset]!;
  });
  return { data, width, height, layout: channels === 4 ? 'rgba' : 'rgb' };
}

/** Returns the byte offsets of red, green, blue and, if any, alpha in a pixel. Without masks, there is no alpha. */
function offsetsOf({ bits, masks }: Header): number[] {
  if (masks.length === 0) return [2, 1, 0];
  if (bits === 32 && masks.every((mask) => mask === 0)) return masks.length === 4 ? [2, 1, 0, 3] : [2, 1, 0];
  const offsets = masks.filter((mask, i) => i < 3 || mask !== 0).map(byteOf);
  if (bits === 24 && offsets.join() !== '2,1,0') throw unreadable('the BMP bit masks are not supported');
  return offsets;
}

async function fiveBits(bytes: Buffer, header: Header, pitch: number): Promise<Pixels> {
  const { width, height, masks } = header;
  const [red = 0x7c00, green = 0x3e0, blue = 0x1f] = masks;
  const six = red === 0xf800 && green === 0x7e0 && blue === 0x1f;
  if (!six && !(red === 0x7c00 && green === 0x3e0 && blue === 0x1f))
    throw unreadable('the BMP bit masks are not supported');
  const data = new Uint8Array(3 * width * height);
  await eachRow(header, (y) => {
    const row = header.begin + fileRow(header, y) * pitch;
    for (let x = 0; x < width; x++) {
      const value = bytes.readUInt16LE(row + 2 * x);
      const to = 3 * (y * width + x);
      data[to] = (((value >> (six ? 11 : 10)) & 31) * 255) / 31;
      data[to + 1] = six ? (((value >> 5) & 63) * 255) / 63 : (((value >> 5) & 31) * 255) / 31;
      data[to + 2] = ((value & 31) * 255) / 31;
    }
  });
  return { data, width, height, layout: 'rgb' };
}

/**
 * Expands RLE8 or RLE4 to one byte per pixel, in the order of the file. As in Pillow, an encoded run stops at the end of
 * its row.
 */
function unpackRuns(bytes: Buffer, { width, height, compression, begin }: Header): Uint8Array {
  const nibbles = compression === 'rle4';
  const total = width * height;
  if (bytes.length - begin < 2) throw unreadable('the file is truncated');
  const out = new Uint8Array(total);
  let [at, to, x] = [begin, 0, 0];
  while (to < total && at + 1 < bytes.length) {
    const [count, value] = [bytes[at]!, bytes[at + 1]!];
    at += 2;
    if (count > 0) {
      const kept = Math.max(0, Math.min(count, width - x));
      for (let i = 0; i < kept && to < total; i++)
        out[to++] = nibbles ? (i % 2 === 0 ? value >> 4 : value & 15) : value;
      x += kept;
    } else if (value === 0) {
      to = Math.ceil(to / width) * width;
      x = 0;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      if (at + 1 >= bytes.length) break;
      to += bytes[at]! + bytes[at + 1]! * width;
      at += 2;
      x = to % width;
    } else {
      const length = nibbles ? Math.ceil(value / 2) : value;
      if (at + length > bytes.length) break;
      for (let i = 0; i < value && to < total; i++)
        out[to++] = nibbles
          ? i % 2 === 0
            ? bytes[at + (i >> 1)]! >> 4
            : bytes[at + (i >> 1)]! & 15
          : bytes[at + i]!;
      x += value;
      at += length;
      if (at % 2 !== 0) at++;
    }
  }
  if (to < total) throw unreadable('the file is truncated: its runs end before the last pixel');
  return out;
}
