import { crc32 } from 'node:zlib';

/**
 * The checksum of JSON objects that only horoball writes, stored under their last key. It covers the content but not
 * the white space, so an editor or Git may change line endings. Objects of earlier versions have no checksum.
 * `config.json` has no checksum: it is an options file that users copy and edit, and a resumed run compares it with the
 * checkpoint.
 */
const key = 'crc32';

/** Advice for a wrong checksum. */
export const jsonChecksumAdvice: string = `its checksum is wrong. Restore the file from a backup. If you edited it yourself, delete its key "${key}".`;

/** Returns the object as JSON with its checksum, on one line. */
export function jsonWithChecksum(value: object): string {
  const text = JSON.stringify(value);
  const separator = text === '{}' ? '' : ',';
  return `${text.slice(0, -1)}${separator}"${key}":"${sumOf(text)}"}`;
}

/** Returns the object as JSON with its checksum and line breaks, and a line break at the end. */
export function readableJson(value: object): string {
  return `${JSON.stringify(JSON.parse(jsonWithChecksum(value)), null, 1)}\n`;
}

/** Returns the parsed JSON without its checksum; null if the checksum is wrong. */
export function withoutChecksum(value: unknown): { value: unknown } | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, key))
    return { value };
  const { [key]: sum, ...content } = value as Record<string, unknown>;
  return sum === sumOf(JSON.stringify(content)) ? { value: content } : null;
}

function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
