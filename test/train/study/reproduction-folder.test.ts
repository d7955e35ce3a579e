import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { baseOf, studyNames } from '../../../lib/train/study/reproduction.ts';
import {
  checkSame,
  openReproduction,
  type ReproductionRecord,
  readRecord,
  readStudies,
} from '../../../lib/train/study/reproduction-folder.ts';
import { temporary } from '../data/support.ts';

const record: ReproductionRecord = {
  ds: 'shapes',
  quick: true,
  base: baseOf('shapes', true),
  asked: [42],
  grid: 'small',
  seeds: [42],
  command: 'horoball reproduce --quick',
  machine: 'a machine',
};

test('a folder has its record and one study per question, and can be opened again', async (t) => {
  const path = join(await temporary(t), 'new');
  t.is(await readRecord(path), null);
  const folders = await openReproduction(path, record);
  t.deepEqual(
    folders.map((folder) => folder.path),
    studyNames.map((name) => join(path, name)),
  );
  t.deepEqual(await readRecord(path), record);
  await openReproduction(path, record);
  const studies = await readStudies(path);
  t.deepEqual(Object.keys(studies), [...studyNames]);
  t.is(studies.head.plan.cells.length, 2);
});

test('a command of any length can be read again', async (t) => {
  const path = join(await temporary(t), 'new');
  await openReproduction(path, { ...record, command: 'x'.repeat(20_000), machine: 'y'.repeat(2000) });
  t.is((await readRecord(path))!.command.length, 10_000);
});

test('does not replace a reproduction that another call has started in the meantime', async (t) => {
  const path = join(await temporary(t), 'new');
  const others = [record, { ...record, asked: [42, 43] }];
  const opened = await Promise.allSettled(others.map((each) => openReproduction(path, each)));
  const first = opened.findIndex(({ status }) => status === 'fulfilled');
  t.like(opened[1 - first], { status: 'rejected' });
  t.deepEqual(await readRecord(path), others[first]!);
});

test('does not replace a report that is not of a reproduction', async (t) => {
  const path = await temporary(t);
  await writeFile(join(path, 'report.html'), 'mine');
  const message = /\[reproduce\] out: .*which has report\.html but no reproduction\.json/;
  await t.throwsAsync(openReproduction(path, record), { code: 'ERR_HOROBALL_SWEEP_EXISTS', message });
  t.is(await readRecord(path), null);
});

test('continues the same reproduction with its own runs, whatever another call has measured', async (t) => {
  const path = join(await temporary(t), 'new');
  const asked = [42, 43];
  await openReproduction(path, { ...record, asked });
  for (const folder of await openReproduction(path, { ...record, asked, seeds: asked, grid: 'full' }))
    t.deepEqual(folder.plan.seeds, [42]);
});

test('rejects another reproduction in the same folder, whatever the order of its options', (t) => {
  checkSame('here', record, { ...record, base: Object.fromEntries(Object.entries(record.base).reverse()) });
  for (const other of [{ ds: 'emoji' }, { quick: false }, { asked: [42, 43] }, { base: { ds: 'shapes' } }])
    t.throws(() => checkSame('here', record, { ...record, ...other }), {
      code: 'ERR_HOROBALL_SWEEP_EXISTS',
      message: /here with different settings.*horoball reproduce --quick/,
    });
});

test('the error for a damaged record names the file and the field', async (t) => {
  const path = await temporary(t);
  await openReproduction(path, record);
  const file = join(path, 'reproduction.json');
  const text = await readFile(file, 'utf8');
  const earlier = text.replace(/,\s*"crc32": "[\da-f]{8}"/, '');
  t.not(earlier, text);
  await writeFile(file, earlier); // earlier versions wrote no checksum
  t.deepEqual(await readRecord(path), record);
  for (const [bad, words] of [
    [text.replace('[\n  42\n ]', '[\n  43\n ]'), /reproduction\.json.*its checksum is wrong/],
    [earlier.replace('"small"', '"medium"'), /reproduction\.json.*grid/],
    [JSON.stringify({ ...record, seeds: [42, 42] }), /the seeds are not the first of those/],
    [JSON.stringify({ ...record, seeds: [43] }), /the seeds are not the first of those/],
    [JSON.stringify({ ...record, asked: [42, 42] }), /a seed occurs twice/],
    [text.slice(0, -9), /reproduction\.json/],
    ['[]', /reproduction\.json/],
  ] as const) {
    await writeFile(file, bad);
    await t.throwsAsync(readRecord(path), { code: 'ERR_HOROBALL_FORMAT', message: words });
  }
});
