import { isUtf8 } from 'node:buffer';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { coded } from '../errors.ts';
import { type FileToWrite, readAll, writeAll, writeAtomically, writeTogether } from './atomic.ts';
import { naming } from './file-errors.ts';
import { reading } from './regular.ts';

/** Maximum number of bytes of a text file, close to the maximum length of a string in V8. */
export const mostText: number = 2 ** 29 - 2 ** 20;

/**
 * Reads a text file written by any editor: UTF-8, or UTF-16 with a byte-order mark, as PowerShell's `>` writes
 * it. The mark is removed, because JSON and column names must not start with it.
 *
 * @param maxBytes - longer files are refused
 * @throws `ERR_HOROBALL_FORMAT` for a file that is too long or in another encoding, a pipe or a device, which may never
 * end; file system errors
 */
export async function readText(path: string, maxBytes: number = mostText): Promise<string> {
  const bytes = await reading(path, 'readText', async (file) => {
    const { size } = await file.stat();
    if (size > maxBytes)
      throw coded(
        'ERR_HOROBALL_FORMAT',
        `[readText] ${path}: expected at most ${maxBytes} bytes, got ${size}`,
      );
    const buffer = Buffer.allocUnsafeSlow(size);
    return buffer.subarray(0, await readAll(file, buffer, 0));
  });
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return bytes.toString('utf16le', 2);
  if (first === 0xfe && second === 0xff) {
    return bytes
      .subarray(0, bytes.length - (bytes.length % 2))
      .swap16()
      .toString('utf16le', 2);
  }
  // Rejected, because names that differ only in invalid bytes would become equal.
  if (!isUtf8(bytes))
    throw coded('ERR_HOROBALL_FORMAT', `[readText] ${path}: expected UTF-8 or UTF-16. Save it as UTF-8.`);
  return bytes.toString('utf8').replace(/^\ufeff/, '');
}

/** Writes a text file atomically. */
export async function writeText(path: string, text: string): Promise<void> {
  await writeTogether([textFile(path, text)]);
}

/** Returns the file that {@link writeText} writes, to be written with others. */
export function textFile(path: string, text: string): FileToWrite {
  return { path, write: (file) => writeAll(file, Buffer.from(text)) };
}

/** Number of lines that are written at a time. */
const linesAtATime = 1000;

/** Writes lines to a file atomically, or to a pipe or device as they are produced. */
export async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  const isFile = await stat(path).then(
    (entry) => entry.isFile(),
    () => true, // to be created
  );
  if (!isFile) return await naming(path, pipeline(partsOf(lines), createWriteStream(path)));
  await writeAtomically(path, async (file) => {
    for (const part of partsOf(lines)) await writeAll(file, Buffer.from(part));
  });
}

function* partsOf(lines: Iterable<string>): Generator<string> {
  let part: string[] = [];
  for (const line of lines) {
    part.push(`${line}\n`);
    if (part.length < linesAtATime) continue;
    yield part.join('');
    part = [];
  }
  if (part.length > 0) yield part.join('');
}
