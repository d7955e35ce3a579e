import test from 'ava';
import { parseConfig } from '../../lib/train/config.ts';
import { Feed } from '../../lib/train/feed.ts';
import { Learner } from '../../lib/train/learner.ts';
import { settled } from '../../lib/train/settle.ts';
import type { Pictures } from '../../lib/train/source.ts';
import { memory } from '../../lib/train/tensor.ts';
import { pictures, tinyBatch } from './helpers.ts';
import { tinyRun } from './tiny-data.ts';

/** Three batches; notes how many were taken and whether the source was closed. */
function source(): { batches: AsyncGenerator<Pictures>; taken: number[]; closed: boolean } {
  async function* make(): AsyncGenerator<Pictures> {
    try {
      for (let i = 0; i < 3; i++) {
        made.taken.push(i);
        yield { images: pictures(2, i), count: 2, size: 16, labels: Int32Array.of(i, i) };
      }
    } finally {
      made.closed = true;
    }
  }
  const made = { batches: make(), taken: [] as number[], closed: false };
  return made;
}

const firstLabel = ({ labels }: Pictures): number => labels[0]!;

test.serial('what was sent ahead is handed out once, in order, and disposed of by its owner', async (t) => {
  const before = memory().handles;
  const made = source();
  const feed = new Feed(
    made.batches,
    () => {},
    () => tinyBatch(2),
  );
  const seen: [number, boolean][] = [];
  for (let fed = await feed.next(); fed !== null; fed = await feed.next()) {
    seen.push([firstLabel(fed.pictures), fed.batch !== null]);
    await feed.ahead();
    await feed.ahead(); // one is enough
    t.is(made.taken.length, Math.min(3, seen.length + 1));
    fed[Symbol.dispose]();
  }
  t.deepEqual(seen, [
    [0, false],
    [1, true],
    [2, true],
  ]);
  t.is(memory().handles, before);
});

test.serial('a run that stops disposes of what is under way and closes the source', async (t) => {
  const before = memory().handles;
  const made = source();
  {
    await using feed = new Feed(
      made.batches,
      () => {},
      () => tinyBatch(2),
    );
    (await feed.next())![Symbol.dispose]();
    await feed.ahead();
    t.is(memory().handles, before + 1);
  }
  t.true(made.closed);
  t.is(memory().handles, before);
});

test('without a way to the device nothing is taken ahead', async (t) => {
  const made = source();
  await using feed = new Feed(made.batches, () => {}, null);
  const fed = await feed.next();
  await feed.ahead();
  t.is(fed!.batch, null);
  t.deepEqual(made.taken, [0]);
});

test('pictures that do not fit are refused before they are sent', async (t) => {
  const refuse = ({ labels }: Pictures): void => {
    if (labels[0] === 1) throw new RangeError('no');
  };
  await using feed = new Feed(source().batches, refuse, () => {
    throw new Error('sent');
  });
  t.is(firstLabel((await feed.next())!.pictures), 0);
  await t.throwsAsync(feed.ahead(), { message: 'no' });
});

test.serial(
  "a batch that is under way gives the embeddings of its pictures, and stays its owner's",
  async (t) => {
    const config = await settled(parseConfig({ ...tinyRun, path: '.', runs: null, weights: null }));
    using learner = await Learner.create(config);
    const { crop: size } = config;
    const given = { images: pictures(4, 1, size), count: 4, size, labels: Int32Array.of(0, 0, 1, 1) };
    using batch = learner.batch(given);
    using sent = learner.embed(given, batch);
    using plain = learner.embed(given);
    t.deepEqual(await sent.hyperbolic.data(), await plain.hyperbolic.data());
    t.false(batch.disposed);
  },
);
