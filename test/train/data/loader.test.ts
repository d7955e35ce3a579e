import { monitorEventLoopDelay } from 'node:perf_hooks';
import test, { type ExecutionContext } from 'ava';
import { readClasses } from '../../../lib/train/data/folder.ts';
import { ImageLoader, type ImageLoaderOptions } from '../../../lib/train/data/loader.ts';
import type { Split } from '../../../lib/train/data/types.ts';
import { all, encodedImage, temporary, writeClasses, writeTree } from './support.ts';

const training = { size: 16, mode: 'train', seed: 7 } as const;
const evaluation = { size: 16, mode: 'eval', resize: 20, seed: 7 } as const;
const two = [Int32Array.of(0, 1, 4, 5), Int32Array.of(8, 9, 2, 3)];

async function classes(t: ExecutionContext, broken: Record<string, string> = {}): Promise<Split> {
  const root = await temporary(t);
  await writeClasses(root, 3, 4);
  await writeTree(root, broken);
  return readClasses(root);
}

async function bytes(split: Split, options: ImageLoaderOptions, epoch = 0, lists = two): Promise<string[]> {
  const batches = await all(new ImageLoader(split, options).batches(lists, { epoch }));
  return batches.map(({ images }) => Buffer.from(images).toString('base64'));
}

test('batches come in order, with the labels and samples of their rows', async (t) => {
  const split = await classes(t);
  const batches = await all(new ImageLoader(split, evaluation).batches(two));
  t.deepEqual(
    batches.map(({ indices }) => [...indices]),
    [
      [0, 1, 4, 5],
      [8, 9, 2, 3],
    ],
  );
  t.deepEqual(
    batches.map(({ labels }) => [...labels]),
    [
      [0, 0, 1, 1],
      [2, 2, 0, 0],
    ],
  );
  for (const { images, count, size } of batches)
    t.deepEqual([images.length, count, size], [4 * 16 * 16 * 3, 4, 16]);
  const [alone] = await all(new ImageLoader(split, evaluation).batches([Int32Array.of(9)]));
  t.deepEqual(alone!.images, batches[1]!.images.slice(768, 2 * 768));
});

test('crops depend on seed, epoch and position, not on the concurrency', async (t) => {
  const split = await classes(t);
  const one = await bytes(split, { ...training, concurrency: 1 });
  t.deepEqual(await bytes(split, { ...training, concurrency: 5 }), one);
  t.notDeepEqual(await bytes(split, training, 1), one);
  t.notDeepEqual(await bytes(split, { ...training, seed: 8 }), one);
  const [first, second] = await bytes(split, training, 0, [Int32Array.of(0), Int32Array.of(0)]);
  t.not(first, second, 'two views of an image differ');
});

test('augmentation changes training images only, depends only on the seed, and does not change crops', async (t) => {
  const split = await classes(t);
  const augmentation = {
    colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
    randAugment: { numOps: 2, magnitude: 9 },
  };
  const one = await bytes(split, { ...training, augmentation, concurrency: 1 });
  t.deepEqual(await bytes(split, { ...training, augmentation, concurrency: 5 }), one);
  const plain = await bytes(split, training);
  t.notDeepEqual(one, plain);
  t.deepEqual(await bytes(split, { ...evaluation, augmentation }), await bytes(split, evaluation));
  const value = [1, 2, 3] as const;
  const erased = await bytes(split, { ...training, augmentation: { randomErasing: { p: 1, value } } });
  const pixels = (text: string): Buffer[] => {
    const all = Buffer.from(text, 'base64');
    return Array.from({ length: all.length / 3 }, (_, i) => all.subarray(3 * i, 3 * i + 3));
  };
  for (const [b, batch] of erased.entries()) {
    const before = pixels(plain[b]!);
    const changed = pixels(batch).filter((pixel, i) => !pixel.equals(before[i]!));
    t.true(changed.length > 16);
    t.true(changed.every((pixel) => pixel.equals(Buffer.from(value))));
  }
});

test('in training, another image of the class replaces a damaged one', async (t) => {
  const split = await classes(t, { 'class0/1.jpg': 'damaged', 'class1/0.jpg': '' });
  const run = async (concurrency: number) => {
    const loader = new ImageLoader(split, { ...training, concurrency });
    const batches = await all(loader.batches([...two, ...two]));
    return { batches, skipped: loader.skipped };
  };
  const { batches, skipped } = await run(1);
  t.deepEqual(await run(4), { batches, skipped });
  t.deepEqual(
    batches.map(({ labels }) => [...labels]),
    [
      [0, 0, 1, 1],
      [2, 2, 0, 0],
      [0, 0, 1, 1],
      [2, 2, 0, 0],
    ],
  );
  const used = batches.flatMap(({ indices }) => [...indices]);
  t.false(used.includes(1) || used.includes(4));
  t.deepEqual(
    skipped.map(({ path }) => path),
    [split.samples[1]!.path, split.samples[4]!.path],
  );
  t.true(skipped.every(({ reason }) => reason.length > 0));
});

test('in evaluation, a damaged image is omitted', async (t) => {
  const split = await classes(t, { 'class0/1.jpg': 'damaged' });
  const loader = new ImageLoader(split, evaluation);
  const [batch] = await all(loader.batches([Int32Array.of(0, 1, 4, 5)]));
  t.deepEqual([batch!.count, ...batch!.indices, ...batch!.labels], [3, 0, 4, 5, 0, 1, 1]);
  const [whole] = await all(new ImageLoader(split, evaluation).batches([Int32Array.of(0, 4, 5)]));
  t.deepEqual(batch!.images, whole!.images);
  t.is(loader.skipped.length, 1);
});

test('in evaluation, an image that is too long to be resized is omitted', async (t) => {
  const root = await temporary(t);
  const pixels = 2 ** 24;
  const bitmap = Buffer.concat([Buffer.from(`P4\n${pixels} 1\n`), Buffer.alloc(pixels / 8)]);
  const long = {
    'a/long.pbm': bitmap,
    'a/tall.pbm': Buffer.concat([Buffer.from(`P4\n1 ${pixels}\n`), Buffer.alloc(pixels)]),
  };
  await writeTree(root, { ...long, 'b/0.png': await encodedImage(1, 40, 30, 'png') });
  const split = await readClasses(root);
  const loader = new ImageLoader(split, evaluation);
  const [batch] = await all(loader.batches([Int32Array.of(0, 1, 2)]));
  t.deepEqual([...batch!.indices], [2]);
  t.deepEqual(
    loader.skipped.map(({ reason }) => reason),
    [
      `${pixels} x 1 pixels: resizing the shorter side to 20 would make the longer side exceed 268435456`,
      `1 x ${pixels} pixels: resizing the shorter side to 20 would make the longer side exceed 268435456`,
    ],
  );
});

test('a batch of damaged images is skipped; an error is thrown if all images are damaged', async (t) => {
  const broken = Object.fromEntries([0, 1, 2, 3].map((i) => [`class1/${i}.jpg`, 'damaged']));
  const split = await classes(t, broken);
  const lists = [Int32Array.of(4, 5), Int32Array.of(6, 8)];
  const batches = await all(new ImageLoader(split, evaluation).batches(lists));
  t.deepEqual(
    batches.map(({ indices }) => [...indices]),
    [[8]],
  );
  const nothing = all(new ImageLoader(split, evaluation).batches(lists.slice(0, 1)));
  await t.throwsAsync(nothing, {
    code: 'ERR_HOROBALL_PICTURE',
    message: /expected readable images, got none of 2\. Repair .*class1/,
  });
  t.deepEqual(await all(new ImageLoader(split, evaluation).batches([])), []);
});

test('a missing file counts as damaged; with strict, both are errors', async (t) => {
  const split = await classes(t, { 'class0/1.jpg': 'damaged' });
  split.samples[0]!.path += '.gone';
  const loader = new ImageLoader(split, evaluation);
  t.is((await all(loader.batches(two)))[0]!.count, 2);
  t.regex(loader.skipped[0]!.reason, /^no such file or folder$/);
  const strict = new ImageLoader(split, { ...evaluation, strict: true });
  await t.throwsAsync(all(strict.batches([Int32Array.of(1)])), {
    code: 'ERR_HOROBALL_PICTURE',
    message: /expected a readable image, got .*1\.jpg/,
  });
});

test('a class without a readable image ends training with an error that names it', async (t) => {
  const broken = Object.fromEntries([0, 1, 2, 3].map((i) => [`class1/${i}.jpg`, 'damaged']));
  const loader = new ImageLoader(await classes(t, broken), training);
  await t.throwsAsync(all(loader.batches(two)), {
    code: 'ERR_HOROBALL_PICTURE',
    message: /image of class class1, got none of 4\. Repair .*class1.0\.jpg \(the content is not JPEG/,
  });
});

test('a list of indices that was transferred is rejected with a code', async (t) => {
  const list = Int32Array.of(0);
  structuredClone(list.buffer, { transfer: [list.buffer] });
  const loader = new ImageLoader(await classes(t), evaluation);
  await t.throwsAsync(all(loader.batches([list])), { code: 'ERR_HOROBALL_DETACHED' });
});

test('aborting rejects immediately, and leaving the loop early stops prefetching', async (t) => {
  const split = await classes(t);
  const controller = new AbortController();
  let asked = 0;
  function* endless(): Generator<Int32Array> {
    for (;;) {
      asked++;
      yield two[0]!;
    }
  }
  const loader = new ImageLoader(split, training);
  const reading = async (): Promise<void> => {
    for await (const _ of loader.batches(endless(), { signal: controller.signal })) {
      if (asked > 5) controller.abort(new Error('enough'));
    }
  };
  await t.throwsAsync(reading(), { message: 'enough' });
  asked = 0;
  for await (const _ of loader.batches(endless())) break;
  t.true(asked <= 4);
  const late = loader.batches(two, { signal: AbortSignal.abort(new Error('too late')) });
  await t.throwsAsync(all(late), { message: 'too late' });
});

test('measures the waiting time, and decodes images while the caller works', async (t) => {
  const split = await classes(t);
  const loader = new ImageLoader(split, training);
  const batches = loader.batches([...two, ...two]);
  await batches.next();
  const first = loader.waitMs;
  t.true(first > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await batches.next();
  t.true(loader.waitMs - first < 100, 'the second batch was decoded in the meantime');
  await batches.return(undefined);
});

test('reading images of a usual size does not block the event loop', async (t) => {
  const root = await temporary(t);
  await writeClasses(root, 2, 8, 500, 375);
  const split = await readClasses(root);
  const lists = Array.from({ length: 8 }, () => Int32Array.from(split.samples.keys()));
  const loader = new ImageLoader(split, { ...training, size: 224, concurrency: 2 });
  await all(loader.batches(lists.slice(0, 1))); // loads the decoders first
  // Other processes can only lengthen the delay, so the minimum of a few runs estimates the loader's own delay best.
  let least = Infinity;
  for (let run = 0; run < 5 && least >= 20; run++) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    for await (const _ of loader.batches(lists));
    delay.disable();
    least = Math.min(least, delay.percentile(99) / 1e6);
  }
  t.true(least < 20, `p99 ${least} ms`);
});

test('a batch that does not fit in memory is an error with a code', async (t) => {
  const split = { classes: ['a'], samples: [{ path: 'a.png', label: 0 }] };
  const batches = new ImageLoader(split, { ...evaluation, size: 1e6, resize: 1e6 }).batches([
    Int32Array.of(0),
  ]);
  await t.throwsAsync(batches.next(), { code: 'ERR_HOROBALL_MEMORY' });
});

test('invalid sizes are rejected by name', (t) => {
  const split: Split = { classes: [], samples: [] };
  const make = (options: Partial<ImageLoaderOptions>) => () =>
    new ImageLoader(split, { ...evaluation, ...options });
  t.throws(make({ resize: 15 }), {
    code: 'ERR_HOROBALL_RANGE',
    message: /resize: expected size \(16\) or more/,
  });
  t.throws(make({ size: 0 }), { code: 'ERR_HOROBALL_RANGE', message: /size/ });
  t.throws(make({ concurrency: 0.5 }), { code: 'ERR_HOROBALL_RANGE', message: /concurrency/ });
  const jitter = { brightness: 0, contrast: 0, saturation: 0, hue: 0 };
  for (const [augmentation, code, message] of [
    [{ colorJitter: { ...jitter, hue: 0.6 } }, 'RANGE', /hue: expected a number from 0 to 0.5/],
    [{ colorJitter: { ...jitter, brightness: -1 } }, 'RANGE', /brightness/],
    [{ randAugment: { numOps: 2, magnitude: 31 } }, 'RANGE', /magnitude: expected an integer from 0 to 30/],
    [{ randomErasing: { p: 1.5, value: [0, 0, 0] } }, 'RANGE', /p: expected a number from 0 to 1/],
    [{ randomErasing: { p: 1, value: [0, 0, 256] } }, 'RANGE', /value: expected an integer from 0 to 255/],
    [{ mixup: 1 } as object, 'OPTION', /mixup/],
  ] as const)
    t.throws(make({ augmentation }), { code: `ERR_HOROBALL_${code}`, message });
});
