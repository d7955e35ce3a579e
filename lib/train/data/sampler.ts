import { coded, rangeError, typeError } from '../../errors.ts';
import { integer, random, shuffle } from '../../random.ts';
import { rowsByClass } from '../../views.ts';

/** See {@link ClassBalancedSampler}. */
export interface SamplerOptions {
  /** Pictures (views) of each class in a batch; 2 or more. */
  samplesPerClass: number;
  /** Rows of a batch: a multiple of `samplesPerClass`. */
  batchSize: number;
  /** Any integer; equal seeds give equal batches. */
  seed: number;
}

/**
 * The published sampler: an epoch takes every class once, in a random order, with `samplesPerClass` different
 * pictures of each (the same one again only where the class has fewer); an incomplete last batch is dropped.
 * An epoch's batches are a pure function of the seed and the epoch's number, so a run can be resumed anywhere.
 */
export class ClassBalancedSampler {
  /** Batches in an epoch. */
  readonly steps: number;
  readonly #classes: number[][];
  readonly #views: number;
  readonly #perBatch: number;
  readonly #seed: number;

  /**
   * @param labels - the class of each sample: integers from 0
   * @throws `ERR_HOROBALL_NO_STEP` when the classes do not fill one batch, naming a size that works
   */
  constructor(labels: Int32Array, { samplesPerClass, batchSize, seed }: SamplerOptions) {
    checkInteger('samplesPerClass', samplesPerClass, 2);
    checkInteger('batchSize', batchSize, samplesPerClass);
    if (!Number.isSafeInteger(seed)) throw typeError('ClassBalancedSampler', 'seed', 'an integer', seed);
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
  }

  /** The batches of epoch `n`: sample indices, class by class (row = class * samplesPerClass + view). */
  epoch(n: number): Int32Array[] {
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

/** `count` of the samples: without replacement where there are enough, else each drawn independently. */
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

/** The samples of each class that has any, by rising label. */
function samplesByClass(labels: Int32Array): number[][] {
  return [...rowsByClass(labels)].sort(([a], [b]) => a - b).map(([, samples]) => samples);
}

function noStep(classes: number, views: number, batchSize: number): Error {
  const rows = classes * views;
  const advice =
    rows === 0 ? 'there are no samples' : `use a batch of ${rows} or fewer, a multiple of ${views}`;
  const message = `an epoch has ${classes} classes x ${views} = ${rows} pictures, less than one batch of ${batchSize}: ${advice}`;
  return coded('ERR_HOROBALL_NO_STEP', `[ClassBalancedSampler] batchSize: ${message}`, RangeError);
}

function checkInteger(argument: string, value: unknown, least: number): void {
  if (!Number.isInteger(value)) throw typeError('ClassBalancedSampler', argument, 'an integer', value);
  if ((value as number) < least) {
    throw rangeError('ClassBalancedSampler', argument, `an integer of ${least} or more`, value);
  }
}
