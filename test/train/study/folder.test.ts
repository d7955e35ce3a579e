import { execFileSync } from 'node:child_process';
import { copyFile, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { parseAxis } from '../../../lib/train/study/axes.ts';
import { readStudy, StudyFolder } from '../../../lib/train/study/folder.ts';
import { makePlan, maxCells, type StudyPlan } from '../../../lib/train/study/plan.ts';
import { sweep } from '../../../lib/train/study/runner.ts';
import { temporary } from '../tiny-data.ts';
import { plan, quick } from './synthetic-study.ts';

test("accepts only the folder's own study, and only one process at a time", async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const folder = await StudyFolder.open(path, plan());
  await t.throwsAsync(StudyFolder.open(path, plan(true)), { code: 'ERR_HOROBALL_SWEEP_EXISTS' });
  await writeFile(join(path, 'lock'), `${process.ppid}\n`); // the parent process, which is running
  await t.throwsAsync(folder.lock(), {
    code: 'ERR_HOROBALL_SWEEP_RUNNING',
    message: new RegExp(`${process.ppid}`),
  });
  await writeFile(join(path, 'lock'), '999999999\n'); // a PID without a process
  await (await folder.lock())[Symbol.asyncDispose]();
  await t.throwsAsync(readStudy(join(path, 'runs')), { code: 'ERR_HOROBALL_SWEEP' });
});

test('does not change a folder in which another process creates a study', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  await writeFile(join(path, 'lock'), `${process.ppid}\n`);
  await t.throwsAsync(StudyFolder.open(path, plan()), { code: 'ERR_HOROBALL_SWEEP_RUNNING' });
  await t.throwsAsync(stat(join(path, 'sweep.json')), { code: 'ENOENT' });
});

test('exactly one of two different studies that start in a folder at the same time succeeds', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  for (let round = 0; round < 20; round++) {
    const folder = join(path, String(round));
    const first = StudyFolder.open(folder, plan());
    first.catch(() => {}); // allSettled reports it
    await sleep(round / 2); // the second may see no plan yet, and write its own after the first has written one
    const opened = await Promise.allSettled([first, StudyFolder.open(folder, plan(true))]);
    const [[winner], [second]] = [
      opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])),
      opened.flatMap((each) => (each.status === 'rejected' ? [each.reason as { code: string }] : [])),
    ];
    t.regex(second!.code, /^ERR_HOROBALL_SWEEP_(RUNNING|EXISTS)$/);
    t.deepEqual((await readStudy(folder)).plan.cells, winner!.plan.cells);
  }
});

test('a new study neither replaces files of the user nor counts results of a study without its plan', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  for (const name of ['results.jsonl', 'results.csv', 'report.html']) {
    const folder = join(path, name);
    await StudyFolder.open(folder, plan());
    await rm(join(folder, 'sweep.json'));
    await writeFile(join(folder, 'notes.txt'), 'mine');
    await writeFile(join(folder, name), 'mine');
    const opened = StudyFolder.open(folder, plan(true));
    const message = new RegExp(`which has ${name} but no sweep\\.json`);
    await t.throwsAsync(opened, { code: 'ERR_HOROBALL_SWEEP_EXISTS', message });
    t.is(await readFile(join(folder, name), 'utf8'), 'mine');
    t.deepEqual((await readdir(folder)).sort(), ['notes.txt', name, 'runs'].sort());
    await rm(join(folder, name));
    await t.notThrowsAsync(StudyFolder.open(folder, plan(true)), 'other files are not changed');
  }
});

test('a study of an earlier version, with fewer options in another order, is continued', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  await StudyFolder.open(path, plan());
  const file = join(path, 'sweep.json');
  const { crc32: _, ...written } = JSON.parse(await readFile(file, 'utf8')) as StudyPlan & { crc32: string };
  const cells = written.cells.map((cell) => {
    const entries = Object.entries(cell.config).filter(
      ([name]) => name !== 'emb_name' && name !== 'background',
    );
    return { ...cell, config: Object.fromEntries(entries.reverse()) };
  });
  await writeFile(file, JSON.stringify({ ...written, cells }));
  const opened = (await StudyFolder.open(path, plan())).plan.cells;
  t.deepEqual(new Set(opened.map(({ config }) => config.background)), new Set(['drop'])); // as the earlier version wrote it
  t.is(opened.length, written.cells.length);
  const lr = cells.map((cell) => ({ ...cell, config: { ...cell.config, lr: 1 } }));
  await writeFile(file, JSON.stringify({ ...written, cells: lr }));
  await t.throwsAsync(StudyFolder.open(path, plan()), { code: 'ERR_HOROBALL_SWEEP_EXISTS' });
});

test('the results of another study with the same runs are not used', async (t) => {
  const { path: root, remove } = await temporary();
  t.teardown(remove);
  const axes = { t: parseAxis('t', '0.1,0.2') };
  const [own, other, free] = [{}, { lr: 0.5 }, { workers: 7 }].map((base, i) =>
    StudyFolder.open(join(root, String(i)), makePlan({ axes, seeds: [1], base })),
  );
  for (const folder of [own, other, free]) await sweep(await folder!, { run: quick });
  const { path, results } = await own!;
  t.false('settings' in results[0]!);
  const file = join(path, 'results.jsonl');
  const line = JSON.parse((await readFile(file, 'utf8')).split('\n')[0]!);
  t.true(Number.isInteger(line.settings));
  await copyFile(join((await free!).path, 'results.jsonl'), file);
  t.is((await readStudy(path)).results.length, results.length, 'an option without an effect on results');
  await copyFile(join((await other!).path, 'results.jsonl'), file);
  const read = await readStudy(path);
  t.deepEqual([read.results, read.invalid?.count], [[], results.length]);
  t.regex(read.invalid!.first, /^line 1: it is the result of \S+-s1 in another study$/);
  const foreign = await readFile(file, 'utf8');
  await sweep(await own!, { run: quick });
  t.is(await readFile(`${file}.bak`, 'utf8'), foreign);
  t.is((await readStudy(path)).invalid, undefined);
  await writeFile(file, 'not a result\n');
  await sweep(await own!, { run: quick });
  t.is(await readFile(`${file}.bak`, 'utf8'), `${foreign}not a result\n`, 'a second repair keeps the first');
  const { settings: _, crc32: __, ...earlier } = line;
  await writeFile(file, `${JSON.stringify(earlier)}\n`);
  t.deepEqual((await readStudy(path)).results, [earlier], 'a result of an earlier version');
});

test('opening a study that another process runs does not change its results', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const folder = await StudyFolder.open(path, plan());
  await sweep(folder, { run: quick });
  const file = join(path, 'results.jsonl');
  const before = await stat(file);
  await writeFile(join(path, 'lock'), `${process.ppid}\n`);
  const second = await StudyFolder.open(path, plan());
  await t.throwsAsync(second.lock(), { code: 'ERR_HOROBALL_SWEEP_RUNNING' });
  const { ino, mtimeMs } = await stat(file); // the other process appends to the same file
  t.deepEqual([ino, mtimeMs], [before.ino, before.mtimeMs]);
});

test('links and pipes in a study folder are rejected, and nothing is written through them', async (t) => {
  const { path: root, remove } = await temporary();
  t.teardown(remove);
  const refused = { code: 'ERR_HOROBALL_FORMAT', message: /got a link, folder, pipe or device/ };
  for (const name of ['sweep.json', 'results.jsonl', 'lock']) {
    const path = join(root, name.replace('.', '-'));
    const folder = await StudyFolder.open(path, plan());
    await sweep(folder, { run: quick });
    const [file, outside] = [join(path, name), join(root, `outside-${name}`)];
    const text = await readFile(file, 'utf8').catch(() => '{}');
    await writeFile(outside, text);
    await rm(file, { force: true });
    await symlink(outside, file);
    if (name === 'lock') {
      await t.throwsAsync(folder.lock(), refused, name);
    } else {
      await t.throwsAsync(readStudy(path), refused, name);
      await t.throwsAsync(StudyFolder.open(path, plan()), refused, name);
    }
    if (name === 'results.jsonl') await t.throwsAsync(folder.lock(), refused);
    t.is(await readFile(outside, 'utf8'), text, name);
    if (process.platform === 'win32' || name === 'lock') continue;
    await rm(file);
    execFileSync('mkfifo', [file]);
    await t.throwsAsync(readStudy(path), refused, name);
  }
});

test('rejects a plan that is damaged, deeply nested or of another type', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  await StudyFolder.open(path, plan());
  const file = join(path, 'sweep.json');
  const { crc32, ...sound } = JSON.parse(await readFile(file, 'utf8')) as StudyPlan & { crc32: string };
  for (const text of [
    'null',
    '{',
    '['.repeat(5_000_000),
    JSON.stringify({ ...sound, cells: null }),
    JSON.stringify({ ...sound, cells: [{ ...sound.cells[0], config: null }] }),
    JSON.stringify({ ...sound, cells: [{ ...sound.cells[0], id: '../..' }] }),
    JSON.stringify({ ...sound, seeds: [0.5] }),
    JSON.stringify({ ...sound, seeds: [1, 1] }),
    JSON.stringify({ ...sound, seeds: Array.from({ length: 100_001 }, (_, i) => i) }),
    JSON.stringify({ ...sound, cells: [sound.cells[0], sound.cells[0]] }),
    JSON.stringify({
      ...sound,
      cells: Array.from({ length: 17 }, (_, i) => ({ id: `c${i}`, arm: `a${i}`, label: '', config: {} })),
    }),
    JSON.stringify({
      ...sound,
      cells: Array.from({ length: 50_000 }, (_, i) => ({ id: `c${i}`, arm: 'a', label: '', config: {} })),
    }),
    JSON.stringify({ ...sound, seeds: [1], crc32 }),
  ]) {
    await writeFile(file, text);
    const refused = { code: 'ERR_HOROBALL_FORMAT', message: /sweep\.json cannot be used/ };
    await t.throwsAsync(StudyFolder.open(path, plan()), refused, text.slice(0, 200));
    t.is(await readFile(file, 'utf8'), text);
  }
});

test('rejects results with more than a thousand invalid lines, and does not rewrite them', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const folder = await StudyFolder.open(path, plan());
  const file = join(path, 'results.jsonl');
  const text = '1\n'.repeat(1001);
  await writeFile(file, text);
  const refused = {
    code: 'ERR_HOROBALL_FORMAT',
    message: /results\.jsonl cannot be used: it has more than 1000/,
  };
  await t.throwsAsync(readStudy(path), refused);
  await t.throwsAsync(folder.lock(), refused);
  t.is(await readFile(file, 'utf8'), text);
});

test('the largest plan can be written and read again', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const small = plan();
  const cells = Array.from({ length: maxCells }, (_, i) => ({ ...small.cells[0]!, id: `cell-${i}` }));
  const folder = await StudyFolder.open(path, { ...small, cells });
  t.is(folder.plan.cells.length, maxCells);
});

test('the owner of a study removes the temporary files of killed processes, and no others', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const folder = await StudyFolder.open(path, plan());
  const temporaryOf = (name: string): string => `.${name}.${crypto.randomUUID()}.tmp`;
  const left = [temporaryOf('results.jsonl'), temporaryOf('report.html')];
  const kept = ['.notes.tmp', temporaryOf('report.html')]; // `horoball report` may be writing the second one
  for (const name of [...left, ...kept]) await writeFile(join(path, name), '');
  await utimes(join(path, left[1]!), 0, 0);
  await using _ = await folder.lock();
  const names = (await readdir(path)).filter((name) => name.endsWith('.tmp'));
  t.deepEqual(names, kept.sort());
});
