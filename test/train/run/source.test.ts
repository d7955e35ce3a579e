import test from 'ava';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { augmentationOf, checkBatch, iterableSource, openSource } from '../../../lib/train/run/source.ts';
import { all, temporary, writeClasses } from '../data/support.ts';

const small = { ds: 'folder', bs: 4, num_samples: 2, crop: 16, resize: 16, ep: 3, workers: 2 };

test('a resumed source gives the remaining batches of an uninterrupted one', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 8, 3);
  const config = parseConfig({ ...small, path });
  const source = await openSource(config);
  t.deepEqual([source.epochSteps, source.steps], [2, 6]);
  const whole = await all(source.batches(0));
  const rest = await all((await openSource(config)).batches(3));
  t.is(whole.length, 6);
  t.deepEqual(rest, whole.slice(3));
});

test('shuffled labels keep the number of images per class', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 8, 3);
  const first = async (shuffle_labels: boolean) =>
    (await all((await openSource(parseConfig({ ...small, path, ep: 1, shuffle_labels }))).batches(0)))[0]!;
  const [plain, shuffled] = [await first(false), await first(true)];
  t.deepEqual(shuffled.labels, plain.labels);
  t.notDeepEqual(shuffled.images, plain.images);
});

for (const [options, warning] of [
  [{ compat: 'hypmix', hyp_c: 0.95 }, /c = 0\.95 are close to the boundary of the ball, .* meaningless/],
  [{ compat: 'hypmix', hyp_c: 1 }, /c = 1 are on the boundary/],
  [{ compat: 'hypmix', hyp_c: 2 }, /c = 2 are outside the boundary/],
  [{ ep: 2, eval_ep: '[50]' }, /contains no epoch up to ep \(2\)/],
] as const) {
  test(`${JSON.stringify(options)} gives a warning`, async (t) => {
    const path = await temporary(t);
    await writeClasses(path, 8, 3);
    const { warnings } = await openSource(parseConfig({ ...small, path, ...options }));
    t.regex(warnings.join('\n'), warning);
  });
}

test('passes augmentation options to the loader', (t) => {
  t.deepEqual(augmentationOf(parseConfig()), {});
  const given = { color_jitter: '0.4,0.3,0.2,0.1', rand_augment: '[3,12]', random_erasing: 0.25 };
  t.deepEqual(augmentationOf(parseConfig({ ...given, model: 'dino_vits16', crop: 224, resize: 224 })), {
    colorJitter: { brightness: 0.4, contrast: 0.3, saturation: 0.2, hue: 0.1 },
    randAugment: { numOps: 3, magnitude: 12 },
    randomErasing: { p: 0.25, value: [124, 116, 104] },
  });
});

test('the error for a batch that is too large names the option', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 8, 3);
  await t.throwsAsync(openSource(parseConfig({ ...small, path, bs: 64 })), {
    code: 'ERR_HOROBALL_NO_STEP',
    message: /^\[train\] bs: expected at most the 8 images/,
  });
});

test('a resumed run skips the custom batches that it has already used', async (t) => {
  async function* numbers(): AsyncGenerator<never> {
    for (const count of [0, 1, 2]) yield { count } as never;
  }
  const left = await all(iterableSource(numbers()).batches(2));
  t.deepEqual(
    left.map(({ count }) => count),
    [2],
  );
});

test('custom batches that end before a resumed run has new ones are reported', async (t) => {
  const left = async (count: number): Promise<string> => {
    async function* batches(): AsyncGenerator<never> {
      for (let i = 0; i < count; i++) yield {} as never;
    }
    const notes: string[] = [];
    t.is(
      (await all(iterableSource(batches(), (text) => void notes.push(text)).batches(3))).length,
      count > 3 ? 1 : 0,
    );
    return notes.join();
  };
  t.is(await left(4), '');
  t.regex(await left(3), /^data ended after 3 batches, so the run took no further step; a resumed run skips/);
  await t.throwsAsync(left(2), {
    code: 'ERR_HOROBALL_CONFIG',
    message:
      /^\[train\] data: expected at least 3 batches \(steps already taken\), got 2: a resumed run skips/,
  });
  const notes: string[] = [];
  t.deepEqual(
    await all(iterableSource((async function* () {})(), (text) => void notes.push(text)).batches(0)),
    [],
  );
  t.deepEqual(notes, []);
});

test('a custom batch of another size is rejected', (t) => {
  const config = parseConfig(small);
  const batch = { images: new Uint8Array(2 * 16 * 16 * 3), count: 2, size: 16, labels: Int32Array.of(0, 0) };
  t.notThrows(() => checkBatch(batch, config));
  for (const change of [{ size: 8 }, { count: 3 }, { labels: Int32Array.of(0) }])
    t.throws(() => checkBatch({ ...batch, ...change }, config), { code: 'ERR_HOROBALL_SHAPE' });
});

test('batches whose iterator never closes end after a few seconds, with a warning', async (t) => {
  const notes: string[] = [];
  const hanging = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ value: {} as never, done: false }),
      return: () => new Promise<never>(() => {}),
    }),
  };
  const batches = iterableSource(hanging, (text) => void notes.push(text))
    .batches(0)
    [Symbol.asyncIterator]();
  await batches.next();
  t.true((await batches.return!()).done);
  t.regex(notes.join(), /^data did not close within 5 s/);
});

test('custom batches are copied, and their iterator is checked', async (t) => {
  const labels = Int32Array.of(0, 0);
  let reads = 0;
  const batch = { images: new Uint8Array(6), count: 2, size: 1, whole: 5, ...{ extra: true } };
  Object.defineProperty(batch, 'labels', { get: () => (reads++ === 0 ? labels : 'others') });
  const ends = [{ value: batch }, { value: batch, done: 1 }]; // any truthy value means that there are no more
  const source = (iterator: unknown) =>
    iterableSource({ [Symbol.asyncIterator]: () => iterator as never }).batches(0);
  t.deepEqual(await all(source({ next: async () => ends.shift(), return: 5 })), [
    { images: batch.images, count: 2, size: 1, labels },
  ]);
  for (const iterator of [{}, { next: 5 }, null, 5, { next: () => null }, { next: () => ({ value: 5 }) }])
    await t.throwsAsync(all(source(iterator)), { code: 'ERR_HOROBALL_TYPE', message: /^\[train\] data: / });
});

test('an error on closing batches is thrown', async (t) => {
  async function* broken(): AsyncGenerator<never> {
    try {
      yield {} as never;
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: the test is about this error
      throw new RangeError('the camera is stuck');
    }
  }
  const batches = iterableSource(broken()).batches(0)[Symbol.asyncIterator]();
  await batches.next();
  await t.throwsAsync(async () => await batches.return!(), { message: 'the camera is stuck' });
});
