import { checkMethods, checkObject, instance } from '../../check.ts';
import { coded } from '../../errors.ts';
import { resolveViT } from '../../model/vit.ts';
import { random, shuffle } from '../../random.ts';
import { alphaIn } from '../data/alpha.ts';
import { ClassTree } from '../data/class-tree.ts';
import { type DataIdentity, fingerprintOf } from '../data/fingerprint.ts';
import { alphaTreatment, imageNotes } from '../data/image-notes.ts';
import { ImageLoader, type ImageLoaderOptions } from '../data/loader.ts';
import { countOf } from '../data/published.ts';
import { openDataset } from '../data/registry.ts';
import { ClassBalancedSampler } from '../data/sampler.ts';
import type { Counts, Dataset, LabeledBatch, Split } from '../data/types.ts';
import { batchRanges, lengthOf } from '../distributed/shard.ts';
import { type RankPlace, singleProcess } from '../lane/group.ts';
import { loaderOptions, type TestSet, testSetOf } from '../measure/test-set.ts';
import { parseNumbers } from '../options/define.ts';
import { parseEpochs } from '../options/epochs.ts';
import type { RunConfig } from '../options/options.ts';

/** The images of a step: this rank's rows of the batch. */
export interface StepBatch extends LabeledBatch {
  /** The labels of the whole batch and the number of rows of each rank; absent if this rank has all rows. */
  readonly whole?: { readonly labels: Int32Array; readonly counts: readonly number[] };
}

/** Supplies the batches of a run. */
export interface Source {
  /** Steps per epoch and in total; null for an iterable, whose length is unknown. */
  readonly epochSteps: number | null;
  readonly steps: number | null;
  readonly test: TestSet | null;
  /** The label of each training image; null for an iterable. */
  readonly labels: Int32Array | null;
  /** The class tree above the training classes; null without one. */
  readonly tree: ClassTree | null;
  /** Numbers of images and classes in each split; null for an iterable. */
  readonly sizes: Counts | null;
  /** Identifies the data set in checkpoints; null for an iterable. */
  readonly identity: DataIdentity | null;
  /** Whether the next batch can be prefetched, that is, read without overwriting the current one. */
  readonly prefetch: boolean;
  readonly warnings: readonly string[];
  /** Returns the images found unreadable so far. */
  skipped(): readonly { path: string; reason: string }[];
  /** Returns notes on the images read so far, one sentence each. */
  imageNotes(): string[];
  /** Returns the batches after the first `done`. Those of a data set are decoded while the previous one is in use. */
  batches(done: number, signal?: AbortSignal): AsyncIterable<StepBatch>;
}

/**
 * Opens the data set of a run.
 * @param place - the rank, which decodes only its own classes of each batch, with the same crops as a single process
 * @throws as `openDataset` and `ClassBalancedSampler`
 */
export async function openSource(config: RunConfig, place: RankPlace = singleProcess.place): Promise<Source> {
  const dataset = await openDataset(config.ds, config.path);
  const train = config.shuffle_labels ? shuffled(dataset.train, config.seed) : dataset.train;
  const sampler = samplerOf(train, config);
  const loader = new ImageLoader(train, {
    ...loaderOptions(config),
    mode: 'train',
    cropScale: [config.crop_scale, 1],
    augmentation: augmentationOf(config),
  });
  const test = testSetOf(dataset, config);
  const sizes = sizesOf(dataset);
  function* indices(done: number): Generator<Int32Array> {
    const first = Math.floor(done / sampler.steps) + 1;
    for (let epoch = first; epoch <= config.ep; epoch++) {
      const batches = sampler.epoch(epoch);
      yield* epoch === first ? batches.slice(done % sampler.steps) : batches;
    }
  }
  const alpha = place.rank === 0 ? await alphaWarnings(dataset, config) : [];
  const noted = { background: config.background, alphaNoted: alpha.length > 0 };
  return {
    epochSteps: sampler.steps,
    steps: sampler.steps * config.ep,
    test,
    labels: labelsOf(train),
    tree: ClassTree.of(train),
    sizes,
    identity: { ...sizes, fingerprint: await fingerprintOf(dataset) },
    prefetch: true,
    warnings: [...dataset.warnings, ...alpha, ...publishedWarnings(config), ...epochWarnings(config)],
    skipped: () => [...loader.skipped, ...test.loader.skipped],
    imageNotes: () => imageNotes([loader, test.loader], noted),
    batches: (done, signal) => {
      const options = { epoch: 0, first: done * config.bs, signal };
      if (place.size === 1) return loader.batches(indices(done), options);
      return shardsOf(loader, indices(done), { ...options, labels: labelsOf(train), config, place });
    },
  };
}

function sizesOf({ train, test, gallery }: Dataset): Counts {
  return { train: countOf(train), test: countOf(test), ...(gallery && { gallery: countOf(gallery) }) };
}

/** Warns before training if any checked image has alpha, because its treatment changes the training images. */
async function alphaWarnings({ train, test }: Dataset, { background }: RunConfig): Promise<string[]> {
  const { alpha, read } = await alphaIn([...train.samples, ...test.samples]);
  return alpha === 0
    ? []
    : [`${alpha} of ${read} images that were checked have an alpha channel; ${alphaTreatment[background]}`];
}

/** Returns the augmentation options of a run. */
export function augmentationOf({
  color_jitter,
  rand_augment,
  random_erasing,
  model,
}: RunConfig): NonNullable<ImageLoaderOptions['augmentation']> {
  const [brightness = 0, contrast = 0, saturation = 0, hue = 0] = parseNumbers(color_jitter ?? '0');
  const [numOps = 0, magnitude = 0] = parseNumbers(rand_augment ?? '0');
  const [r, g, b] = resolveViT(model).mean.map((level) => Math.round(255 * level)) as [
    number,
    number,
    number,
  ];
  return {
    ...(color_jitter !== null && { colorJitter: { brightness, contrast, saturation, hue } }),
    ...(rand_augment !== null && { randAugment: { numOps, magnitude } }),
    ...(random_erasing > 0 && { randomErasing: { p: random_erasing, value: [r, g, b] as const } }),
  };
}

interface ShardOptions {
  epoch: number;
  first: number;
  signal: AbortSignal | undefined;
  /** Class of each sample of the training split. */
  labels: Int32Array;
  config: RunConfig;
  place: RankPlace;
}

/**
 * Yields a rank's rows of each batch, with the labels of the whole batch. These are known before other ranks read their
 * images, because an unreadable image is replaced with one of the same class.
 */
async function* shardsOf(
  loader: ImageLoader,
  batches: Iterable<Int32Array>,
  { labels, config, place, first, ...options }: ShardOptions,
): AsyncGenerator<StepBatch> {
  const parts = batchRanges(config.bs, config.num_samples, place.size);
  const range = parts[place.rank]!;
  const whole: Int32Array[] = [];
  const lists = function* (): Generator<Int32Array> {
    for (const batch of batches) {
      whole.push(batch.map((index) => labels[index]!));
      yield batch.subarray(range.first, range.end);
    }
  };
  const counts = parts.map(lengthOf);
  const from = { ...options, first: first + range.first, stride: config.bs };
  for await (const samples of loader.batches(lists(), from))
    yield { ...samples, whole: { labels: whole.shift()!, counts } };
}

function labelsOf({ samples }: Split): Int32Array {
  return Int32Array.from(samples, ({ label }) => label);
}

/**
 * Creates the sampler of a run.
 * @throws `ERR_HOROBALL_NO_STEP` naming the run option
 */
function samplerOf(split: Split, { num_samples, bs, seed }: RunConfig): ClassBalancedSampler {
  const labels = labelsOf(split);
  try {
    return new ClassBalancedSampler(labels, { samplesPerClass: num_samples, batchSize: bs, seed });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code !== 'ERR_HOROBALL_NO_STEP') throw error;
    throw coded(code, message.replace(/^\[ClassBalancedSampler\] batchSize/, '[train] bs'), RangeError);
  }
}

/** Minimum c at which the published evaluation is meaningless, because unit vectors are near or outside the boundary. */
const meaninglessFrom = 0.9;

/** Warns if the published evaluation is meaningless. */
function publishedWarnings({ compat, hyp_c }: RunConfig): string[] {
  if (compat !== 'hypmix' || hyp_c < meaninglessFrom) return [];
  const where = hyp_c < 1 ? 'close to' : hyp_c === 1 ? 'on' : 'outside';
  return [
    `compat hypmix evaluates the hyperbolic distance between unit vectors, which at c = ${hyp_c} are ${where} the boundary of the ball, so its recall is meaningless`,
  ];
}

/** Warns if all epochs in `eval_ep` are after `ep`, for example if only `ep` of a published command was reduced. */
function epochWarnings({ ep, eval_ep }: RunConfig): string[] {
  const epochs = parseEpochs(eval_ep) ?? [];
  if (epochs.length === 0 || epochs.some((epoch) => epoch <= ep)) return [];
  return [`eval_ep ${eval_ep} contains no epoch up to ep (${ep}), so this run is not evaluated`];
}

/**
 * Supplies custom batches, without an evaluation. The run ends when the iterable ends, or when the signal is aborted while
 * waiting for a batch. The iterable may reuse one array for all batches.
 */
export function iterableSource(batches: AsyncIterable<LabeledBatch>, warn: Warn = () => {}): Source {
  return {
    epochSteps: null,
    steps: null,
    test: null,
    labels: null,
    tree: null,
    sizes: null,
    identity: null,
    prefetch: false,
    warnings: [],
    skipped: () => [],
    imageNotes: () => [],
    batches: (done, signal) => skipFirst(batches, done, { signal, warn }),
  };
}

async function* skipFirst(
  batches: AsyncIterable<LabeledBatch>,
  done: number,
  { signal = new AbortController().signal, warn }: { signal: AbortSignal | undefined; warn: Warn },
): AsyncGenerator<LabeledBatch> {
  const iterator = batches[Symbol.asyncIterator]();
  checkMethods('train', 'data', iterator, ['next']);
  for (let seen = 1; ; seen++) {
    const item = await untilAborted(iterator.next(), signal);
    if (item === aborted) {
      void returned(iterator).catch(() => {}); // waits for the pending batch, which may never arrive
      return;
    }
    const { done: isEnd, value } = checkObject('train', item, 'data');
    if (isEnd) return checkRemaining(seen - 1, done, warn);
    if (seen <= done) continue;
    let isOver = true;
    try {
      yield ownBatch(value);
      isOver = false;
    } finally {
      if (isOver) await close(iterator, warn);
    }
  }
}

/**
 * Warns if an iterable ends with the batches that a resumed run skips: the caller may have passed only the new batches.
 * @throws `ERR_HOROBALL_CONFIG` if it has fewer
 */
function checkRemaining(count: number, done: number, warn: Warn): void {
  if (count > done || done === 0) return;
  const advice =
    'a resumed run skips the batches of the steps already taken, so pass all of them again, and then the new ones';
  if (count === done) {
    warn(`data ended after ${count} batches, so the run took no further step; ${advice}`);
    return;
  }
  const message = `[train] data: expected at least ${done} batches (steps already taken), got ${count}: ${advice}`;
  throw coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

type Warn = (text: string) => void;

/** Time limit for closing an iterable, in milliseconds: an iterable that hangs must not block the run. */
const closingMs = 5000;

/** Returns a copy of the properties of a batch, because a getter may return another value later. */
function ownBatch(batch: LabeledBatch): LabeledBatch {
  const { images, count, size, labels } = checkObject('train', batch, 'data');
  return { images, count, size, labels };
}

/** Calls `return` of an iterator, if it has this method. */
async function returned(iterator: AsyncIterator<unknown>): Promise<void> {
  if (typeof iterator.return === 'function') await iterator.return();
}

/** Closes an iterable before its end. */
async function close(iterator: AsyncIterator<unknown>, warn: Warn): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), closingMs);
  const result = await untilAborted(returned(iterator), late.signal).finally(() => clearTimeout(timer));
  if (result === aborted)
    warn(`data did not close within ${closingMs / 1000} s (return() of its iterator is still pending)`);
}

const aborted = Symbol('aborted');

/** Resolves to the result of work, or to `aborted` if the signal is aborted first. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | typeof aborted> {
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve(aborted);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Shuffles the labels; class sizes stay the same. */
function shuffled(split: Split, seed: number): Split {
  const labels = shuffle(
    random(seed, 0x5f),
    Int32Array.from(split.samples, (sample) => sample.label),
  );
  return { ...split, samples: split.samples.map((sample, i) => ({ ...sample, label: labels[i]! })) };
}

/** Validates the size of a custom batch. */
export function checkBatch(batch: LabeledBatch, config: RunConfig): void {
  const { images, count, size, labels } = checkObject('train', batch, 'data');
  instance('train', 'data.images', images, Uint8Array);
  instance('train', 'data.labels', labels, Int32Array);
  const expected = `${config.crop} x ${config.crop} images of 3 bytes per pixel with one label each`;
  if (size === config.crop && labels.length === count && images.length === count * size * size * 3) return;
  const got = `${count} of ${size} x ${size} in ${images.length} bytes with ${labels.length} labels`;
  throw coded('ERR_HOROBALL_SHAPE', `[train] data: expected ${expected}, got ${got}`, RangeError);
}
