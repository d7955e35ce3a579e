import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { coded } from '../../../lib/errors.ts';
import type { RunConfig } from '../../../lib/train/options/options.ts';
import type { RunResult, TrainHooks } from '../../../lib/train/run/hooks.ts';
import { readStudy, StudyFolder } from '../../../lib/train/study/folder.ts';
import type { Result } from '../../../lib/train/study/results.ts';
import { sweep } from '../../../lib/train/study/runner.ts';
import { temporary } from '../tiny-data.ts';
import { plan, quick } from './synthetic-study.ts';

test('performs every run of a study once, and resumes after any interruption', async (t) => {
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
  ); // all settings of a seed before the next seed
  const study = await readStudy(out);
  t.is(study.results.length, 45);
  t.deepEqual((await readdir(out)).sort(), ['results.jsonl', 'runs', 'sweep.json']);
});

test('results of other studies, and repeated ones, do not count', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const two = { ...plan(), seeds: [1, 2] };
  const total = 2 * two.cells.length;
  const id = two.cells[0]!.id;
  const folder = await StudyFolder.open(path, two);
  const file = join(path, 'results.jsonl');
  await sweep(folder, { run: quick });
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const first = JSON.parse(lines[0]!) as Result & { crc32?: string };
  delete first.crc32;
  const others = [{ ...first, seed: 7 }, { ...first, cell: 'other' }, first].map((each) =>
    JSON.stringify(each),
  );
  await writeFile(file, [...lines.slice(0, 1), ...others, ...lines.slice(1, -3), ''].join('\n'));
  t.like(await readStudy(path), { invalid: { count: 3, first: `line 2: the plan has no run ${id}-s7` } });
  const warnings: string[] = [];
  const stopped = await sweep(folder, {
    run: async (config) => ({ ...(await quick(config)), interrupted: true }),
    onWarning: (text) => void warnings.push(text),
  });
  t.false(stopped, 'as many lines as runs, but three runs without a result');
  t.regex(
    warnings[0]!,
    /^3 lines of results\.jsonl are invalid .*; the previous file is kept as results\.jsonl\.bak, and runs without a valid result are repeated$/,
  );
  const done: number[] = [];
  t.true(await sweep(folder, { run: quick, onRun: (run) => void done.push(run.done) }));
  t.deepEqual(done, [total - 3, total - 2, total - 1]);
  t.is((await readStudy(path)).results.length, total);
});

test('a study ends if its data set or its initial weights have changed', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const one = { ...plan(), seeds: [1] };
  const data = { parameters: 1, trainable: 1, data: {}, epochSteps: 1, steps: 1 };
  let [fingerprint, weights]: [number, number | null] = [7, null];
  const run = async (config: RunConfig, { onSummary }: TrainHooks): Promise<RunResult> => {
    onSummary?.({ ...data, fingerprint, weights });
    return await quick(config);
  };
  const folder = await StudyFolder.open(path, one);
  const stop = new Error('stop');
  const onResult = (): void => {
    if (folder.results.length === 2) throw stop;
  };
  await t.throwsAsync(sweep(folder, { run, onResult }), { is: stop });
  fingerprint = 8;
  await t.throwsAsync(sweep(folder, { run }), {
    code: 'ERR_HOROBALL_SWEEP_EXISTS',
    message: /path: expected the data set of the earlier results in .*, got data\S* with other images/,
  });
  t.is((await readStudy(path)).results.length, 2);
  [fingerprint, weights] = [7, 5];
  await t.throwsAsync(sweep(folder, { run }), {
    code: 'ERR_HOROBALL_SWEEP_EXISTS',
    message:
      /weights: expected the initial weights of the earlier results in .*, got .*, whose contents have changed\./,
  });
  t.is((await readStudy(path)).results.length, 2);
  weights = null;
  t.true(await sweep(folder, { run }));
  const { results } = await readStudy(path);
  t.true(results.every((result) => result.fingerprint === 7 && result.weights === null));
});

test('reports a warning about the data of all runs once', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const texts: string[] = [];
  const run = async (config: RunConfig, { onWarning }: TrainHooks): Promise<RunResult> => {
    await onWarning?.('skipped a.jpg: it is damaged');
    if (config.seed === 2) await onWarning?.(`only ${config.name}`);
    return await quick(config);
  };
  const folder = await StudyFolder.open(join(path, 'study'), { ...plan(), seeds: [1, 2] });
  await sweep(folder, { run, onWarning: (text) => void texts.push(text) });
  t.is(texts.filter((text) => text.startsWith('skipped')).length, 1);
  t.is(texts.length, 1 + plan().cells.length);
});

test('counts a diverged run as a result, but not an interrupted one', async (t) => {
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

test('an evaluation before the last step is not the result of a run', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const run = async (config: RunConfig): Promise<RunResult> => {
    const result = await quick(config);
    return { ...result, steps: result.steps + 1 };
  };
  await sweep(await StudyFolder.open(path, { ...plan(), seeds: [1] }), { run });
  for (const { spaces, error } of (await readStudy(path)).results) {
    t.is(spaces, null);
    t.regex(error!, /eval_ep does not include its last epoch$/);
  }
});

test('a study whose lock was deleted stops without adding results if another process takes it over', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const out = join(path, 'study');
  const folder = await StudyFolder.open(out, plan());
  let other: AsyncDisposable | null = null;
  let calls = 0;
  const run = async (config: RunConfig): Promise<RunResult> => {
    calls += 1;
    // The lock is deleted twice; the second time, another process takes it.
    if (calls === 2 || calls === 4) await rm(join(out, 'lock'));
    if (calls === 4) other = await (await StudyFolder.open(out, plan())).lock();
    return await quick(config);
  };
  await t.throwsAsync(sweep(folder, { run }), {
    code: 'ERR_HOROBALL_SWEEP_RUNNING',
    message: /expected exclusive use of .*this process is working on it now\. .*run the same command again/,
  });
  t.is(calls, 4);
  t.is((await readStudy(out)).results.length, 3);
  await t.throwsAsync((await StudyFolder.open(out, plan())).lock(), { code: 'ERR_HOROBALL_SWEEP_RUNNING' });
  await other![Symbol.asyncDispose]();
  t.true(await sweep(await StudyFolder.open(out, plan()), { run: quick }));
  t.is((await readStudy(out)).results.length, 45);
});

test('a study whose folder was moved does not run or write in the next study at that path', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  for (const moment of ['prepare', 'run', 'report'] as const) {
    const [out, moved] = [join(path, moment), join(path, `${moment}-moved`)];
    const replace = async (): Promise<void> => {
      await rename(out, moved);
      await StudyFolder.open(out, plan(true));
    };
    let calls = 0;
    const error = await t.throwsAsync(
      sweep(await StudyFolder.open(out, plan()), {
        run: async (config) => {
          calls += 1;
          const result = await quick(config);
          if (moment === 'run' && calls === 2) await replace();
          return result;
        },
        ...(moment === 'prepare' && { prepare: replace }),
        ...(moment === 'report' && { report: async () => (calls === 2 ? await replace() : undefined) }),
      }),
      {
        code: 'ERR_HOROBALL_SWEEP_RUNNING',
        message:
          /results\.jsonl was moved, deleted or replaced\. If you moved the file or the folder, move it back\./,
      },
      moment,
    );
    t.truthy(error);
    t.is(calls, moment === 'prepare' ? 0 : 2, moment);
    t.deepEqual((await readdir(out)).sort(), ['runs', 'sweep.json'], moment);
    t.deepEqual(await readdir(join(out, 'runs')), [], moment);
    const kept = (await readFile(join(moved, 'results.jsonl'), 'utf8')).trim().split('\n').filter(Boolean);
    t.is(kept.length, { prepare: 0, run: 1, report: 2 }[moment], moment);
  }
});
