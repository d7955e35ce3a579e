import { availableParallelism } from 'node:os';
import { checkSignal } from '../../call/run.ts';
import {
  boolean,
  choice,
  filePath,
  instance,
  integer,
  itemsOf,
  listOf,
  positive,
  readOptions,
} from '../../check.ts';
import { coded, quoted, rangeError, typeError } from '../../errors.ts';
import { type Augmentation, augment, checkedAugmentation, drawSteps } from '../../image/augment.ts';
import { decode } from '../../image/decode.ts';
import { checkSize, defaultMaxPixels, isImageFault, manyPixels } from '../../image/fault.ts';
import { readImageFile } from '../../image/file.ts';
import type { AllocatePixels } from '../../image/jpeg.ts';
import { PixelMemory } from '../../image/pixel-memory.ts';
import { readAhead } from '../../image/read-ahead.ts';
import { type Background, backgrounds, hasAlpha, type Pixels, resample } from '../../image/resample.ts';
import { Slots } from '../../image/slots.ts';
import { evalPlacement, type Placement, trainPlacement } from '../../image/transforms.ts';
import { checkUndetached } from '../../integers.ts';
import { reasonOf } from '../../io/file-errors.ts';
import { allocateArray } from '../../matrix.ts';
import { type Random, random, shuffle } from '../../random.ts';
import { type ImageCache, openCache } from './cache.ts';
import { useJpegDecoder } from './jpeg-decoder.ts';
import { checkSplit } from './split.ts';
import type { LabeledBatch, Sample, Split } from './types.ts';

/** Options of {@link ImageLoader}. */
export interface ImageLoaderOptions {
  /** Side length of the network input in pixels; 1 or more. */
  size: number;
  /** `train`: random crop and flip. `eval`: resize and center crop. */
  mode: 'train' | 'eval';
  /** Evaluation: length of the shorter side in pixels before the center crop, at least `size`; default `size`. */
  resize?: number | undefined;
  /** Training: smallest and largest area of a crop as a fraction of the image; default [0.2, 1]. */
  cropScale?: readonly [number, number] | undefined;
  /** Training: smallest and largest aspect ratio (width / height) of a crop; default [3/4, 4/3]. */
  ratio?: readonly [number, number] | undefined;
  /** Training: further random augmentation after the crop and the flip; absent by default. */
  augmentation?: Augmentation | undefined;
  /** Random seed, any integer. The same seed gives the same crops for any `concurrency`. */
  seed: number;
  /**
   * Maximum number of images in progress; default twice the number of cores. Reading, decoding and resizing run in the
   * UV_THREADPOOL_SIZE threads of libuv (default 4); between these steps, an image waits for the JavaScript thread.
   */
  concurrency?: number | undefined;
  /** Throw if an image cannot be read, instead of skipping it; default false. */
  strict?: boolean | undefined;
  /** Cache of decoded images: `'memory'` (up to half of the free memory) or a folder; absent by default. */
  cache?: string | undefined;
  /** Background color that transparent pixels are blended with; `'drop'` ignores alpha, like PIL; default white. */
  background?: Background | undefined;
  /** Maximum number of pixels in an image; larger images count as unreadable. Default 178,956,970, the limit of PIL. */
  maxPixels?: number | undefined;
}

/** A batch of {@link ImageLoader.batches}. */
export interface ImageBatch extends LabeledBatch {
  /** Index of each image in the split's `samples`. */
  indices: Int32Array;
}

/** An image that could not be read. */
export interface Skipped {
  path: string;
  /** The problem, as a sentence without a period. */
  reason: string;
}

/** Number of batches that are prefetched. */
const batchesAhead = 2;

/** Yields the indices of `count` samples from `first` on, in lists of `size`; the last list may be shorter. */
export function* inOrder(count: number, size: number, first = 0): Generator<Int32Array> {
  for (let from = 0; from < count; from += size) {
    yield Int32Array.from({ length: Math.min(size, count - from) }, (_, i) => first + from + i);
  }
}

/** Returns the images of a loader, which are private so that a caller cannot change them. */
let samplesOf: (loader: ImageLoader) => readonly Sample[];

/** Whether a loader reads these images with these labels, in this order. */
export function readsAll(loader: ImageLoader, samples: readonly Sample[]): boolean {
  const own = samplesOf(loader);
  return (
    samples.length === own.length &&
    samples.every(({ path, label }, i) => path === own[i]!.path && label === own[i]!.label)
  );
}

/**
 * Reads, decodes, crops and resizes images in the background while the caller computes. Transforms are bit-identical to
 * torchvision's RandomResizedCrop, RandomHorizontalFlip, Resize and CenterCrop on Pillow images.
 *
 * Unreadable images are listed in {@link ImageLoader.skipped}. In training, each is replaced with another image of its
 * class, selected by the seed, so that batches keep their shape. In evaluation, its row is omitted.
 *
 * @example
 * const loader = new ImageLoader(train, { size: 48, mode: 'train', seed: 1 });
 * for await (const { images, labels } of loader.batches(sampler.epoch(1), { epoch: 1 })) { ... }
 */
export class ImageLoader {
  static {
    samplesOf = (loader) => loader.#split.samples;
  }

  readonly #split: Split;
  readonly #options: ImageLoaderOptions;
  readonly #slots: Slots;
  readonly #bad = new Map<string, string>();
  readonly #alpha = new Set<string>();
  readonly #large = new Set<string>();
  readonly #byClass: number[][];
  readonly #memory = new PixelMemory();
  #cache: Promise<ImageCache> | undefined;
  #waitMs = 0;

  /**
   * @throws TypeError `ERR_HOROBALL_TYPE`, RangeError `ERR_HOROBALL_RANGE` or RangeError `ERR_HOROBALL_SHAPE` for an invalid
   * split or option
   */
  constructor(split: Split, options: ImageLoaderOptions) {
    this.#options = checkedOptions(options);
    this.#split = checkSplit('ImageLoader', split);
    this.#slots = new Slots(this.#options.concurrency ?? 2 * availableParallelism());
    useJpegDecoder();
    this.#byClass = this.#split.classes.map(() => []);
    for (const [i, { label }] of this.#split.samples.entries()) this.#byClass[label]!.push(i);
  }

  /** Images found unreadable so far, sorted by path. */
  get skipped(): Skipped[] {
    const list = [...this.#bad].map(([path, reason]) => ({ path, reason }));
    return list.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Number of images read so far that have an alpha channel. */
  get withAlpha(): number {
    return this.#alpha.size;
  }

  /** Number of images read so far with more than 89,478,485 pixels, PIL's warning limit. */
  get large(): number {
    return this.#large.size;
  }

  /** Total data-loading wait in milliseconds. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /**
   * Yields one batch per list of sample indices, in order. In evaluation, omits batches without readable images.
   *
   * @param options - `epoch` determines the crop, flip and augmentation of an image, together with the loader's seed and the
   * image's position in the epoch; `first` is the position of the first image, to resume within an epoch; `stride` is the
   * distance between the positions at which consecutive lists start, for lists that are parts of larger batches; default:
   * the list's length
   * @throws `ERR_HOROBALL_PICTURE` if an image is unreadable and `strict` is set, if all images of a class are unreadable
   * in training, or if all images are unreadable in evaluation; `ERR_HOROBALL_CACHE` if the folder of the cache cannot be
   * created or written; the signal's reason if it is aborted
   */
  async *batches(
    indices: Iterable<Int32Array>,
    options: {
      signal?: AbortSignal | undefined;
      epoch?: number;
      first?: number;
      stride?: number | undefined;
    } = {},
  ): AsyncGenerator<ImageBatch> {
    const operation = 'ImageLoader.batches';
    const {
      signal,
      epoch = 0,
      first: begin = 0,
      stride,
    } = readOptions(operation, options, ['signal', 'epoch', 'first', 'stride']);
    checkSignal(operation, signal);
    const lists = itemsOf(operation, 'indices', 'lists of indices', indices);
    for (const [name, value] of Object.entries({ epoch, first: begin, stride: stride ?? 0 }))
      integer(operation, name, value, 0, Number.MAX_SAFE_INTEGER);
    let [slot, requested, rows] = [begin, 0, 0];
    const read = (list: Int32Array, stop: AbortSignal): Promise<ImageBatch> => {
      instance(operation, 'indices', list, Int32Array);
      checkUndetached(operation, 'indices', list);
      const { samples } = this.#split;
      for (const index of list) integer(operation, 'indices', index, 0, samples.length - 1);
      const first = slot;
      slot += stride ?? list.length;
      requested += list.length;
      return this.#readBatch(list, epoch, first, stop);
    };
    const batches = readAhead(lists, read, batchesAhead, signal);
    try {
      for (;;) {
        const start = performance.now();
        const { done, value } = await batches.next();
        this.#waitMs += performance.now() - start;
        if (done) break;
        rows += value.count;
        if (value.count > 0) yield value;
      }
      if (requested > 0 && rows === 0) throw this.#nothingRead(requested);
    } finally {
      await batches.return(undefined);
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
    const images = allocateArray('ImageLoader.batches', Uint8Array, length * list.length);
    const rows = await Promise.all(
      Array.from(list, (index, i) => {
        const out = images.subarray(i * length, (i + 1) * length);
        return this.#slots.use(stop, () => this.#readRow(index, [epoch, firstSlot + i], out));
      }),
    );
    return compact({ images, count: rows.length, size }, rows, this.#split.samples);
  }

  /**
   * Reads an image into a row; in training, reads another image of the class if it is unreadable. Returns the index of the
   * sample that was read; undefined in evaluation if the image is unreadable.
   */
  async #readRow(index: number, key: number[], out: Uint8Array): Promise<number | undefined> {
    if (await this.#readImage(index, key, out)) return index;
    if (this.#options.mode === 'eval') return undefined;
    const { label } = this.#split.samples[index]!;
    const others = this.#byClass[label]!.filter((other) => other !== index);
    for (const other of shuffle(random(this.#options.seed, ...key, 1), others)) {
      if (await this.#readImage(other, key, out)) return other;
    }
    throw this.#classLost(label);
  }

  #classLost(label: number): Error {
    const paths = this.#byClass[label]!.map((index) => this.#split.samples[index]!.path);
    const [path] = paths;
    return coded(
      'ERR_HOROBALL_PICTURE',
      `[ImageLoader] split: expected a readable image of class ${this.#split.classes[label]}, got none of ${paths.length}. Repair ${path} (${this.#bad.get(path!)}) or another image of the class.`,
    );
  }

  async #readImage(index: number, key: number[], out: Uint8Array): Promise<boolean> {
    const { path } = this.#split.samples[index]!;
    if (this.#bad.has(path)) return false;
    try {
      const pixels = await this.#pixels(path);
      if (hasAlpha(pixels)) this.#alpha.add(path);
      if (pixels.width * pixels.height > manyPixels) this.#large.add(path);
      const { background = 'white' } = this.#options;
      const next = random(this.#options.seed, ...key);
      await resample(pixels, this.#placementOf(pixels, next), out, { background });
      this.#memory.give(pixels.data);
      await this.#augment(out, next);
      return true;
    } catch (error) {
      this.#note(path, error);
      return false;
    }
  }

  async #pixels(path: string): Promise<Pixels> {
    const { cache: where, maxPixels = defaultMaxPixels } = this.#options;
    const read = async (allocate?: AllocatePixels): Promise<Pixels> =>
      decode(await readImageFile(path, maxPixels), maxPixels, allocate);
    if (where === undefined) return read((length) => this.#memory.take(length));
    this.#cache ??= openCache(where);
    const cache = await this.#cache;
    const pixels = await cache.read(path, () => read());
    checkSize(pixels.width, pixels.height, maxPixels); // a cached image may have been decoded with another limit
    return pixels;
  }

  #placementOf(pixels: Pixels, next: Random): Placement {
    const { mode, size, resize = size, cropScale = [0.2, 1], ratio = [3 / 4, 4 / 3] } = this.#options;
    if (mode === 'eval') return evalPlacement(pixels, resize, size);
    return trainPlacement(pixels, size, { scale: cropScale, ratio }, next);
  }

  /**
   * Augments a training image. Its random numbers are drawn after those of the crop, so that crops do not depend on
   * augmentation.
   */
  async #augment(out: Uint8Array, next: Random): Promise<void> {
    const { mode, size, augmentation } = this.#options;
    if (mode === 'eval' || augmentation === undefined) return;
    await augment(out, size, drawSteps(augmentation, size, next));
  }

  #nothingRead(count: number): Error {
    const { path, reason } = this.skipped[0]!;
    return coded(
      'ERR_HOROBALL_PICTURE',
      `[ImageLoader] split: expected readable images, got none of ${count}. Repair ${path} (${reason}) and the others.`,
    );
  }

  /** Records an unreadable image or, with `strict`, throws; rethrows errors that are not caused by the image. */
  #note(path: string, error: unknown): void {
    if (!isImageFault(error)) throw error;
    const message = reasonOf(error);
    if (this.#options.strict) {
      throw Object.assign(
        coded(
          'ERR_HOROBALL_PICTURE',
          `[ImageLoader] strict: expected a readable image, got ${path} (${message}). Repair it, or omit strict to skip it.`,
        ),
        {
          cause: error,
        },
      );
    }
    this.#bad.set(path, message);
  }
}

const loaderNames = [
  'size',
  'mode',
  'resize',
  'cropScale',
  'ratio',
  'augmentation',
  'seed',
  'concurrency',
  'strict',
  'cache',
  'background',
  'maxPixels',
] as const satisfies (keyof ImageLoaderOptions)[];

/** Returns a validated copy of the options. */
function checkedOptions(options: ImageLoaderOptions): ImageLoaderOptions {
  const operation = 'ImageLoader';
  const all = readOptions(operation, options, loaderNames);
  const { size, resize = size, concurrency = 1, maxPixels = 1, seed, mode } = all;
  for (const [name, value] of Object.entries({ size, resize, concurrency, maxPixels }))
    integer(operation, name, value, 1, Number.MAX_SAFE_INTEGER);
  if (resize < size) throw rangeError(operation, 'resize', `size (${size}) or more`, resize);
  integer(operation, 'seed', seed, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  choice(operation, 'mode', mode, ['train', 'eval']);
  boolean(operation, 'strict', all.strict, false);
  if (all.background !== undefined) choice(operation, 'background', all.background, backgrounds);
  if (all.cache !== undefined) filePath(operation, 'cache', all.cache);
  const { cropScale, ratio, augmentation } = all;
  return {
    ...all,
    ...(cropScale !== undefined && { cropScale: checkedPair('cropScale', cropScale) }),
    ...(ratio !== undefined && { ratio: checkedPair('ratio', ratio) }),
    augmentation: checkedAugmentation(operation, augmentation),
  };
}

function checkedPair(name: string, pair: unknown): [number, number] {
  const ends = listOf(pair, 2);
  if (ends === null) throw typeError('ImageLoader', name, 'two numbers', quoted(pair));
  const [from, to] = ends.map((each) => positive('ImageLoader', name, each)) as [number, number];
  if (from > to) throw rangeError('ImageLoader', name, 'the smaller number first', `[${from},${to}]`);
  return [from, to];
}

/** Removes the rows of omitted images. */
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
