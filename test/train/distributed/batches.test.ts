// The concatenated batches of the ranks equal those of a single process.
import { join } from 'node:path';
import test from 'ava';
import type { Place } from '../../../lib/train/lane/group.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { openSource, type StepBatch } from '../../../lib/train/run/source.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';

const placeOf = (rank: number, size: number): Place => ({
  ...{ rank, size, localRank: rank, localSize: size },
  ...{ host: '127.0.0.1', port: 1, launched: false, restarts: 0 },
});

test('ranks take the same images, crops and labels as one process, from any step on', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  await writeImages(join(path, 'images'), classNames(32), 4);
  // 16 training classes give two steps per epoch; the 8 classes of a batch cannot be divided equally among 3 ranks.
  const config = parseConfig({ ...tinyRun, path: join(path, 'images'), bs: 16, ep: 3 });
  const batches = async (place: Place | undefined, done: number): Promise<StepBatch[]> => {
    const list: StepBatch[] = [];
    for await (const batch of (await openSource(config, place)).batches(done)) list.push(batch);
    return list;
  };
  for (const done of [0, 3]) {
    const one = await batches(undefined, done);
    const ranks = await Promise.all([0, 1, 2].map((rank) => batches(placeOf(rank, 3), done)));
    t.is(one.length, 6 - done);
    for (const [step, { images, labels }] of one.entries()) {
      const parts = ranks.map((list) => list[step]!);
      t.deepEqual(Buffer.concat(parts.map((part) => part.images)), Buffer.from(images));
      t.deepEqual(
        parts.flatMap((part) => [...part.labels]),
        [...labels],
      );
      for (const { whole, count } of parts) {
        t.deepEqual(whole!.labels, labels);
        t.deepEqual(whole!.counts, [4, 6, 6]);
        t.true(whole!.counts.includes(count));
      }
    }
  }
});
