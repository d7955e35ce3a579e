/** A cache of decoded images, in memory or as files, so that later epochs do not decode them again. */
import { createHash, randomUUID } from 'node:crypto';
import { constants, fstatSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { freemem } from 'node:os';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { coded } from '../../errors.ts';
import { layouts, type Pixels } from '../../image/resample.ts';
import { removeIfAbandoned } from '../../io/atomic.ts';
import { reasonOf } from '../../io/file-errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { holesOf } from '../../io/regular.ts';
import { decoderVersion, loadSharp } from '../../io/sharp.ts';
import { readStart, withDescriptor, writeWhole } from '../../io/thread-file.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** A cache of decoded images. Crops are always computed from decoded images, so results do not depend on the cache. */
export interface ImageCache {
  /**
   * Returns the image of a file. If it is not cached, decodes it and, if possible, stores it: the pixels are copied or
   * written before the promise resolves.
   */
  read(file: string, decode: () => Promise<Pixels>): Promise<Pixels>;
}

/**
 * Opens a cache.
 * @param where - `'memory'`, or the path of a folder (created if missing)
 * @param maxBytes - limit of a cache in memory, by default half of the free memory; images beyond it are decoded every time
 * @throws `ERR_HOROBALL_CACHE` if the folder cannot be created; `read` throws it if an image cannot be written there
 */
export async function openCache(where: string, maxBytes: number = freemem() / 2): Promise<ImageCache> {
  if (where === 'memory') return new MemoryCache(maxBytes);
  await ensureFolder(where).catch((cause: unknown) => {
    throw unwritable(where, cause);
  });
  await sweep(where);
  await loadSharp().catch(() => null); // its version is part of the keys; decoding reports a missing decoder
  return new FolderCache(where);
}

const temporaryName = /^[\da-f]{40}\.pixels\.[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Removes the temporary files of killed processes. Other processes may be using the folder, so recent files are kept. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (temporaryName.test(name)) await removeIfAbandoned(path.join(folder, name));
}

class MemoryCache implements ImageCache {
  readonly #kept = new Map<string, Pixels>();
  #left: number;

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  async read(file: string, decode: () => Promise<Pixels>): Promise<Pixels> {
    const kept = this.#kept.get(file);
    if (kept !== undefined) return kept;
    const pixels = await decode();
    if (!this.#kept.has(file) && pixels.data.length <= this.#left) {
      this.#left -= pixels.data.length;
      this.#kept.set(file, { ...pixels, data: Uint8Array.from(pixels.data) });
    }
    return pixels;
  }
}

/**
 * A file contains `HBP4`, four 32-bit little-endian integers (width, height, layout, and the CRC-32 of the file's name, the
 * preceding bytes and the pixels), and the pixels. Version 1 used the fast DCT for JPEG, version 2 had no checksum, and the
 * checksum of version 3 did not cover the name, so a renamed file was accepted.
 */
const magic = Buffer.from('HBP4');
const headerLength = 20;
const checksumAt = 16;
const channels = [1, 2, 3, 4, 4];

/**
 * One file per image, named after a hash of the image's path, size and times and of the decoder's version, so a changed image
 * is decoded again. One of the times is ctime, because copies and archives can preserve the modification time, but not ctime.
 */
class FolderCache implements ImageCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(file: string, decode: () => Promise<Pixels>): Promise<Pixels> {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    const flags = O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);
    const place = await this.#pathOf(file);
    const readKept = (descriptor: number) => readPixels(descriptor, path.basename(place));
    const kept = await withDescriptor(place, flags, readKept).catch(() => undefined);
    if (kept !== undefined) return kept;
    const pixels = await decode();
    // If the image was replaced in the meantime, the pixels may be of either version, so they are not stored.
    if ((await this.#pathOf(file).catch(() => null)) === place) await this.#write(place, pixels);
    return pixels;
  }

  async #write(place: string, { data, width, height, layout }: Pixels): Promise<void> {
    const header = Buffer.alloc(headerLength);
    magic.copy(header);
    [width, height, layouts.indexOf(layout)].forEach((value, i) => {
      header.writeUInt32LE(value, 4 + 4 * i);
    });
    header.writeUInt32LE(checksumOf(path.basename(place), header, data), checksumAt);
    const temporary = `${place}.${randomUUID()}`;
    try {
      await writeWhole(temporary, header, data); // not synced, because length and checksum reveal a truncated file
      // If this process was suspended for long, another one may have removed the file; the image is then not cached.
      await rename(temporary, place).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {}); // `cause` is reported instead
      throw unwritable(this.#folder, cause);
    }
  }

  async #pathOf(file: string): Promise<string> {
    const { size, mtimeMs, ctimeMs } = await stat(file);
    const name = createHash('sha256')
      .update(`${path.resolve(file)}\0${size}\0${mtimeMs}\0${ctimeMs}\0${decoderVersion()}`)
      .digest('hex');
    return path.join(this.#folder, `${name.slice(0, 40)}.pixels`);
  }
}

/**
 * Returns undefined if the file is damaged, sparse, not a regular file or from an earlier version; the image is then decoded
 * and cached again.
 */
async function readPixels(descriptor: number, name: string): Promise<Pixels | undefined> {
  const stat = fstatSync(descriptor);
  if (!stat.isFile() || holesOf(stat) !== null) return undefined;
  const header = await readStart(descriptor, Math.min(headerLength, stat.size));
  if (header.length < headerLength || !header.subarray(0, 4).equals(magic)) return undefined;
  const [width, height, index] = [4, 8, 12].map((at) => header.readUInt32LE(at)) as [number, number, number];
  const layout = layouts[index];
  const length = stat.size - headerLength;
  if (layout === undefined || length === 0 || length !== width * height * channels[index]!) return undefined;
  const bytes = await readStart(descriptor, stat.size);
  const data = bytes.subarray(headerLength);
  if (checksumOf(name, bytes, data) !== bytes.readUInt32LE(checksumAt)) return undefined;
  return { data, width, height, layout };
}

function checksumOf(name: string, header: Buffer, data: Uint8Array): number {
  return crc32(data, crc32(header.subarray(0, checksumAt), crc32(name)));
}

function unwritable(folder: string, cause: unknown): Error {
  const message = `[train] cache: expected a writable folder, got ${folder} (${reasonOf(cause)}). Choose another folder, or omit the cache.`;
  return Object.assign(coded('ERR_HOROBALL_CACHE', message), { cause });
}
