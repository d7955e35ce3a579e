import { once } from 'node:events';
import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { lockRun } from '../../lib/train/run/lock.ts';
import { StudyFolder } from '../../lib/train/study/folder.ts';
import { makePlan } from '../../lib/train/study/plan.ts';
import { classNames, temporary, tinyRun, writeImages } from '../train/tiny-data.ts';
import { horoball, start } from './run.ts';

const test = ava as TestFn<{ root: string; args: string[]; remove(): Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  const images = join(path, 'images');
  await writeImages(images, classNames(32), 4);
  const { freeze: _, eval_ep: __, ...rest } = tinyRun;
  const options = {
    ...rest,
    freeze: 'None',
    threads: 1,
    path: images,
    ep: 2,
    geometry: 'euclidean,hyperbolic',
  };
  const args = Object.entries({ ...options, t: '0.1,0.3', seeds: 2 }).map(
    ([key, value]) => `--${key}=${value}`,
  );
  t.context = { root: path, args: ['sweep', '--json', ...args], remove };
});
test.after.always(async (t) => {
  await t.context.remove();
});

test('the same command resumes a killed study and repeats no run', async (t) => {
  const out = join(t.context.root, 'study');
  const args = [...t.context.args, `--out=${out}`];
  const first = start(args);
  await first.line(/"type":"result"/);
  first.child.kill('SIGKILL');
  await once(first.child, 'close');
  const lines = async (): Promise<string[]> =>
    (await readFile(join(out, 'results.jsonl'), 'utf8')).trim().split('\n');
  const before = (await lines()).length;
  t.true(before >= 1 && before < 8);

  const second = await horoball(args);
  t.is(second.code, 0, second.stderr);
  t.regex(second.stderr, /^8 runs: 2 geometry x 2 t x 2 seeds\.$/m);
  t.regex(second.stderr, new RegExp(`Resuming: ${before} of 8 runs are done`));
  t.regex(
    second.stderr,
    /^Recall@1 in % +mean +std\. dev\. +seeds\n(\w+ t_[eh] 0\.[13] +\d+\.\d +\d+\.\d +2\n){4}\n/m,
  );
  t.is(second.rows().filter(({ type }) => type === 'result').length, 8 - before);
  const results = (await lines()).map((line) => JSON.parse(line) as { cell: string; seed: number });
  t.is(new Set(results.map(({ cell, seed }) => `${cell} ${seed}`)).size, 8);
  const end = second.rows().at(-1)!;
  t.deepEqual([end['type'], end['complete']], ['end', true]);

  const again = await horoball(['sweep', `--resume=${out}`]);
  t.is(again.code, 0, again.stderr);
  t.regex(await readFile(join(out, 'report.html'), 'utf8'), /8 runs of vit_nano/);
  await rm(join(out, 'report.html'));
  const drawn = await horoball(['report', out, '--json']);
  t.is(drawn.code, 0, drawn.stderr);
  t.is(drawn.rows().filter(({ type }) => type === 'result').length, 8);
  t.deepEqual(drawn.rows().at(-1), end, 'unchanged since the sweep ended');
  t.regex(await readFile(join(out, 'report.html'), 'utf8'), /8 runs of vit_nano/);

  await appendFile(join(out, 'results.jsonl'), '{}\n');
  const noted = await horoball(['report', out, '--json']);
  const note = /1 line of results\.jsonl is invalid and was skipped \(.*\)\./;
  t.regex(noted.stderr, note);
  t.regex((noted.rows().at(-1)!['notes'] as string[])[0]!, note);
});

test('prints a plan without running it; a wrong value causes a one-sentence error and exit code 2', async (t) => {
  const plan = await horoball(['sweep', '--plan', '--json', '--controls']);
  t.is(plan.code, 0, plan.stderr);
  t.regex(plan.stderr, /^90 runs: 18 settings x 5 seeds \(/m);
  t.is((plan.rows()[0]!['cells'] as unknown[]).length, 18);
  const wide = await horoball(['sweep', '--plan', '--geometry=hybrid', '--lr=1e-4,1e-3', '--seeds=2']);
  t.regex(
    wide.stderr,
    /^12 runs: 2 lr x 3 t x 2 seeds \(t defaults to 0\.05,0\.1,0\.2; to use a single value, pass, for example, --t 0\.1\), in /m,
  );
  const bare = await horoball(['sweep', '--plan']);
  t.regex(
    bare.stderr,
    /^45 runs: 3 geometry x 3 t x 5 seeds \(geometry defaults to euclidean,hyperbolic,hybrid and t defaults to .*; to use a single value, pass, for example, --geometry hyperbolic --t 0\.1\)/m,
  );
  const wrong = await horoball(['sweep', '--t=0.1,banana', `--out=${join(t.context.root, 'wrong')}`]);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /^horoball: \[sweep\] --t: expected a number above 0.*banana/);
  t.is(wrong.stderr.trim().split('\n').length, 1);
});

test('takes the options of all runs from a recipe and a file, and varies them by the command line', async (t) => {
  const planned = async (...args: string[]): Promise<Record<string, unknown>[]> => {
    const { code, stderr, rows } = await horoball(['sweep', '--plan', '--json', '--seeds=1', ...args]);
    t.is(code, 0, stderr);
    return (rows()[0]!['cells'] as { config: Record<string, unknown> }[]).map(({ config }) => config);
  };
  const emoji = await planned('--recipe=emoji', '--ep=20', '--geometry=hybrid');
  t.deepEqual(
    emoji.map(({ t, ds, model, ep, eval_ep }) => [t, ds, model, ep, eval_ep]),
    [0.05, 0.1, 0.2].map((temperature) => [temperature, 'emoji', 'vit_nano_32', 20, '[20]']),
  );
  const file = join(t.context.root, 'options.json');
  await writeFile(file, JSON.stringify({ name: 'a run', ds: 'emoji', t_e: 0.3, bs: 64 }));
  const own = await planned(`--config=${file}`, '--recipe=emoji', '--geometry=euclidean', '--bs=32,96');
  t.deepEqual(
    own.map(({ t_e, bs, lr }) => [t_e, bs, lr]),
    [32, 96].map((bs) => [0.3, bs, 6e-4]),
  );
  const wrong = await horoball(['sweep', '--plan', '--recipe=none']);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /\[sweep\] --recipe: expected one of/);
});

test('rejects a study or run that another process uses before generating its data', async (t) => {
  const { root } = t.context;
  const [out, images] = [join(root, 'busy'), join(root, 'no-shapes')];
  const plan = makePlan({ axes: {}, seeds: [1], base: { ds: 'shapes', path: images, weights: null } });
  const study = await StudyFolder.open(out, plan);
  await using _ = await study.lock();
  const second = await horoball(['sweep', `--resume=${out}`, '--json']);
  t.like(second.rows().at(-1), { type: 'error', code: 'ERR_HOROBALL_SWEEP_RUNNING' }, second.stderr);

  const run = join(root, 'busy-run');
  await mkdir(run);
  await writeFile(join(run, 'config.json'), JSON.stringify({ ...plan.cells[0]!.config, name: 'busy-run' }));
  await using __ = await lockRun(run);
  const training = await horoball(['train', `--resume=${run}`, '--json']);
  t.like(training.rows().at(-1), { type: 'error', code: 'ERR_HOROBALL_RUN_BUSY' }, training.stderr);
  await t.throwsAsync(stat(images), { code: 'ENOENT' });
});
