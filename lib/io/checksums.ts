import { nextTurn } from '../call/next-turn.ts';
import { readAll } from './atomic.ts';
import { bytesIn } from './bytes.ts';
import type { OpenFile } from './thread-file.ts';

/**
 * Keys of the checksums in the metadata of a safetensors file. The first contains the CRC-32 of every tensor, eight
 * hexadecimal digits per tensor, in the order of the file. The second contains the CRC-32 of the header, computed with
 * zeros in place of its own digits. A file with only one of the two keys is rejected, so a flipped bit cannot disable
 * the check. A file with neither is read without a check.
 */
const tensorsKey = 'horoball.crc32';
const headerKey = 'horoball.header_crc32';
/** The metadata keys of the checksums. */
export const checksumKeys: readonly string[] = [tensorsKey, headerKey];
const zeros = '00000000';

/** Bytes between two turns of the event loop: a fraction of a millisecond. */
const slice = 1 << 19;

/** Returns node:zlib, loaded on first use: a static import takes a few milliseconds. */
const zlib = (): typeof import('node:zlib') => process.getBuiltinModule('node:zlib');

/**
 * Returns the CRC-32 of an array's bytes, as eight hexadecimal digits.
 *
 * @param check - called after each turn of the event loop, in which the caller may have transferred the array
 * @param before - bytes that precede those of the array
 */
export async function crcOf(
  data: ArrayBufferView,
  check: () => void = () => {},
  before: Uint8Array = new Uint8Array(0),
): Promise<string> {
  const { crc32 } = zlib();
  let crc = crc32(before);
  for (let at = 0; at < data.byteLength; at += slice) {
    if (at > 0) {
      await nextTurn();
      check();
    }
    crc = crc32(bytesIn(data, at, at + slice), crc);
  }
  return digits(crc);
}

/** Bytes of a file that are read at a time. */
const part = 1 << 22;

/** Returns the CRC-32 of the bytes of a file from `begin` to `end`, as eight hexadecimal digits. */
export async function crcOfFile(file: OpenFile, begin: number, end: number): Promise<string> {
  const { crc32 } = zlib();
  const buffer = Buffer.allocUnsafe(Math.min(part, end - begin));
  let crc = 0;
  for (let at = begin; at < end; at += part) {
    const wanted = buffer.subarray(0, Math.min(part, end - at));
    crc = crc32(wanted.subarray(0, await readAll(file, wanted, at)), crc);
  }
  return digits(crc);
}

/**
 * Returns metadata with the checksums of the tensors, which are in the order of the file, and zeros in place of the checksum of
 * the header.
 */
export function checksumMetadata(sums: readonly string[]): Record<string, string> {
  return { [tensorsKey]: sums.join(''), [headerKey]: zeros };
}

/** Replaces the zeros in the text of the header with its checksum. */
export function withHeaderChecksum(text: string): string {
  return text.replace(headerEntry(zeros), headerEntry(digits(zlib().crc32(text))));
}

/** The metadata without the checksums, and the checksums of the tensors: null for a file without them. */
export interface Checked {
  readonly metadata: Record<string, string>;
  readonly sums: readonly string[] | null;
}

/**
 * Verifies the checksum of a header, and separates the checksums from the other metadata.
 *
 * @param bytes - the header; not as text, which could take several times as much memory
 * @param count - number of tensors
 * @returns null if a checksum is missing or malformed, or if the header was modified
 */
export function checkHeader(
  bytes: Buffer,
  all: Readonly<Record<string, string>>,
  count: number,
): Checked | null {
  const { [tensorsKey]: tensors, [headerKey]: header } = all;
  if (tensors === undefined && header === undefined) return { metadata: all, sums: null };
  if (tensors?.length !== 8 * count || header === undefined) return null;
  const sums = tensors.match(/[\da-f]{8}/g) ?? [];
  if (sums.length !== count || !/^[\da-f]{8}$/.test(header)) return null;
  const { [tensorsKey]: _, [headerKey]: __, ...metadata } = all;
  const entry = headerEntry(header);
  const at = bytes.indexOf(entry);
  if (at < 0) return null; // another program formatted the header
  const { crc32 } = zlib();
  const start = crc32(headerEntry(zeros), crc32(bytes.subarray(0, at)));
  return digits(crc32(bytes.subarray(at + entry.length), start)) === header ? { metadata, sums } : null;
}

/** Advice for a wrong checksum: the file is damaged, or another program changed it and kept this metadata. */
export const checksumAdvice: string = `Restore the file from a backup, or download it again. If a program other than horoball changed the file, remove ${tensorsKey} and ${headerKey} from its metadata.`;

function headerEntry(sum: string): string {
  return `"${headerKey}":"${sum}"`;
}

function digits(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
