import test from 'ava';
import fc from 'fast-check';
import { ClassBalancedSampler } from '../../../lib/train/data/sampler.ts';

/** Interleaved labels with the given number of samples per class. */
function labelsOf(counts: readonly number[]): Int32Array {
  const pairs = counts.flatMap((count, label) =>
    Array.from({ length: count }, (_, i) => [i, label] as const),
  );
  return Int32Array.from(pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, label]) => label));
}

test('an epoch contains each class once, with different samples if there are enough', (t) => {
  const counts = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 4, maxLength: 30 });
  const views = fc.integer({ min: 2, max: 4 });
  const property = fc.property(
    counts,
    views,
    fc.integer(),
    fc.nat(1000),
    (sizes, samplesPerClass, seed, epoch) => {
      const labels = labelsOf(sizes);
      const batchSize = 3 * samplesPerClass;
      const sampler = new ClassBalancedSampler(labels, { samplesPerClass, batchSize, seed });
      const batches = sampler.epoch(epoch);
      if (sampler.steps !== Math.floor(sizes.length / 3) || batches.length !== sampler.steps) return false;
      const seen = new Set<number>();
      for (const batch of batches) {
        if (batch.length !== batchSize) return false;
        for (let row = 0; row < batchSize; row += samplesPerClass) {
          const group = [...batch.subarray(row, row + samplesPerClass)];
          const label = labels[group[0]!]!;
          if (seen.has(label) || group.some((sample) => labels[sample] !== label)) return false;
          if (sizes[label]! >= samplesPerClass && new Set(group).size !== samplesPerClass) return false;
          seen.add(label);
        }
      }
      return true;
    },
  );
  t.notThrows(() => fc.assert(property, { seed: 1 }));
});

test('an epoch depends only on the seed and its number', (t) => {
  const labels = labelsOf(Array.from({ length: 20 }, () => 5));
  const make = (seed: number): ClassBalancedSampler =>
    new ClassBalancedSampler(labels, { samplesPerClass: 2, batchSize: 10, seed });
  t.deepEqual(make(1).epoch(3), make(1).epoch(3));
  t.notDeepEqual(make(1).epoch(3), make(1).epoch(4));
  t.notDeepEqual(make(1).epoch(3), make(2).epoch(3));
});

test('over many epochs, all classes and samples are drawn equally often', (t) => {
  const labels = labelsOf([4, 4, 4, 4, 4, 4, 4]);
  const sampler = new ClassBalancedSampler(labels, { samplesPerClass: 2, batchSize: 6, seed: 9 });
  const drawn = new Uint32Array(labels.length);
  for (let epoch = 0; epoch < 2000; epoch++)
    for (const batch of sampler.epoch(epoch)) for (const i of batch) drawn[i]!++;
  const expected = (2000 * 2 * 6) / labels.length; // 6 of the 7 classes fit in the two batches of an epoch
  for (const count of drawn) t.true(Math.abs(count - expected) < 5 * Math.sqrt(expected), String(count));
});

test('a class with one image uses it for every view', (t) => {
  const sampler = new ClassBalancedSampler(Int32Array.of(0, 1, 1), {
    samplesPerClass: 2,
    batchSize: 4,
    seed: 1,
  });
  const rows = [...sampler.epoch(0)[0]!].sort();
  t.deepEqual(rows, [0, 0, 1, 2]);
});

test('Cars-196 is too small for the published batch size, and the error names a size that works', (t) => {
  const labels = labelsOf(Array.from({ length: 98 }, () => 40));
  const make = (batchSize: number): ClassBalancedSampler =>
    new ClassBalancedSampler(labels, { samplesPerClass: 9, batchSize, seed: 1 });
  const error = t.throws(() => make(900), { instanceOf: RangeError, code: 'ERR_HOROBALL_NO_STEP' });
  t.regex(
    error.message,
    /882 images of an epoch \(98 classes x 9 images\), got 900\. Use 882 or less, a multiple of 9/,
  );
  t.is(make(882).steps, 1);
});

test('the error for a single class does not name a batch size, because training needs two classes', (t) => {
  const make = () => new ClassBalancedSampler(labelsOf([40]), { samplesPerClass: 2, batchSize: 8, seed: 1 });
  t.throws(make, { message: /2 images of an epoch \(1 class x 2 images\), got 8\. Add classes\.$/ });
});

test('invalid options are rejected by name', (t) => {
  const make = (options: Record<string, unknown>) => () =>
    new ClassBalancedSampler(Int32Array.of(0, 0), { samplesPerClass: 2, batchSize: 2, seed: 1, ...options });
  t.throws(make({ batchSize: 3 }), { code: 'ERR_HOROBALL_RANGE', message: /batchSize: expected a multiple/ });
  t.throws(make({ samplesPerClass: 2 ** 25, batchSize: 2 ** 25 }), {
    code: 'ERR_HOROBALL_RANGE',
    message: /batchSize: expected an integer of at most 16777216/,
  });
  t.throws(make({ samplesPerClass: 1 }), { code: 'ERR_HOROBALL_RANGE', message: /samplesPerClass/ });
  t.throws(make({ samplesPerClass: 1.5 }), { code: 'ERR_HOROBALL_TYPE', message: /samplesPerClass/ });
  t.throws(make({ seed: 0.5 }), { code: 'ERR_HOROBALL_TYPE', message: /seed/ });
});
