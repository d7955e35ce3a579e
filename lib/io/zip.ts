import { type Entry, fromRandomAccessReaderPromise, type ZipFile } from 'yauzl';
import { type Coded, coded } from '../errors.ts';
import { readAll } from './atomic.ts';
import { crcOf, crcOfFile } from './checksums.ts';
import type { OpenFile } from './thread-file.ts';
import { HandleReader } from './zip-reader.ts';

/** Maximum number of entries: PyTorch writes one per tensor. */
const maxEntries = 10_000;
/** Bytes before the name of an entry in its local header. */
const localHeaderBytes = 30;

/** A zip archive of stored (not compressed) entries, read by position: nothing is loaded until it is requested. */
export class StoredZip {
  readonly #handle: OpenFile;
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;
  /** The CRC-32 of each entry that was read in part. */
  readonly #sums = new Map<string, Promise<string>>();

  private constructor(handle: OpenFile, zip: ZipFile, entries: ReadonlyMap<string, Entry>) {
    this.#handle = handle;
    this.#zip = zip;
    this.#entries = entries;
  }

  /**
   * Reads and checks the central directory of an open file. The archive owns the file from then on.
   *
   * @throws ERR_HOROBALL_FORMAT if the directory is damaged, an entry is compressed or encrypted, or entries overlap
   */
  static async open(handle: OpenFile): Promise<StoredZip> {
    const { size } = await handle.stat();
    try {
      const zip = await fromRandomAccessReaderPromise(new HandleReader(handle, size), size, {
        autoClose: false,
      });
      if (zip.entryCount > maxEntries) throw damaged(`it has more than ${maxEntries} entries`);
      return new StoredZip(handle, zip, await readDirectory(zip, size));
    } catch (error) {
      throw asDamaged(error);
    }
  }

  /** Returns the names of the entries, in the archive's order. */
  names(): string[] {
    return [...this.#entries.keys()];
  }

  /** Returns the size of an entry in bytes; `undefined` if it does not exist. */
  size(name: string): number | undefined {
    return this.#entries.get(name)?.uncompressedSize;
  }

  /**
   * Fills `data` with the bytes of an entry, starting at byte `start`, and verifies the CRC-32 of the entry; 0 means that the
   * writer did not compute it. The first read of a part of an entry reads all of it.
   */
  async read(name: string, start: number, data: ArrayBufferView): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry === undefined || start + data.byteLength > entry.uncompressedSize)
      throw damaged(`'${name}' is shorter than ${start + data.byteLength} bytes`);
    const { fileDataStart } = await this.#locate(entry);
    await readFully(this.#handle, data, fileDataStart + start);
    if (entry.crc32 === 0) return;
    const size = entry.uncompressedSize;
    if (data.byteLength < size && !this.#sums.has(name))
      this.#sums.set(name, crcOfFile(this.#handle, fileDataStart, fileDataStart + size));
    const sum = await (data.byteLength === size ? crcOf(data) : this.#sums.get(name)!);
    if (Number.parseInt(sum, 16) !== entry.crc32) throw damaged(`the CRC-32 of '${name}' does not match`);
  }

  async close(): Promise<void> {
    this.#zip.close();
    await this.#handle.close();
  }

  async #locate(entry: Entry): Promise<{ fileDataStart: number }> {
    try {
      return await this.#zip.readLocalFileHeaderPromise(entry, { minimal: true });
    } catch (error) {
      throw asDamaged(error);
    }
  }
}

/** Fills `data`, starting at `position` in the file. */
async function readFully(handle: OpenFile, data: ArrayBufferView, position: number): Promise<void> {
  if ((await readAll(handle, data, position)) < data.byteLength) throw damaged('the file is truncated');
}

async function readDirectory(zip: ZipFile, fileBytes: number): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  for await (const entry of zip.eachEntry()) {
    if (entry.isEncrypted()) throw damaged(`'${shown(entry)}' is encrypted`);
    if (entry.compressionMethod !== 0) throw damaged(`'${shown(entry)}' is compressed`);
    if (entries.has(entry.fileName)) throw damaged(`'${shown(entry)}' occurs twice`);
    entries.set(entry.fileName, entry);
  }
  checkOverlap([...entries.values()], fileBytes);
  return entries;
}

function checkOverlap(entries: Entry[], fileBytes: number): void {
  entries.sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  entries.forEach((entry, i) => {
    const { relativeOffsetOfLocalHeader, fileNameLength, compressedSize } = entry;
    const end = relativeOffsetOfLocalHeader + localHeaderBytes + fileNameLength + compressedSize;
    const next = entries[i + 1]?.relativeOffsetOfLocalHeader ?? fileBytes;
    if (end > next) throw damaged(`'${shown(entry)}' overlaps the next entry or the end of the file`);
  });
}

function shown({ fileName }: Entry): string {
  return fileName.slice(0, 80);
}

function damaged(what: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `the zip archive is damaged or was not written by PyTorch: ${what}`);
}

/**
 * Returns file system errors and horoball's own errors unchanged; converts all others, such as those of yauzl, to
 * `ERR_HOROBALL_FORMAT`.
 */
function asDamaged(error: unknown): Error {
  if (!(error instanceof Error)) return damaged(String(error));
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== undefined || code?.startsWith('ERR_HOROBALL_')) return error;
  return Object.assign(damaged(error.message.slice(0, 200)), { cause: error });
}
