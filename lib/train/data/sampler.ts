import { instance, readOptions, integer as wholeNumber } from '../../check.ts';
import { coded, quoted, rangeError, typeError } from '../../errors.ts';
import { integer, random, shuffle } from '../../random.ts';
import { rowsByClass } from '../../views.ts';

/** Options of {@link ClassBalancedSampler}. */
export interface SamplerOptions {
  /** Images per class (views) in a batch; 2 or more. */
  samplesPerClass: number;
  /** Batch size in images; a multiple of `samplesPerClass`. */
  batchSize: number;
  /** Random seed, any integer. The same seed gives the same batches. */
  seed: number;
}

/**
 * Maximum batch size in images. The data set does not limit it, because the images of a small class repeat; drawing the
 * indices of a larger batch would take long.
 */
const maxBatch = 2 ** 24;

/**
 * Samples the same number of images per class. An epoch contains every class once, in random order, with `samplesPerClass`
 * different images each (with repetition if the class has fewer). An incomplete last batch is dropped. The batches of an
 * epoch are a pure function of the seed and the epoch number, so a run can resume at any step.
 */
export class ClassBalancedSampler {
  /** Batches per epoch. */
  readonly steps: number;
  readonly #classes: number[][];
  readonly #views: number;
  readonly #perBatch: number;
  readonly #seed: number;

  /**
   * @param labels - the class of each sample: integers >= 0
   * @throws TypeError `ERR_HOROBALL_TYPE` or RangeError `ERR_HOROBALL_RANGE` for an invalid option; RangeError
   * `ERR_HOROBALL_NO_STEP` if the classes do not fill one batch
   */
  constructor(labels: Int32Array, options: SamplerOptions) {
    const { samplesPerClass, batchSize, seed } = readOptions('ClassBalancedSampler', options, [
      'samplesPerClass',
      'batchSize',
      'seed',
    ]);
    instance('ClassBalancedSampler', 'labels', labels, Int32Array);
    checkInteger('samplesPerClass', samplesPerClass, 2);
    checkInteger('batchSize', batchSize, samplesPerClass);
    if (!Number.isSafeInteger(seed))
      throw typeError('ClassBalancedSampler', 'seed', 'an integer', quoted(seed));
    if (batchSize % samplesPerClass !== 0) {
      const expected = `a multiple of samplesPerClass (${samplesPerClass})`;
      throw rangeError('ClassBalancedSampler', 'batchSize', expected, batchSize);
    }
    this.#classes = samplesByClass(labels);
    this.#views = samplesPerClass;
    this.#perBatch = batchSize / samplesPerClass;
    this.#seed = seed;
    this.steps = Math.floor(this.#classes.length / this.#perBatch);
    if (this.steps === 0) throw noStep(this.#classes.length, samplesPerClass, batchSize);
    if (batchSize > maxBatch)
      throw rangeError('ClassBalancedSampler', 'batchSize', `an integer of at most ${maxBatch}`, batchSize);
  }

  /** Returns the batches of epoch `n` as sample indices, class by class (row = class * samplesPerClass + view). */
  epoch(n: number): Int32Array[] {
    wholeNumber('ClassBalancedSampler.epoch', 'n', n, 0, Number.MAX_SAFE_INTEGER);
    const next = random(this.#seed, n);
    const order = shuffle(next, Int32Array.from(this.#classes.keys()));
    return Array.from({ length: this.steps }, (_, step) => {
      const batch = new Int32Array(this.#perBatch * this.#views);
      for (let i = 0; i < this.#perBatch; i++) {
        const samples = this.#classes[order[step * this.#perBatch + i]!]!;
        batch.set(draw(samples, this.#views, next), i * this.#views);
      }
      return batch;
    });
  }
}

/** Draws `count` samples: without replacement if there are enough, otherwise with replacement. */
function draw(samples: readonly number[], count: number, next: () => number): number[] {
  if (samples.length < count)
    return Array.from({ length: count }, () => samples[integer(next, samples.length)]!);
  const pool = [...samples];
  for (let i = 0; i < count; i++) {
    const j = i + integer(next, pool.length - i);
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  }
  return pool.slice(0, count);
}

/** Returns the samples of each non-empty class, by ascending label. */
function samplesByClass(labels: Int32Array): number[][] {
  return [...rowsByClass(labels)].sort(([a], [b]) => a - b).map(([, samples]) => samples);
}

function noStep(classes: number, views: number, batchSize: number): Error {
  const rows = classes * views;
  const fix = classes < 2 ? 'Add classes.' : `Use ${rows} or less, a multiple of ${views}.`;
  const message = `expected at most the ${rows} images of an epoch (${classes} class${classes === 1 ? '' : 'es'} x ${views} images), got ${batchSize}. ${fix}`;
  return coded('ERR_HOROBALL_NO_STEP', `[ClassBalancedSampler] batchSize: ${message}`, RangeError);
}

function checkInteger(argument: string, value: unknown, least: number): void {
  if (!Number.isInteger(value))
    throw typeError('ClassBalancedSampler', argument, 'an integer', quoted(value));
  if ((value as number) < least) {
    throw rangeError('ClassBalancedSampler', argument, `an integer of at least ${least}`, value);
  }
}
