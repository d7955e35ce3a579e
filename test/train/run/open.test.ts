import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type RankGroup, singleProcess } from '../../../lib/train/lane/group.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import type { RunConfig } from '../../../lib/train/options/options.ts';
import { Listeners } from '../../../lib/train/run/hooks.ts';
import { runHolder } from '../../../lib/train/run/lock.ts';
import { withRun } from '../../../lib/train/run/open.ts';
import { planRun } from '../../../lib/train/run/plan.ts';
import type { StepRow } from '../../../lib/train/run/record.ts';
import { train } from '../../../lib/train/train.ts';
import { tinyRun } from '../tiny-data.ts';
import { testOnImages } from './on-images.ts';

const test = testOnImages(2);
const silent = new Listeners([]);
const alone = { group: singleProcess };
const twoRanks: RankGroup = { ...singleProcess, size: 2, place: { ...singleProcess.place, size: 2 } };

test.serial('locks the folder of a new run while it is open, and leaves no handle', async (t) => {
  const { root: path, runs } = t.context;
  const before = memory().handles;
  const plan = await planRun({ ...tinyRun, path, runs, name: 'new' });
  const folder = await withRun(plan, silent, alone, async ({ store, state, isNew, isResumed }) => {
    t.deepEqual([state.step, isNew, isResumed], [0, true, false]);
    t.truthy(await runHolder(store.folder!));
    return store.folder!;
  });
  t.is(folder, join(runs, 'new'));
  t.is(await runHolder(folder), null);
  t.is(memory().handles, before);
});

test.serial('resumes a run from its checkpoint, up to its number of epochs', async (t) => {
  const { root: path, runs } = t.context;
  const controller = new AbortController();
  const onStep = ({ step }: StepRow): void => {
    if (step === 3) controller.abort();
  };
  const options = { ...tinyRun, path, runs, name: 'begun', ep: 9, eval_ep: '[]' };
  await train(options, { signal: controller.signal, onStep });
  const open = async (options: Partial<RunConfig>): Promise<void> => {
    const resumed = await planRun(options, { resume: join(runs, 'begun') });
    await withRun(resumed, silent, alone, async ({ state, isNew, isResumed }) => {
      t.deepEqual([state.step, isNew, isResumed], [3, false, true]);
    });
  };
  await open({});
  await t.throwsAsync(open({ ep: 2 }), {
    code: 'ERR_HOROBALL_CONFIG',
    message: /ep: expected enough epochs for the 3 steps .* got 2 steps in total\./,
  });
});

test.serial('an error while a run is open unlocks its folder', async (t) => {
  const { root: path, runs } = t.context;
  const plan = await planRun({ ...tinyRun, path, runs, name: 'failed' });
  const failed = withRun(plan, silent, alone, async () => {
    throw new Error('not now');
  });
  await t.throwsAsync(failed, { message: 'not now' });
  t.is(await runHolder(join(runs, 'failed')), null);
});

test.serial('rejects runs that a group of ranks cannot train', async (t) => {
  const { root: path, runs } = t.context;
  const open = async (options: Partial<RunConfig>, group: RankGroup, data?: AsyncIterable<never>) => {
    const plan = await planRun({ ...tinyRun, path, runs: null, ...options });
    return await withRun(plan, silent, { group, data }, async () => t.fail());
  };
  await t.throwsAsync(open({ bs: 4 }, { ...twoRanks, size: 3 }), {
    code: 'ERR_HOROBALL_CONFIG',
    message: /bs: expected at least 6 images \(one class of \d+ for each of \d+ ranks\), got 4/,
  });
  async function* none(): AsyncGenerator<never> {}
  await t.throwsAsync(open({ loss: 'proxy-nca' }, twoRanks), {
    code: 'ERR_HOROBALL_CONFIG',
    message: /loss: expected a loss without proxies for 2 ranks, got proxy-nca/,
  });
  await t.throwsAsync(open({ loss: 'proxy-nca' }, singleProcess, none()), {
    code: 'ERR_HOROBALL_CONFIG',
    message: /loss: expected a loss without proxies for batches without a data set/,
  });
  await t.throwsAsync(open({}, twoRanks, none()), {
    code: 'ERR_HOROBALL_OPTION',
    message: /data: expected a data set for a group of ranks/,
  });
  const otherStep = { ...twoRanks, rank: 1, share: async () => '7' };
  const plan = await planRun({}, { resume: join(runs, 'begun') });
  const resumed = withRun(plan, silent, { group: otherStep }, async () => t.fail());
  await t.throwsAsync(resumed, {
    code: 'ERR_HOROBALL_CHECKPOINT',
    message: /expected the checkpoint of step 7 in .*begun, as on rank 0, got step 3 on rank 1/,
  });
  const otherRun = { ...twoRanks, rank: 1, share: async () => '3' };
  await t.throwsAsync(
    withRun(plan, silent, { group: otherRun }, async () => t.fail()),
    {
      code: 'ERR_HOROBALL_CHECKPOINT',
      message:
        /expected the checkpoint of step 3 in .*begun, as on rank 0, got another checkpoint of that step on rank 1/,
    },
  );
  t.false((await readdir(join(runs, 'begun'))).includes('.training'));
  await t.throwsAsync(open({}, { ...twoRanks, rank: 1, share: async () => '7' }), {
    code: 'ERR_HOROBALL_CONFIG',
    message: /path: expected the data set of rank 0, got .* on rank 1, with other images or in another order/,
  });
});

test.serial('a run whose loss depends on the number of ranks resumes only with that number', async (t) => {
  const { root: path, runs } = t.context;
  const begin = async (name: string, options: Partial<RunConfig>): Promise<void> => {
    const controller = new AbortController();
    const onStep = (): void => controller.abort();
    const given = { ...tinyRun, path, runs, name, ep: 9, eval_ep: '[]', ...options };
    await train(given, { signal: controller.signal, onStep });
  };
  const ranks = /ranks: expected 1, the number of processes that the run started with, got 2/;
  for (const [name, options, message] of [
    ['own-images', { compat: 'hypmix' }, ranks],
    ['all-images', {}, /group/], // refused later: `twoRanks` is not a process group
    ['other-loss', { compat: 'hypmix', loss: 'supcon-in' }, /group/],
  ] as const) {
    await begin(name, options);
    const plan = await planRun({}, { resume: join(runs, name) });
    const resumed = withRun(plan, silent, { group: twoRanks }, async () => t.fail());
    await t.throwsAsync(resumed, { message }, name);
    await withRun(plan, silent, alone, async ({ isResumed }) => t.true(isResumed));
  }
});
