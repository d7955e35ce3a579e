// The ranks of a group divide the queries of an evaluation without changing its results.
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Evaluation } from '../../../lib/train/index.ts';
import { networkError } from '../../tolerances.ts';
import { startRanks, success } from './ranks.ts';

const child = fileURLToPath(new URL('./rank-child.js', import.meta.url));

/** All numbers of an evaluation. */
const numbers = (value: unknown): number[] =>
  typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbers) : [Number(value)];

for (const [what, ...options] of [
  ['37 images, each a query', '37'],
  ['a gallery, with 11 queries', '37', '11'],
  ['fewer queries than ranks', '20', '2'],
] as const)
  test(`three ranks measure the same values as one process: ${what}`, async (t) => {
    const command = [child, 'evaluation', '20', ...options];
    const one = JSON.parse(await success(await startRanks(null, command))) as Evaluation;
    t.true(one.spaces.cosine.at['2']! > 0 && one.spaces.cosine.at['1']! < 1);
    t.is(one.spaces.cosine.strict.length, options.length === 1 ? 1 : 0);
    const ranks = await startRanks(3, command);
    await success(ranks);
    for (const { end } of ranks) {
      const several = JSON.parse((await end).stdout) as Evaluation;
      t.deepEqual(Object.keys(several.spaces), Object.keys(one.spaces));
      const [got, expected] = [numbers(several), numbers(one)];
      t.is(got.length, expected.length);
      for (const [i, value] of expected.entries())
        t.true(Math.abs(got[i]! - value) < networkError.dividedMetrics, `${got[i]}, ${value}`);
    }
  });
