import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../lib/train/config.ts';
import { RunFolder, readRun, writeReport } from '../../lib/train/run-folder.ts';
import { evaluationRow, fakeSnapshot, stepRow } from './fake-run.ts';
import { filesOf } from './tiny-data.ts';

let runs: string;
test.beforeEach(async () => {
  runs = await mkdtemp(join(tmpdir(), 'horoball-runs-'));
});
test.afterEach.always(async () => {
  await rm(runs, { recursive: true, force: true });
});

const config = (options: Record<string, unknown> = {}) => ({ ...parseConfig(options), runs });

test.serial('runs that start together get folders of their own', async (t) => {
  const folders = await Promise.all(Array.from({ length: 5 }, () => RunFolder.create(config())));
  t.deepEqual(
    folders.map(({ name }) => name).sort(),
    [1, 2, 3, 4, 5].map((number) => `shapes-hybrid-${number}`),
  );
});

test.serial('a name that is taken is an error, and the run that has it stays as it is', async (t) => {
  const first = await RunFolder.create(config({ name: 'mine' }));
  await t.throwsAsync(RunFolder.create(config({ name: 'mine' })), {
    code: 'ERR_HOROBALL_RUN_EXISTS',
    message: /mine/,
  });
  t.deepEqual((await readdir(first.path)).sort(), ['.training', 'config.json']);
});

test.serial('a run reads back as it was written, wherever the folder lies by then', async (t) => {
  const folder = await RunFolder.create(config({ lr: 0.25 }));
  const rows = [
    evaluationRow(0, 0.1),
    ...Array.from({ length: 200 }, (_, i) => stepRow(i + 1)),
    evaluationRow(200, 0.6),
  ];
  for (const row of rows) folder.log(row);
  await folder.writeSnapshot(fakeSnapshot());
  await folder.close();
  await folder.release();
  const elsewhere = join(runs, 'elsewhere');
  await rename(folder.path, elsewhere);
  const run = await readRun(elsewhere);
  t.deepEqual(run.rows, rows);
  t.deepEqual(run.snapshot, fakeSnapshot());
  t.is(run.config.lr, 0.25);
  const report = await readFile(await writeReport(elsewhere), 'utf8');
  t.regex(report, /shapes-hybrid-1/);
  t.deepEqual(await filesOf(elsewhere), ['config.json', 'metrics.jsonl', 'report.html', 'snapshot.json']);
});

test.serial('a log that was cut short loses its last line only', async (t) => {
  const folder = await RunFolder.create(config());
  folder.log(stepRow(1));
  await folder.flush();
  await appendFile(folder.file('metrics.jsonl'), '{"type":"step","ste');
  t.deepEqual((await readRun(folder.path)).rows, [stepRow(1)]);
});

test.serial('what is no run folder is named', async (t) => {
  const empty = join(runs, 'empty');
  await mkdir(empty);
  await t.throwsAsync(readRun(empty), { code: 'ERR_HOROBALL_RUN', message: /empty.*no config\.json/ });
  await t.throwsAsync(readRun(join(runs, 'none')), {
    code: 'ERR_HOROBALL_RUN',
    message: /none.*no such folder/,
  });
});

test.serial('a damaged config.json or snapshot.json is named', async (t) => {
  const folder = await RunFolder.create(config());
  const whole = await readFile(folder.file('config.json'), 'utf8');
  for (const [text, why] of [
    [whole.slice(0, 40), /not JSON/],
    ['3', /no options/],
    [whole.replace('"lr": 0.001', '"lr": -1'), /used: lr: expected a number above 0, got -1/],
  ] as const) {
    await writeFile(folder.file('config.json'), text);
    const error = await t.throwsAsync(readRun(folder.path), { code: 'ERR_HOROBALL_FORMAT', message: why });
    t.true(error.message.includes(folder.file('config.json')));
  }
  await writeFile(folder.file('config.json'), whole);
  await writeFile(folder.file('snapshot.json'), '{');
  const message = /snapshot\.json cannot be used: it is not JSON/;
  await t.throwsAsync(readRun(folder.path), { code: 'ERR_HOROBALL_FORMAT', message });
});

test.serial('a log that cannot be written is an error at the end, not a crash on the way', async (t) => {
  const folder = await RunFolder.create(config());
  await rm(folder.path, { recursive: true });
  folder.log(stepRow(1));
  await t.throwsAsync(folder.flush(), { code: 'ENOENT' });
});
