import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { inParallel } from '../../../lib/train/data/parallel.ts';

test('processes every index once, with limited concurrency', async (t) => {
  const done: number[] = [];
  let [active, most] = [0, 0];
  await inParallel(10, 3, async (index) => {
    most = Math.max(most, ++active);
    await setTimeout(1);
    active--;
    done.push(index);
  });
  t.is(most, 3);
  t.deepEqual(
    done.sort((a, b) => a - b),
    Array.from({ length: 10 }, (_, i) => i),
  );
});

test('an error stops further work, and is thrown when the work in progress has ended', async (t) => {
  const [begun, ended]: [number[], number[]] = [[], []];
  const work = inParallel(10, 2, async (index) => {
    begun.push(index);
    if (index === 1) throw new Error('broken');
    await setTimeout(20);
    ended.push(index);
  });
  await t.throwsAsync(work, { message: 'broken' });
  t.deepEqual([begun, ended], [[0, 1], [0]]);
});
