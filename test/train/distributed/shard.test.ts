import test from 'ava';
import { batchRanges, lengthOf, ranges } from '../../../lib/train/distributed/shard.ts';

test('ranges cover all items once, in order, and their lengths differ by at most 1', (t) => {
  for (const total of [0, 1, 3, 7, 64, 1001]) {
    for (const size of [1, 2, 3, 8, 13]) {
      const parts = ranges(total, size);
      t.is(parts.length, size);
      t.is(parts[0]!.first, 0);
      t.is(parts.at(-1)!.end, total);
      for (const [i, { first }] of parts.slice(1).entries()) t.is(first, parts[i]!.end);
      const lengths = parts.map(lengthOf);
      t.true(Math.max(...lengths) - Math.min(...lengths) <= 1, `${lengths}`);
    }
  }
});

test('a batch is divided between classes, never within a class', (t) => {
  t.deepEqual(batchRanges(30, 2, 4), [
    { first: 0, end: 6 },
    { first: 6, end: 14 },
    { first: 14, end: 22 },
    { first: 22, end: 30 },
  ]);
  for (const { first, end } of batchRanges(36, 4, 4)) t.is((end - first) % 4, 0);
});
