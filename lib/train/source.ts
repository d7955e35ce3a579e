import { coded } from '../errors.ts';
import { random, shuffle } from '../random.ts';
import type { RunConfig } from './config.ts';
import { type Dataset, openDataset, type Split } from './data/dataset.ts';
import { ImageLoader, type ImageLoaderOptions } from './data/loader.ts';
import { ClassBalancedSampler } from './data/sampler.ts';
import { parseEpochs } from './epochs.ts';
import type { Protocol } from './recall.ts';

/** Pictures as the network sees them: count x size x size x 3 bytes (RGB), and the class of each. */
export interface Pictures {
  images: Uint8Array;
  count: number;
  size: number;
  /** In any order, each class `num_samples` times. */
  labels: Int32Array;
}

/** What a network is evaluated on. */
export interface TestSet {
  name: string;
  /** Where there is a gallery, the queries and after them its pictures. */
  split: Split;
  loader: ImageLoader;
  protocol: Protocol;
  /** What a person should know of the data set. */
  warnings: readonly string[];
}

/** Where the batches of a run come from. */
export interface Source {
  /** Batches an epoch, and epochs; `null` where only the end of an iterable tells. */
  readonly epochSteps: number | null;
  readonly steps: number | null;
  readonly test: TestSet | null;
  readonly warnings: readonly string[];
  /** Pictures that could not be read so far. */
  skipped(): readonly { path: string; reason: string }[];
  /** The batches of the run after the first `done`, epoch after epoch; the next is decoded while one is used. */
  batches(done: number, signal?: AbortSignal): AsyncIterable<Pictures>;
}

/** The batches of a run's data set: see `openDataset` and `ClassBalancedSampler` for the errors. */
export async function openSource(config: RunConfig): Promise<Source> {
  const dataset = await openDataset(config.ds, config.path);
  const train = config.shuffle_labels ? shuffled(dataset.train, config.seed) : dataset.train;
  const sampler = samplerOf(train, config);
  const loader = new ImageLoader(train, {
    ...loading(config),
    mode: 'train',
    cropScale: [config.crop_scale, 1],
  });
  const test = testSetOf(dataset, config);
  function* indices(done: number): Generator<Int32Array> {
    const whole = Math.floor(done / sampler.steps);
    for (let epoch = whole + 1; epoch <= config.ep; epoch++) {
      const batches = sampler.epoch(epoch);
      yield* epoch === whole + 1 ? batches.slice(done % sampler.steps) : batches;
    }
  }
  return {
    epochSteps: sampler.steps,
    steps: sampler.steps * config.ep,
    test,
    warnings: [...dataset.warnings, ...publishedWarnings(config), ...epochWarnings(config)],
    skipped: () => [...loader.skipped, ...test.loader.skipped],
    batches: (done, signal) => loader.batches(indices(done), { epoch: 0, first: done * config.bs, signal }),
  };
}

/** @throws `ERR_HOROBALL_NO_STEP` that names the option that was typed */
function samplerOf({ samples }: Split, { num_samples, bs, seed }: RunConfig): ClassBalancedSampler {
  const labels = Int32Array.from(samples, ({ label }) => label);
  try {
    return new ClassBalancedSampler(labels, { samplesPerClass: num_samples, batchSize: bs, seed });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code !== 'ERR_HOROBALL_NO_STEP') throw error;
    throw coded(code, message.replace(/^\[ClassBalancedSampler\] batchSize/, '[train] bs'), RangeError);
  }
}

/** From about this c on the published evaluation measures rounding: the unit vectors touch the rim. */
const meaningless = 0.9;

/** What a person should know who asks for the published way of doing things. */
function publishedWarnings({ compat, hyp_c }: RunConfig): string[] {
  if (compat !== 'hypmix' || hyp_c < meaningless) return [];
  return [
    `compat hypmix measures the hyperbolic distance between unit vectors, which at c = ${hyp_c} lie at the rim of the ball or outside: its recalls mean nothing`,
  ];
}

/** Epochs to evaluate that a run has none of, as where a published command is made shorter by `ep` alone. */
function epochWarnings({ ep, eval_ep }: RunConfig): string[] {
  const asked = parseEpochs(eval_ep) ?? [];
  if (asked.length === 0 || asked.some((epoch) => epoch <= ep)) return [];
  return [`eval_ep ${eval_ep} names no epoch up to ${ep} (ep): this run is not evaluated`];
}

/** What a run of this configuration is evaluated on. */
export async function openTestSet(config: RunConfig): Promise<TestSet> {
  return testSetOf(await openDataset(config.ds, config.path), config);
}

function testSetOf({ name, test, gallery, ks, warnings }: Dataset, config: RunConfig): TestSet {
  const { split, queries } = gallery ? joined(test, gallery) : { split: test, queries: undefined };
  return { name, split, loader: loaderOf(split, config), protocol: { ks, queries }, warnings };
}

/** Reads a split as an evaluation does. */
export function loaderOf(split: Split, config: RunConfig): ImageLoader {
  return new ImageLoader(split, { ...loading(config), mode: 'eval', resize: config.resize });
}

/** Queries and gallery as one split; they share their classes. */
function joined(test: Split, gallery: Split): { split: Split; queries: number } {
  const split = { ...test, samples: [...test.samples, ...gallery.samples] };
  return { split, queries: test.samples.length };
}

function loading({ crop, seed, workers, strict, cache }: RunConfig): Omit<ImageLoaderOptions, 'mode'> {
  return { size: crop, seed, concurrency: workers, strict, ...(cache !== null && { cache }) };
}

/** Batches that the caller makes: nothing is evaluated, and the run ends when they do. */
export function iterableSource(batches: AsyncIterable<Pictures>): Source {
  return {
    epochSteps: null,
    steps: null,
    test: null,
    warnings: [],
    skipped: () => [],
    batches: (done) => after(batches, done),
  };
}

async function* after(batches: AsyncIterable<Pictures>, done: number): AsyncGenerator<Pictures> {
  let seen = 0;
  for await (const batch of batches) if (++seen > done) yield batch;
}

/** The same pictures, with the labels dealt out anew: as many of each class as before. */
function shuffled(split: Split, seed: number): Split {
  const labels = shuffle(
    random(seed, 0x5f),
    Int32Array.from(split.samples, (sample) => sample.label),
  );
  return { ...split, samples: split.samples.map((sample, i) => ({ ...sample, label: labels[i]! })) };
}

/** An iterable's batch has other sizes than the run's. */
export function checkPictures({ images, count, size, labels }: Pictures, config: RunConfig): void {
  const expected = `${config.crop} x ${config.crop} pictures of 3 bytes a pixel with a label each`;
  if (size === config.crop && labels.length === count && images.length === count * size * size * 3) return;
  const got = `${count} of ${size} x ${size} in ${images.length} bytes with ${labels.length} labels`;
  throw coded('ERR_HOROBALL_SHAPE', `[train] data: expected ${expected}, got ${got}`, RangeError);
}
