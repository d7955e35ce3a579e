import { appendFile, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { coded } from '../../../lib/errors.ts';
import type { RunConfig } from '../../../lib/train/config.ts';
import type { TrainResult } from '../../../lib/train/hooks.ts';
import { sweep } from '../../../lib/train/sweep/study.ts';
import { readStudy, StudyFolder, writeStudyReport } from '../../../lib/train/sweep/study-folder.ts';
import { evaluationRow } from '../fake-run.ts';
import { temporary } from '../tiny-data.ts';
import { plan } from './made-up.ts';

/** A run of no time. */
async function quick({ runs, name, seed, ep }: RunConfig): Promise<TrainResult> {
  const folder = join(runs!, name!);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'report.html'), '');
  const evaluations = [evaluationRow(ep, 0.5 + 0.01 * seed)];
  return { folder, steps: 1, interrupted: false, evaluations, baselines: [], skipped: 0 };
}

test('a study makes every run once, and goes on after any stop', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const out = join(path, 'study');
  const made: string[] = [];
  const run = async (config: RunConfig): Promise<TrainResult> => {
    if (made.length === 10) throw new Error('killed');
    made.push(config.name!);
    return await quick(config);
  };
  await t.throwsAsync(async () => sweep(await StudyFolder.open(out, plan()), { run }), { message: 'killed' });
  // What a kill leaves: half a line, and the folder of the run that it was in.
  await appendFile(join(out, 'results.jsonl'), '{"cell":"eucl');
  await mkdir(join(out, 'runs', 'euclidean-t_e0.1-s2'));
  const more: string[] = [];
  const whole = await sweep(await StudyFolder.open(out, plan()), {
    run: (config, { resume }) => {
      t.is(resume, 'auto'); // the run that was killed goes on from its checkpoint
      more.push(config.name!);
      return quick(config);
    },
  });
  t.true(whole);
  t.is(new Set([...made, ...more]).size, 45);
  t.is(made.length + more.length, 45);
  t.deepEqual(
    made.slice(0, 9).map((name) => name.at(-1)),
    Array(9).fill('1'),
  ); // seed by seed
  const study = await readStudy(out);
  t.is(study.results.length, 45);
  t.deepEqual((await readdir(out)).sort(), [
    'report.html',
    'results.csv',
    'results.jsonl',
    'runs',
    'sweep.json',
  ]);
});

test('an interrupted run is no result; one without numbers is', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  let calls = 0;
  const run = async (config: RunConfig): Promise<TrainResult> => {
    calls += 1;
    if (calls === 2) throw coded('ERR_HOROBALL_DIVERGED', 'step 3: the loss is no number');
    return { ...(await quick(config)), interrupted: calls === 4 };
  };
  const folder = await StudyFolder.open(join(path, 'study'), plan());
  t.false(await sweep(folder, { run }));
  t.is(calls, 4);
  t.deepEqual(
    folder.results.map(({ error }) => error),
    [null, 'step 3: the loss is no number', null],
  );
});

test('a folder keeps its study, and out a second process', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const folder = await StudyFolder.open(path, plan());
  await t.throwsAsync(StudyFolder.open(path, plan(true)), { code: 'ERR_HOROBALL_SWEEP_EXISTS' });
  await writeFile(join(path, 'lock'), `${process.ppid}\n`); // alive, and not this one
  await t.throwsAsync(folder.lock(), {
    code: 'ERR_HOROBALL_SWEEP_RUNNING',
    message: new RegExp(`${process.ppid}`),
  });
  await writeFile(join(path, 'lock'), '999999999\n'); // long dead
  await (await folder.lock())[Symbol.asyncDispose]();
  await t.throwsAsync(readStudy(join(path, 'runs')), { code: 'ERR_HOROBALL_SWEEP' });
});

test('opening a study that another process works on leaves its results alone', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const folder = await StudyFolder.open(path, plan());
  await sweep(folder, { run: quick });
  const file = join(path, 'results.jsonl');
  const before = await stat(file);
  await writeFile(join(path, 'lock'), `${process.ppid}\n`);
  const second = await StudyFolder.open(path, plan());
  await t.throwsAsync(second.lock(), { code: 'ERR_HOROBALL_SWEEP_RUNNING' });
  const { ino, mtimeMs } = await stat(file); // the other one adds lines to this very file
  t.deepEqual([ino, mtimeMs], [before.ino, before.mtimeMs]);
});

test('a study that was moved draws the same report', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const first = join(path, 'here', 'study');
  await sweep(await StudyFolder.open(first, plan()), { run: quick });
  const before = await readFile(join(first, 'report.html'), 'utf8');
  const second = join(path, 'study');
  await rename(first, second);
  t.is(await readFile(await writeStudyReport(second), 'utf8'), before);
});
