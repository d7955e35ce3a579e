// `horoball train --nproc`: local ranks and signals.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ava, { type TestFn } from 'ava';
import { type EvaluationRow, readRun, type StepRow } from '../../../lib/train/index.ts';
import { horoball, start } from '../../cli/run.ts';
import { networkError } from '../../tolerances.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';

const test = ava as TestFn<{ root: string; runs: string; remove(): Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  t.context = { root: join(path, 'images'), runs: join(path, 'runs'), remove };
  await writeImages(t.context.root, classNames(32), 6);
});
test.after.always(async (t) => {
  await t.context.remove();
});

const main = fileURLToPath(new URL('../../../lib/cli/main.js', import.meta.url));

const options = (root: string, runs: string, name: string, ep: number, ...more: string[]): string[] => {
  const run = { ...tinyRun, ep, eval_ep: `[${ep}]`, path: root, runs, name, save_every: 0, threads: 1 };
  const given = Object.entries(run).flatMap(([key, value]) => [
    `--${key}`,
    value === null ? 'None' : `${value}`,
  ]);
  return ['train', ...given, ...more];
};

const stepsOf = async (folder: string): Promise<StepRow[]> =>
  (await readRun(folder)).rows.filter((row): row is StepRow => row.type === 'step');
const evaluationOf = async (folder: string): Promise<EvaluationRow> =>
  (await readRun(folder)).rows.find((row): row is EvaluationRow => row.type === 'evaluation')!;

test.serial('two ranks write one run, with the results of a single process', async (t) => {
  const { root, runs } = t.context;
  const one = await horoball(options(root, runs, 'one', 12));
  const two = await horoball(options(root, runs, 'two', 12, '--nproc', '2', '--json'));
  t.is(one.code, 0, one.stderr);
  t.is(two.code, 0, two.stderr);
  t.is(two.rows().filter(({ type }) => type === 'step').length, 12, 'rank 0 alone prints');
  const [a, b] = [await stepsOf(join(runs, 'one')), await stepsOf(join(runs, 'two'))];
  t.is(a.length, 12);
  for (const [i, { loss }] of a.entries())
    t.true(Math.abs(b[i]!.loss - loss) < networkError.orderOfGradients * Math.max(1, loss), `step ${i + 1}`);
  const [c, d] = [await evaluationOf(join(runs, 'one')), await evaluationOf(join(runs, 'two'))];
  t.true(Math.abs(c.spaces.hyperbolic.at['1']! - d.spaces.hyperbolic.at['1']!) < 0.02);
  t.is(d.pictures, c.pictures, 'no image is embedded twice');
  t.deepEqual((await readdir(runs)).sort(), ['one', 'two']);
  t.regex(two.stderr, /Report: /);
});

test.serial('SIGTERM writes a checkpoint and exits with 143; another number of ranks resumes', async (t) => {
  const { root, runs } = t.context;
  const running = start(options(root, runs, 'stopped', 40, '--nproc', '2', '--json'));
  await running.line(/"type":"step","step":5,/);
  const began = performance.now();
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.outcome;
  t.is(code, 143, stderr);
  t.true(performance.now() - began < 20_000);
  t.regex(stderr, /Stopped after \d+ steps/);
  const resumed = await horoball(['train', '--resume', join(runs, 'stopped'), '--nproc', '3', '--json']);
  t.is(resumed.code, 0, resumed.stderr);
  const steps = await stepsOf(join(runs, 'stopped'));
  t.deepEqual(
    steps.map(({ step }) => step),
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
});

test.serial('SIGTERM stops between the chunks of a step, and the resumed run repeats the step', async (t) => {
  t.timeout(300_000);
  const { root, runs } = t.context;
  const model = JSON.stringify({ img_size: 16, patch_size: 4, embed_dim: 384, depth: 6, num_heads: 6 });
  const slow = ['--model', model, '--chunk', '1', '--nproc', '2', '--json'];
  const whole = await horoball(options(root, runs, 'chunks', 4, ...slow));
  t.is(whole.code, 0, whole.stderr);
  const running = start(options(root, runs, 'cut', 4, ...slow));
  await running.line(/"type":"step","step":2,/);
  await sleep(100);
  const began = performance.now();
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.outcome;
  t.is(code, 143, stderr);
  t.true(performance.now() - began < 20_000);
  t.regex(stderr, /Stopped after 2 steps/);
  const resumed = await horoball(['train', '--resume', join(runs, 'cut'), '--nproc', '2', '--json']);
  t.is(resumed.code, 0, resumed.stderr);
  const weights = (name: string): Promise<Buffer> => readFile(join(runs, name, 'model.safetensors'));
  t.true((await weights('cut')).equals(await weights('chunks')), 'bit for bit');
});

test.serial('ranks started by torchrun use its store', async (t) => {
  const torchrun = fileURLToPath(new URL('../../../../bench/peers/.venv/bin/torchrun', import.meta.url));
  if (!existsSync(torchrun)) {
    t.log('skipped: no torchrun in bench/peers/.venv (npm run bench:peers installs it)');
    return t.pass();
  }
  const { root, runs } = t.context;
  const ranks = ['--no-python', '--nproc-per-node', '2', '--master-port', '29471'];
  const command = [...ranks, process.execPath, main, ...options(root, runs, 'torchrun', 6)];
  await promisify(execFile)(torchrun, command, { maxBuffer: 1 << 26 });
  const alone = await horoball(options(root, runs, 'alone', 6));
  t.is(alone.code, 0, alone.stderr);
  const one = await stepsOf(join(runs, 'alone'));
  const steps = await stepsOf(join(runs, 'torchrun'));
  t.is(steps.length, 6);
  for (const [i, { loss }] of steps.entries())
    t.true(
      Math.abs(one[i]!.loss - loss) < networkError.orderOfGradients * Math.max(1, loss),
      `step ${i + 1}`,
    );
});

test.serial('an error in the options is printed once, by rank 0', async (t) => {
  const { root, runs } = t.context;
  const { code, stderr } = await horoball(options(root, runs, 'few', 2, '--nproc', '20'));
  t.not(code, 0);
  t.regex(
    stderr,
    /\[train\] --bs: expected at least 40 images \(one class of \d+ for each of \d+ ranks\), got 32/,
  );
});

test('invalid options of the launcher are rejected', async (t) => {
  for (const [args, message] of [
    [['--nproc', 'x'], /\[train\] --nproc: expected an integer from 1 to 1024, got 'x'/],
    [['--nproc', '2', '--max-restarts', '-1'], /\[train\] --max-restarts: expected an integer/],
    [['--local_rank', '3'], /\[train\] --local_rank: expected 0, because LOCAL_RANK is not set, got '3'/],
  ] as const) {
    const { code, stderr } = await horoball(['train', ...args]);
    t.is(code, 2, stderr);
    t.regex(stderr, message);
  }
});
