import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { coded, rangeError } from '../../errors.ts';
import { random, shuffle } from '../../random.ts';
import { readAhead } from './ahead.ts';
import { openCache, type PictureCache } from './cache.ts';
import type { Sample, Split } from './dataset.ts';
import { decode, isPictureFault, Scratch } from './decode.ts';
import { Pool } from './pool.ts';
import { type Pixels, resample } from './resample.ts';
import { evalPlacement, type Placement, trainPlacement } from './transforms.ts';

/** See {@link ImageLoader}. */
export interface ImageLoaderOptions {
  /** Side in pixels of what the network sees. */
  size: number;
  /** `train`: random crop and flip. `eval`: resize and centre crop. */
  mode: 'train' | 'eval';
  /** Evaluation: the shorter side before the centre crop; default `size`. */
  resize?: number | undefined;
  /** Training: smallest and largest share of the area that a crop keeps; default [0.2, 1]. */
  cropScale?: readonly [number, number] | undefined;
  /** Training: smallest and largest width / height of a crop; default [3/4, 4/3]. */
  ratio?: readonly [number, number] | undefined;
  /** Any integer; equal seeds give equal crops, whatever the concurrency. */
  seed: number;
  /** Pictures decoded at a time; default as many as there are cores. They share libuv's UV_THREADPOOL_SIZE threads. */
  concurrency?: number | undefined;
  /** A picture that cannot be read is an error; default false. */
  strict?: boolean | undefined;
  /** Keeps decoded pictures: `'memory'` (up to half of what is free) or a folder; by default each is decoded every time. */
  cache?: string | undefined;
}

/** What {@link ImageLoader.batches} gives. */
export interface ImageBatch {
  /** count x size x size x 3, RGB. */
  images: Uint8Array;
  count: number;
  size: number;
  /** The class of each row. */
  labels: Int32Array;
  /** The sample of each row. */
  indices: Int32Array;
}

/** A picture that could not be read. */
export interface Skipped {
  path: string;
  reason: string;
}

/** Batches that are read while the caller is busy with another. */
const batchesAhead = 2;

/** The indices of `count` samples as they stand, in lists of `size`. */
export function* inOrder(count: number, size: number): Generator<Int32Array> {
  for (let from = 0; from < count; from += size) {
    yield Int32Array.from({ length: Math.min(size, count - from) }, (_, i) => from + i);
  }
}

/**
 * Reads, decodes, crops and resizes pictures in the background while the caller computes.
 *
 * A picture that cannot be read is named in {@link skipped}. In training another picture of its class stands in
 * (always the same one), so that batches keep their shape; in evaluation its row is left out.
 */
export class ImageLoader {
  readonly #split: Split;
  readonly #options: ImageLoaderOptions;
  readonly #pool: Pool<Scratch>;
  readonly #bad = new Map<string, string>();
  readonly #byClass: number[][];
  #cache: Promise<PictureCache> | undefined;
  #waitMs = 0;

  /** @throws `ERR_HOROBALL_RANGE` for sizes that cannot be */
  constructor(split: Split, options: ImageLoaderOptions) {
    const { size, resize = size, concurrency = availableParallelism() } = options;
    for (const [name, value] of Object.entries({ size, concurrency })) {
      if (!Number.isInteger(value) || value < 1)
        throw rangeError('ImageLoader', name, 'an integer of 1 or more', value);
    }
    if (!(resize >= size)) throw rangeError('ImageLoader', 'resize', `size (${size}) or more`, resize);
    this.#split = split;
    this.#options = options;
    this.#pool = new Pool(Array.from({ length: concurrency }, () => new Scratch()));
    this.#byClass = split.classes.map(() => []);
    for (const [i, { label }] of split.samples.entries()) this.#byClass[label]!.push(i);
  }

  /** Pictures that could not be read so far, by path. */
  get skipped(): Skipped[] {
    const list = [...this.#bad].map(([path, reason]) => ({ path, reason }));
    return list.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Milliseconds that callers spent waiting for a batch. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /**
   * The pictures of each list of sample indices, in the order of the lists.
   *
   * @param options - `epoch` and the place of a picture in it name its crop; `first` is the place of the first one, for
   * lists that go on where others ended
   * @throws `ERR_HOROBALL_PICTURE` when `strict` and a picture cannot be read, when a whole class cannot in training,
   * or not one of all the pictures in evaluation; the signal's reason when it is aborted
   */
  async *batches(
    indices: Iterable<Int32Array>,
    {
      signal,
      epoch = 0,
      first: begin = 0,
    }: { signal?: AbortSignal | undefined; epoch?: number; first?: number } = {},
  ): AsyncGenerator<ImageBatch> {
    let [slot, rows] = [begin, 0];
    const read = (list: Int32Array, stop: AbortSignal): Promise<ImageBatch> => {
      const first = slot;
      slot += list.length;
      return this.#readBatch(list, epoch, first, stop);
    };
    const ahead = readAhead(indices, read, batchesAhead, signal);
    try {
      for (;;) {
        const start = performance.now();
        const { done, value } = await ahead.next();
        this.#waitMs += performance.now() - start;
        if (done) break;
        rows += value.count;
        if (value.count > 0) yield value;
      }
      if (slot > begin && rows === 0) throw this.#nothingRead(slot - begin);
    } finally {
      await ahead.return(undefined);
    }
  }

  async #readBatch(
    list: Int32Array,
    epoch: number,
    firstSlot: number,
    stop: AbortSignal,
  ): Promise<ImageBatch> {
    const { size } = this.#options;
    const length = 3 * size * size;
    const images = new Uint8Array(length * list.length);
    const rows = await Promise.all(
      Array.from(list, (index, i) => {
        const out = images.subarray(i * length, (i + 1) * length);
        return this.#pool.use(stop, (scratch) => this.#readRow(index, [epoch, firstSlot + i], out, scratch));
      }),
    );
    return compact({ images, count: list.length, size }, rows, this.#split.samples);
  }

  /** Fills a row and gives the sample that it shows, or undefined when it cannot be read and nothing stands in. */
  async #readRow(
    index: number,
    key: number[],
    out: Uint8Array,
    scratch: Scratch,
  ): Promise<number | undefined> {
    if (await this.#readPicture(index, key, out, scratch)) return index;
    if (this.#options.mode === 'eval') return undefined;
    const { label } = this.#split.samples[index]!;
    const others = this.#byClass[label]!.filter((other) => other !== index);
    for (const other of shuffle(random(this.#options.seed, ...key, 1), others)) {
      if (await this.#readPicture(other, key, out, scratch)) return other;
    }
    throw coded('ERR_HOROBALL_PICTURE', `no picture of class ${this.#split.classes[label]} could be read`);
  }

  async #readPicture(index: number, key: number[], out: Uint8Array, scratch: Scratch): Promise<boolean> {
    const { path } = this.#split.samples[index]!;
    if (this.#bad.has(path)) return false;
    try {
      const pixels = await this.#pixels(path, scratch);
      await resample(pixels, this.#place(pixels, key), out);
      return true;
    } catch (error) {
      this.#note(path, error);
      return false;
    }
  }

  async #pixels(path: string, scratch: Scratch): Promise<Pixels> {
    const { cache: where } = this.#options;
    if (where === undefined) return decode(await readFile(path), scratch);
    this.#cache ??= openCache(where);
    const cache = await this.#cache;
    const kept = await cache.get(path);
    if (kept !== undefined) return kept;
    const pixels = await decode(await readFile(path), scratch);
    await cache.put(path, pixels);
    return pixels;
  }

  #place(picture: Pixels, key: number[]): Placement {
    const { mode, size, resize = size, cropScale = [0.2, 1], ratio = [3 / 4, 4 / 3], seed } = this.#options;
    if (mode === 'eval') return evalPlacement(picture, resize, size);
    return trainPlacement(picture, size, { scale: cropScale, ratio }, random(seed, ...key));
  }

  #nothingRead(count: number): Error {
    const { path, reason } = this.skipped[0]!;
    return coded(
      'ERR_HOROBALL_PICTURE',
      `none of ${count} pictures could be read; the first is ${path}: ${reason}`,
    );
  }

  /** Remembers a picture that is damaged or not there; passes on what is not the picture's fault. */
  #note(path: string, error: unknown): void {
    if (!isPictureFault(error)) throw error;
    const { message } = error;
    if (this.#options.strict) {
      throw Object.assign(coded('ERR_HOROBALL_PICTURE', `${path} could not be read: ${message}`), {
        cause: error,
      });
    }
    this.#bad.set(path, message);
  }
}

/** Moves rows up over those that were left out. */
function compact(
  { images, count, size }: Pick<ImageBatch, 'images' | 'count' | 'size'>,
  rows: (number | undefined)[],
  samples: Sample[],
): ImageBatch {
  const length = images.length / Math.max(1, count);
  const kept: number[] = [];
  rows.forEach((sample, i) => {
    if (sample === undefined) return;
    if (kept.length !== i) images.copyWithin(kept.length * length, i * length, (i + 1) * length);
    kept.push(sample);
  });
  return {
    images: images.subarray(0, kept.length * length),
    count: kept.length,
    size,
    labels: Int32Array.from(kept, (sample) => samples[sample]!.label),
    indices: Int32Array.from(kept),
  };
}
