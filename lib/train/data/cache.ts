/** Decoded pictures, kept so that later epochs need not decode them again: in memory or as files. */
import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { freemem } from 'node:os';
import path from 'node:path';
import { coded } from '../../errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { reasonOf } from '../../io/trouble.ts';
import { layouts, type Pixels } from './resample.ts';

/** Where decoded pictures are kept. Crops are made from them anew each time, so results do not depend on it. */
export interface PictureCache {
  /** What is kept of a file, if anything. */
  get(file: string): Promise<Pixels | undefined>;
  /** Keeps a file's pixels; they are copied or written before the promise is resolved. */
  put(file: string, pixels: Pixels): Promise<void>;
}

/**
 * @param where - `'memory'`, or the path of a folder (made if it is not there)
 * @param maxBytes - most bytes that a cache in memory takes, by default half of what is free; pictures beyond that
 * are decoded each time
 * @throws `ERR_HOROBALL_CACHE` when the folder cannot be made; `put` throws it when it cannot be written to
 */
export async function openCache(where: string, maxBytes: number = freemem() / 2): Promise<PictureCache> {
  if (where === 'memory') return new MemoryCache(maxBytes);
  await ensureFolder(where).catch((cause: unknown) => {
    throw unwritable(where, cause);
  });
  return new FolderCache(where);
}

class MemoryCache implements PictureCache {
  readonly #kept = new Map<string, Pixels>();
  #left: number;

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  async get(file: string): Promise<Pixels | undefined> {
    return this.#kept.get(file);
  }

  async put(file: string, pixels: Pixels): Promise<void> {
    if (this.#kept.has(file) || pixels.data.length > this.#left) return;
    this.#left -= pixels.data.length;
    this.#kept.set(file, { ...pixels, data: Uint8Array.from(pixels.data) });
  }
}

/** `HBP1`, width, height and layout (32-bit little-endian), before the pixels. */
const magic = Buffer.from('HBP1');
const headerLength = 16;
const channels = [1, 2, 3, 4, 4];

/** One file a picture, named by the picture's path, size and time of change: a changed picture is decoded again. */
class FolderCache implements PictureCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(file: string): Promise<Pixels | undefined> {
    const bytes = await readFile(await this.#place(file)).catch(() => undefined);
    return bytes === undefined ? undefined : parse(bytes);
  }

  async put(file: string, { data, width, height, layout }: Pixels): Promise<void> {
    const header = Buffer.alloc(headerLength);
    magic.copy(header);
    [width, height, layouts.indexOf(layout)].forEach((value, i) => {
      header.writeUInt32LE(value, 4 + 4 * i);
    });
    const place = await this.#place(file);
    const temporary = `${place}.${randomUUID()}`;
    try {
      await writeFile(temporary, [header, data]); // a torn file is seen by its length, so nothing is synced
      await rename(temporary, place);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {}); // what failed first is what counts
      throw unwritable(this.#folder, cause);
    }
  }

  async #place(file: string): Promise<string> {
    const { size, mtimeMs } = await stat(file);
    const name = createHash('sha256')
      .update(`${path.resolve(file)}\0${size}\0${mtimeMs}`)
      .digest('hex');
    return path.join(this.#folder, `${name.slice(0, 40)}.pixels`);
  }
}

/** Undefined when the file is not a whole picture: it is then decoded and written again. */
function parse(bytes: Buffer): Pixels | undefined {
  if (bytes.length < headerLength || !bytes.subarray(0, 4).equals(magic)) return undefined;
  const [width, height, index] = [4, 8, 12].map((at) => bytes.readUInt32LE(at)) as [number, number, number];
  const layout = layouts[index];
  const data = bytes.subarray(headerLength);
  if (layout === undefined || data.length !== width * height * channels[index]!) return undefined;
  return { data, width, height, layout };
}

function unwritable(folder: string, cause: unknown): Error {
  const message = `the picture cache ${folder} could not be written (${reasonOf(cause)}); name another place or do without a cache`;
  return Object.assign(coded('ERR_HOROBALL_CACHE', message), { cause });
}
