import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';

import { type Entry, openPromise, type ZipFile } from 'yauzl';

import { coded } from '../errors.ts';
import { ensureFolder } from '../io/folder.ts';

type OnProgress = (done: number, total: number) => void;

/**
 * Unpacks lib/ and include/ of a libtorch archive or a torch wheel into `to`, which appears whole or not at
 * all; what was there before goes only then. Every file's CRC-32 is checked, and in a wheel its SHA-256 from
 * RECORD.
 * @param accept looks at the unpacked folder and throws when it will not do
 * @param onProgress bytes written so far, of all
 * @throws Error `ERR_HOROBALL_ARCHIVE` when the file is damaged or holds no libtorch.
 */
export async function unpackLibTorch(
  file: string,
  to: string,
  accept: (folder: string) => Promise<unknown>,
  onProgress: OnProgress,
): Promise<void> {
  const partial = join(dirname(to), `.${basename(to)}.${process.pid}.partial`);
  await ensureFolder(partial);
  try {
    await unpackInto(file, partial, onProgress);
    await accept(partial);
    await rm(to, { recursive: true, force: true });
    await rename(partial, to);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function unpackInto(file: string, to: string, onProgress: OnProgress): Promise<void> {
  const zip = await openArchive(file);
  try {
    const entries: Entry[] = [];
    for await (const entry of zip.eachEntry()) entries.push(entry);
    const wanted = entries.filter((entry) => wantedPath(entry.fileName) !== undefined);
    if (!wanted.some((entry) => /\/lib\/libtorch_cpu\./.test(entry.fileName))) {
      throw damaged(file, 'it holds no libtorch');
    }
    const hashes = await recordedHashes(zip, entries);
    const total = wanted.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
    let done = 0;
    for (const entry of wanted) {
      const target = join(to, wantedPath(entry.fileName)!);
      const sums = await writeEntry(zip, entry, target, (bytes) => {
        done += bytes;
        onProgress(done, total);
      });
      if (sums.crc32 !== entry.crc32) throw damaged(file, `the CRC-32 of ${entry.fileName} is wrong`);
      const hash = hashes.get(entry.fileName);
      if (hash !== undefined && hash !== sums.sha256) {
        throw damaged(file, `the SHA-256 of ${entry.fileName} is wrong`);
      }
    }
  } finally {
    zip.close();
  }
}

async function openArchive(file: string): Promise<ZipFile> {
  try {
    return await openPromise(file, { autoClose: false, lazyEntries: true });
  } catch (error) {
    throw damaged(file, error instanceof Error ? error.message : String(error));
  }
}

/** `torch/lib/x` of a wheel or `libtorch/lib/x` of an archive as `lib/x`; yauzl refuses paths that climb out. */
function wantedPath(name: string): string | undefined {
  const inside = /^(?:torch|libtorch)\/((?:lib|include)\/.*[^/])$/.exec(name)?.[1];
  return inside === undefined ? undefined : normalize(inside);
}

/** A wheel's RECORD: name, sha256=BASE64URL, size. An archive has none. */
async function recordedHashes(zip: ZipFile, entries: readonly Entry[]): Promise<Map<string, string>> {
  const record = entries.find((entry) => /^[^/]+\.dist-info\/RECORD$/.test(entry.fileName));
  if (record === undefined) return new Map();
  const lines = (await text(await zip.openReadStreamPromise(record))).split('\n');
  const parsed = lines.map((line) => /^"?(.*?)"?,sha256=([\w-]+),\d+\r?$/.exec(line));
  return new Map(parsed.flatMap((match) => (match ? [[match[1]!, match[2]!] as const] : [])));
}

async function writeEntry(
  zip: ZipFile,
  entry: Entry,
  target: string,
  onBytes: (bytes: number) => void,
): Promise<{ crc32: number; sha256: string }> {
  await ensureFolder(dirname(target));
  const hash = createHash('sha256');
  let crc = 0;
  const measure = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      hash.update(chunk);
      crc = crc32(chunk, crc);
      onBytes(chunk.length);
      yield chunk;
    }
  };
  await pipeline(await zip.openReadStreamPromise(entry), measure, createWriteStream(target));
  return { crc32: crc, sha256: hash.digest('base64url') };
}

function damaged(file: string, what: string): Error {
  return coded('ERR_HOROBALL_ARCHIVE', `${file} cannot be used: ${what}`);
}
