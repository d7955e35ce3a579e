import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { lockRun } from '../../../lib/train/run/lock.ts';
import { planRun, readLastCheckpoint } from '../../../lib/train/run/plan.ts';
import { temporary, writeTree } from '../data/support.ts';
import { stepRow } from '../fake-run.ts';

const given = { model: 'vit_nano', weights: null, seed: 3 };
const stored = (options: object = {}): string => JSON.stringify(parseConfig({ ...given, ...options }));

test('plans a new run without resume, or if no run has the same options', async (t) => {
  const runs = await temporary(t);
  await writeTree(runs, { 'other/config.json': stored({ seed: 4 }) });
  for (const resume of [null, undefined, 'auto'])
    t.is((await planRun({ ...given, runs }, { resume })).folder, null);
});

test('auto finds the newest unfinished run with the same options, except those that may change', async (t) => {
  const runs = await temporary(t);
  await writeTree(runs, { 'a/config.json': stored(), 'b/config.json': stored({ workers: 7 }) });
  await utimes(join(runs, 'a/config.json'), 1, 1);
  t.is((await planRun({ ...given, runs }, { resume: 'auto' })).folder, join(runs, 'b'));
});

test('notes that random weights are frozen, as with the published defaults', async (t) => {
  const notes = async (options: object): Promise<string> => {
    const texts: string[] = [];
    const folder = { ds: 'folder', path: 'images', model: 'vit_nano', crop: 48, runs: null };
    await planRun({ ...folder, weights: null, ...options }, { note: (text) => texts.push(text) });
    return texts.filter((text) => !text.startsWith('a batch size')).join('\n');
  };
  t.is(
    await notes({}),
    'the weights are random and --freeze 0 keeps the patch embedding at its random values. Try --freeze None --lr 0.001',
  );
  t.is(
    await notes({ freeze: 2, lr: 1e-3 }),
    'the weights are random and --freeze 2 keeps the patch embedding and 2 blocks at their random values. Try --freeze None',
  );
  t.is(await notes({ freeze: null }), '');
  t.is(await notes({ weights: 'a-file.safetensors' }), '');
  t.is(await notes({ ds: 'shapes' }), '');
});

test('skips a run in use, with a note', async (t) => {
  const runs = await temporary(t);
  await writeTree(runs, { 'a/config.json': stored() });
  await using _ = await lockRun(join(runs, 'a'));
  const notes: string[] = [];
  t.is(
    (await planRun({ ...given, runs }, { resume: 'auto', note: (text) => notes.push(text) })).folder,
    null,
  );
  t.regex(notes.join('\n'), /already using .*so it is not resumed/);
});

test('a run that took steps without checkpoints cannot be resumed', async (t) => {
  const runs = await temporary(t);
  const metrics = `${JSON.stringify(stepRow(1))}\n`;
  await writeTree(runs, {
    'a/config.json': stored(),
    'a/model.safetensors': '',
    'a/metrics.jsonl': metrics,
  });
  t.is((await planRun({ ...given, runs }, { resume: 'auto' })).folder, null);
  await t.throwsAsync(readLastCheckpoint(join(runs, 'a')), {
    code: 'ERR_HOROBALL_CHECKPOINT',
    message:
      /resume: expected a checkpoint \(last\.safetensors\), got .*a, which has weights but no last\.safetensors/,
  });
});

test('a run that ended before its first checkpoint starts again', async (t) => {
  const runs = await temporary(t);
  await writeTree(runs, { 'a/config.json': stored() });
  t.is(await readLastCheckpoint(join(runs, 'a')), null);
});

test('a named run may be extended, and is evaluated at its new end', async (t) => {
  const runs = await temporary(t);
  await writeTree(runs, { 'a/config.json': stored({ ep: 5 }) });
  const { config } = await planRun({ ep: 9 }, { resume: join(runs, 'a') });
  t.deepEqual([config.ep, config.eval_ep, config.seed], [9, 'r(10)', 3]);
  await writeTree(runs, { 'b/config.json': stored({ ep: 5, eval_ep: '[5]' }) });
  t.is((await planRun({ ep: 9 }, { resume: join(runs, 'b') })).config.eval_ep, '[9]');
  await writeTree(runs, { 'c/config.json': stored({ ep: 5, eval_ep: '[2]' }) });
  t.is((await planRun({ ep: 9 }, { resume: join(runs, 'c') })).config.eval_ep, '[2]');
  await t.throwsAsync(planRun({ seed: 4 }, { resume: join(runs, 'a') }), {
    code: 'ERR_HOROBALL_CONFIG',
    message: /seed: expected 3, the value that the run .* started with, got 4/,
  });
});

test('resume auto requires a folder of runs', async (t) => {
  await t.throwsAsync(planRun({ ...given, runs: null }, { resume: 'auto' }), {
    code: 'ERR_HOROBALL_CONFIG',
    message: /resume: expected runs to be a folder/,
  });
});
