import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { classNames, temporary, tinyRun, writeImages } from '../train/tiny-data.ts';
import { horoball, start } from './run.ts';

const test = ava as TestFn<{ args: string[]; out: string; remove(): Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  const images = join(path, 'images');
  await writeImages(images, classNames(32), 4);
  const { freeze: _, eval_ep: __, ...rest } = tinyRun;
  const options = { ...rest, ds: 'folder', freeze: 'None', threads: 1, path: images, ep: 1 };
  const args = Object.entries(options).map(([key, value]) => `--${key}=${value}`);
  t.context = { args: ['reproduce', '--quick', ...args], out: join(path, 'out'), remove };
});
test.after.always(async (t) => {
  await t.context.remove();
});

test('the same command resumes a killed reproduction, and its report has every study', async (t) => {
  t.timeout(300_000);
  const { out } = t.context;
  const args = [...t.context.args, `--out=${out}`, '--json'];
  const planned = await horoball([...args, '--plan']);
  t.is(planned.code, 0, planned.stderr);
  t.regex(planned.stderr, /12 runs of \d+ s: about \d+ minutes/);
  t.deepEqual(Object.keys(planned.rows()[0]!['studies'] as object), ['temperature', 'lambda-c', 'head']);

  const first = start(args);
  await first.line(/"type":"result"/);
  first.child.kill('SIGKILL');
  await once(first.child, 'close');
  const other = await horoball([...args, '--bs=16']);
  t.is(other.code, 1);
  t.regex(other.stderr, /different settings/);

  const second = await horoball(args);
  t.is(second.code, 0, second.stderr);
  t.regex(second.stderr, /Resuming: \d+ of 12 runs are done/);
  const results = second.rows().filter(({ type }) => type === 'result').length;
  t.true(results < 12);
  t.is(second.rows().at(-1)!['complete'], true);
  const page = await readFile(join(out, 'report.html'), 'utf8');
  t.regex(page, /12 runs of vit_nano on folder/);
  t.regex(page, /<h2>Hard negatives<\/h2>/);
  t.regex(page, /<h2>Fixed or free radius\?<\/h2>/);

  // Runs may be deleted to save disk space.
  for (const name of ['temperature', 'head']) await rm(join(out, name, 'runs'), { recursive: true });
  await rm(join(out, 'report.html'));
  const report = await horoball(['report', out, '--json']);
  t.is(report.code, 0, report.stderr);
  t.is(report.rows().length, 13);
  t.is(report.rows().at(-1)!['complete'], true);
  const left = await readFile(join(out, 'report.html'), 'utf8');
  t.regex(left, /12 runs of vit_nano on folder/);
  t.notRegex(left, /<h2>Hard negatives<\/h2>/);
  t.regex(left, /<h2>Fixed or free radius\?<\/h2>/);
});

test('rejects invalid numbers', async (t) => {
  for (const [option, words] of [
    ['--seeds=0', /seeds: expected an integer from 1/],
    ['--budget=-1', /budget: expected a number of minutes above 0/],
    ['--bs=5', /bs: expected/],
  ] as const) {
    const { code, stderr } = await horoball(['reproduce', option]);
    t.is(code, 2, option);
    t.regex(stderr, words);
  }
});
