import test from 'ava';
import type { LabeledBatch } from '../../../lib/train/data/types.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { Feed } from '../../../lib/train/run/feed.ts';
import { Learner } from '../../../lib/train/run/learner.ts';
import { normalizeOptions } from '../../../lib/train/run/normalize.ts';
import { randomImages, tinyBatch } from '../helpers.ts';
import { tinyRun } from '../tiny-data.ts';

/** Returns a source of three batches, which records the batches taken and whether it was closed. */
function source(): { batches: AsyncGenerator<LabeledBatch>; taken: number[]; closed: boolean } {
  async function* make(): AsyncGenerator<LabeledBatch> {
    try {
      for (let i = 0; i < 3; i++) {
        made.taken.push(i);
        yield { images: randomImages(2, i), count: 2, size: 16, labels: Int32Array.of(i, i) };
      }
    } finally {
      made.closed = true;
    }
  }
  const made = { batches: make(), taken: [] as number[], closed: false };
  return made;
}

const firstLabel = ({ labels }: LabeledBatch): number => labels[0]!;

test.serial('returns prefetched batches once, in order; the caller disposes of them', async (t) => {
  const before = memory().handles;
  const made = source();
  const feed = new Feed(
    made.batches,
    () => {},
    () => tinyBatch(2),
  );
  const seen: [number, boolean][] = [];
  for (let item = await feed.next(); item !== null; item = await feed.next()) {
    seen.push([firstLabel(item.samples), item.prefetched !== null]);
    await feed.prefetch();
    await feed.prefetch(); // has no effect: one batch is prefetched at most
    t.is(made.taken.length, Math.min(3, seen.length + 1));
    item[Symbol.dispose]();
  }
  t.deepEqual(seen, [
    [0, false],
    [1, true],
    [2, true],
  ]);
  t.is(memory().handles, before);
});

test.serial('a run that stops disposes of pending batches and closes the source', async (t) => {
  const before = memory().handles;
  const made = source();
  {
    await using feed = new Feed(
      made.batches,
      () => {},
      () => tinyBatch(2),
    );
    (await feed.next())![Symbol.dispose]();
    await feed.prefetch();
    t.is(memory().handles, before + 1);
  }
  t.true(made.closed);
  t.is(memory().handles, before);
});

test('without a transfer, prefetches nothing', async (t) => {
  const made = source();
  await using feed = new Feed(made.batches, () => {}, null);
  const item = await feed.next();
  await feed.prefetch();
  t.is(item!.prefetched, null);
  t.is(item!.count, 2);
  t.deepEqual(made.taken, [0]);
});

test('rejects a batch before it is sent to the device', async (t) => {
  const refuse = ({ labels }: LabeledBatch): void => {
    if (labels[0] === 1) throw new RangeError('no');
  };
  await using feed = new Feed(source().batches, refuse, () => {
    throw new Error('sent');
  });
  t.is(firstLabel((await feed.next())!.samples), 0);
  await t.throwsAsync(feed.prefetch(), { message: 'no' });
});

test.serial('embeds a prefetched batch, and leaves its disposal to the owner', async (t) => {
  const config = await normalizeOptions(parseConfig({ ...tinyRun, path: '.', runs: null, weights: null }));
  using learner = await Learner.create(config);
  const { crop: size } = config;
  const given = { images: randomImages(4, 1, size), count: 4, size, labels: Int32Array.of(0, 0, 1, 1) };
  using batch = learner.batch(given);
  using sent = await learner.embed(given, batch);
  using plain = await learner.embed(given);
  t.deepEqual(await sent.hyperbolic.data(), await plain.hyperbolic.data());
  t.false(batch.disposed);
});
