import test from 'ava';
import { asRank } from '../../../lib/train/distributed/as-rank.ts';
import { type RankGroup, singleProcess } from '../../../lib/train/lane/group.ts';

/** A group that records the calls that end it. */
function recorded(): { group: RankGroup; calls: string[] } {
  const calls: string[] = [];
  const group: RankGroup = {
    ...singleProcess,
    fail: (message) => void calls.push(`fail: ${message}`),
    close: async () => void calls.push('close'),
  };
  return { group, calls };
}

test("does not close the caller's group", async (t) => {
  const { group, calls } = recorded();
  t.is(await asRank(group, async (given) => (given === group ? 5 : 0)), 5);
  t.deepEqual(calls, []);
});

test('an error is reported to the other ranks, unless it came from one of them', async (t) => {
  const { group, calls } = recorded();
  const failing = (error: unknown): Promise<unknown> =>
    asRank(group, async () => {
      throw error;
    });
  await t.throwsAsync(failing(new Error('full')), { message: 'full' });
  t.is(await failing('text').catch((error: unknown) => error), 'text');
  t.is(await failing(null).catch((error: unknown) => error), null);
  const other = Object.assign(new Error('rank 1 ended'), { code: 'ERR_HOROBALL_RANK' });
  await t.throwsAsync(failing(other), { is: other });
  t.deepEqual(calls, ['fail: full', 'fail: text', 'fail: null']);
});

test('null and an environment without a group mean a single process', async (t) => {
  t.is(process.env['WORLD_SIZE'], undefined);
  for (const given of [null, undefined]) t.is(await asRank(given, async (group) => group), singleProcess);
});
