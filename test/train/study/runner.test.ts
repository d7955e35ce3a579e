import { appendFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { coded } from '../../../lib/errors.ts';
import type { RunConfig } from '../../../lib/train/options/options.ts';
import type { RunResult } from '../../../lib/train/run/hooks.ts';
import { readStudy, StudyFolder } from '../../../lib/train/study/folder.ts';
import { sweep } from '../../../lib/train/study/runner.ts';
import { temporary } from '../tiny-data.ts';
import { plan, quick } from './made-up.ts';

test('a study performs every run once, and resumes after any interruption', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const out = join(path, 'study');
  const made: string[] = [];
  const run = async (config: RunConfig): Promise<RunResult> => {
    if (made.length === 10) throw new Error('killed');
    made.push(config.name!);
    return await quick(config);
  };
  await t.throwsAsync(async () => sweep(await StudyFolder.open(out, plan()), { run }), { message: 'killed' });
  // The state after a kill: half a line, and the folder of the interrupted run.
  await appendFile(join(out, 'results.jsonl'), '{"cell":"eucl');
  await mkdir(join(out, 'runs', 'euclidean-t_e0.1-s2'));
  const more: string[] = [];
  const whole = await sweep(await StudyFolder.open(out, plan()), {
    run: (config, { resume }) => {
      t.is(resume, 'auto'); // the killed run resumes from its checkpoint
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
  t.deepEqual((await readdir(out)).sort(), ['results.jsonl', 'runs', 'sweep.json']);
});

test('an interrupted run is not a result; a diverged one is', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  let calls = 0;
  const run = async (config: RunConfig): Promise<RunResult> => {
    calls += 1;
    if (calls === 2) throw coded('ERR_HOROBALL_DIVERGED', 'step 3: the loss is not finite');
    return { ...(await quick(config)), interrupted: calls === 4 };
  };
  const folder = await StudyFolder.open(join(path, 'study'), plan());
  t.false(await sweep(folder, { run }));
  t.is(calls, 4);
  t.deepEqual(
    folder.results.map(({ error }) => error),
    [null, 'step 3: the loss is not finite', null],
  );
});
