import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';

import { type Entry, fromRandomAccessReaderPromise, type ZipFile } from 'yauzl';

import { coded } from '../errors.ts';
import { naming } from '../io/file-errors.ts';
import { ensureFolder } from '../io/folder.ts';
import { openRegular } from '../io/regular.ts';
import { HandleReader } from '../io/zip-reader.ts';

type OnProgress = (done: number, total: number) => void;

/**
 * Unpacks lib/ and include/ of a libtorch archive or a torch wheel into `to`, atomically: a previous folder is replaced
 * only once the new one is complete and accepted. First removes leftovers of killed calls. Checks the CRC-32 of every
 * file and, in a wheel, its SHA-256 from RECORD, which must list it. Calls must not overlap; `setup` holds a lock.
 *
 * @param accept - checks the unpacked folder and throws if it is not suitable
 * @param onProgress - receives the bytes written so far and the total
 * @throws Error `ERR_HOROBALL_ARCHIVE` if the file is damaged or contains no libtorch
 */
export async function unpackLibTorch(
  file: string,
  to: string,
  accept: (folder: string) => Promise<unknown>,
  onProgress: OnProgress,
): Promise<void> {
  await recoverFolder(to);
  const [partial, old] = ['partial', 'old'].map((what) => siblingPath(to, what)) as [string, string];
  await ensureFolder(partial);
  try {
    await unpackInto(file, partial, onProgress);
    await accept(partial);
    // Renamed, not removed in place: if the process were killed while removing it, an incomplete libtorch would remain.
    await rename(to, old).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    try {
      await rename(partial, to);
    } catch (error) {
      await recoverFolder(to);
      throw error;
    }
    await rm(old, { recursive: true, force: true });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

function siblingPath(to: string, what: string): string {
  return join(dirname(to), `.${basename(to)}.${randomUUID()}.${what}`);
}

/**
 * Restores a libtorch that a killed call had renamed but not yet replaced, and removes the other leftovers of killed
 * calls: each may be as large as libtorch. No other call may be unpacking; `setup` holds a lock.
 */
export async function recoverFolder(to: string): Promise<void> {
  const left = (await leftovers(to)).filter((name) => name.endsWith('.old'));
  for (const name of left) {
    const isThere = await stat(to).then(
      () => true,
      () => false,
    );
    if (!isThere) await rename(join(dirname(to), name), to);
  }
  for (const name of await leftovers(to)) await rm(join(dirname(to), name), { recursive: true, force: true });
}

/** Returns the names of the temporary folders of killed calls. */
async function leftovers(to: string): Promise<string[]> {
  const names = await readdir(dirname(to)).catch(() => []);
  return names.filter((name) => name.startsWith(`.${basename(to)}.`) && /\.(partial|old)$/.test(name));
}

/**
 * Verifies the SHA-256 of a file.
 *
 * @param expected - in hexadecimal
 * @throws Error `ERR_HOROBALL_ARCHIVE` if the file has another hash
 */
export async function checkSha256(file: string, expected: string): Promise<void> {
  await (await openRegular(file, 'setup')).close(); // rejects a pipe, which might never end
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const found = hash.digest('hex');
  if (found !== expected.toLowerCase())
    throw damaged(file, `expected SHA-256 ${expected.toLowerCase()}, got ${found}. Download it again.`);
}

async function unpackInto(file: string, to: string, onProgress: OnProgress): Promise<void> {
  const handle = await openRegular(file, 'setup');
  try {
    const { size } = await handle.stat();
    const reader = new HandleReader(handle, size);
    try {
      await naming(file, unpackFrom(file, { reader, size }, to, onProgress));
    } finally {
      await reader.stop();
    }
  } finally {
    await handle.close();
  }
}

interface Source {
  reader: HandleReader;
  size: number;
}

async function unpackFrom(file: string, source: Source, to: string, onProgress: OnProgress): Promise<void> {
  const zip = await openArchive(file, source);
  try {
    const entries = await entriesOf(file, zip);
    const wanted = entries.filter((entry) => wantedPath(entry.fileName) !== undefined);
    if (!wanted.some((entry) => /\/lib\/libtorch_cpu\./.test(entry.fileName))) {
      throw damaged(file, 'it contains no libtorch');
    }
    const hashes = await recordedHashes(file, zip, entries, new Set(wanted.map(({ fileName }) => fileName)));
    const total = wanted.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
    if (total > maxInflation * source.size)
      throw damaged(
        file,
        `it unpacks to ${total} bytes, more than ${maxInflation} times its size of ${source.size}`,
      );
    let done = 0;
    for (const entry of wanted) {
      const target = join(to, wantedPath(entry.fileName)!);
      const sums = await writeEntry(zip, entry, target, (bytes) => {
        done += bytes;
        onProgress(done, total);
      });
      if (sums.crc32 !== entry.crc32) throw damaged(file, `the CRC-32 of ${entry.fileName} is wrong`);
      const hash = hashes.get(entry.fileName);
      if (hash === undefined && entry.fileName.startsWith('torch/'))
        throw damaged(file, `the wheel's RECORD has no SHA-256 for ${entry.fileName}`);
      if (hash !== undefined && hash !== sums.sha256) {
        throw damaged(file, `the SHA-256 of ${entry.fileName} is wrong`);
      }
    }
  } finally {
    zip.close();
  }
}

async function openArchive(file: string, { reader, size }: Source): Promise<ZipFile> {
  try {
    return await fromRandomAccessReaderPromise(reader, size, { autoClose: false });
  } catch (error) {
    throw asDamaged(file, error);
  }
}

async function entriesOf(file: string, zip: ZipFile): Promise<Entry[]> {
  const entries: Entry[] = [];
  try {
    for await (const entry of zip.eachEntry()) entries.push(entry);
  } catch (error) {
    throw asDamaged(file, error);
  }
  return entries;
}

/**
 * Maps `torch/lib/x` of a wheel or `libtorch/lib/x` of an archive to `lib/x`; yauzl rejects paths that lead
 * outside. Names with control characters or with the separators of Windows paths are skipped.
 */
function wantedPath(name: string): string | undefined {
  const inside = /^(?:torch|libtorch)\/((?:lib|include)\/[^\p{Cc}\\:]*[^\p{Cc}\\:/])$/u.exec(name)?.[1];
  return inside === undefined ? undefined : normalize(inside);
}

/** Maximum size of the unpacked files relative to the archive; libtorch is compressed to a third. */
const maxInflation = 64;
/** Maximum size of the RECORD of a wheel in bytes; the RECORD of torch has 2 MB. */
const maxRecord = 2 ** 23;

/**
 * Reads the hashes of wanted files from the RECORD of a wheel: name, sha256=BASE64URL, size. A .zip archive has no RECORD.
 * Keeps no list of lines, because millions of short ones would take hundreds of megabytes.
 */
async function recordedHashes(
  file: string,
  zip: ZipFile,
  entries: readonly Entry[],
  wanted: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const record = entries.find((entry) => /^[^/]+\.dist-info\/RECORD$/.test(entry.fileName));
  if (record === undefined) return new Map();
  if (record.uncompressedSize > maxRecord)
    throw damaged(file, `its RECORD has ${record.uncompressedSize} bytes (the limit is ${maxRecord})`);
  const lines = await zip
    .openReadStreamPromise(record)
    .then(text)
    .catch((error: unknown) => {
      throw asDamaged(file, error);
    });
  const hashes = new Map<string, string>();
  for (const [, name, hash] of lines.matchAll(/^"?(.*?)"?,sha256=([\w-]+),\d+\r?$/gm))
    if (wanted.has(name!)) hashes.set(name!, hash!);
  return hashes;
}

async function writeEntry(
  zip: ZipFile,
  entry: Entry,
  target: string,
  onBytes: (bytes: number) => void,
): Promise<{ crc32: number; sha256: string }> {
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
  try {
    await ensureFolder(dirname(target));
    await pipeline(await zip.openReadStreamPromise(entry), measure, createWriteStream(target));
  } catch (error) {
    throw asDamaged(entry.fileName, error);
  }
  return { crc32: crc, sha256: hash.digest('base64url') };
}

/** Codes of system errors caused by names of entries, such as a file and a folder with the same name. */
const nameErrors = new Set(['EEXIST', 'EISDIR', 'ENAMETOOLONG', 'ENOTDIR']);

/** Converts errors of the archive to `ERR_HOROBALL_ARCHIVE`; returns other system errors, such as a full disk, unchanged. */
function asDamaged(file: string, error: unknown): unknown {
  const { syscall, code = '' } = error as NodeJS.ErrnoException;
  if (nameErrors.has(code)) return damaged(file, 'the archive contains invalid entry names');
  if (syscall !== undefined) return error;
  return damaged(file, error instanceof Error ? error.message : String(error));
}

function damaged(file: string, what: string): Error {
  return coded('ERR_HOROBALL_ARCHIVE', `${file} cannot be used: ${what}`);
}
