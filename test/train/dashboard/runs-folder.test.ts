import { readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunsFolder } from '../../../lib/train/dashboard/runs-folder.ts';
import { lockRun } from '../../../lib/train/run/lock.ts';
import { temporary, writeTree } from '../data/support.ts';
import { runFiles } from '../fake-run.ts';

test('lists runs by their last change, including those without a log and those of studies and reproductions', async (t) => {
  const root = await temporary(t);
  const old = new Date(1e12);
  await writeTree(root, { 'note.txt': '', 'empty/note.txt': '' });
  for (const path of ['b', 'a', 'study/runs/c', 'reproduction/temperature/runs/d']) {
    await writeTree(join(root, path), runFiles(2));
    await utimes(join(root, path, 'metrics.jsonl'), old, old);
  }
  await writeTree(join(root, 'new'), { 'config.json': runFiles(0)['config.json']! });
  const folder = await RunsFolder.open(root);
  const found = await folder.list();
  t.deepEqual(
    found.map(({ path }) => path),
    ['new', 'a', 'b', 'reproduction/temperature/runs/d', 'study/runs/c'],
  );
  t.deepEqual([found[0]!.size, found[1]!.changed], [0, 1e12]);
});

test('the folder of runs may be a link, such as to another disk', async (t) => {
  const root = await temporary(t);
  await writeTree(join(root, 'disk', 'one'), runFiles(2));
  await symlink(join(root, 'disk'), join(root, 'runs'), 'junction');
  const folder = await RunsFolder.open(join(root, 'runs'));
  t.deepEqual(
    (await folder.list()).map(({ path }) => path),
    ['one'],
  );
});

test('reads a run again only after it has changed, but checks its lock each time', async (t) => {
  const root = await temporary(t);
  await writeTree(join(root, 'one'), runFiles(2));
  const folder = await RunsFolder.open(root);
  const read = async () => await folder.read((await folder.list())[0]!);
  const first = await read();
  t.is(first.record!.rows.length, 2);
  const lock = await lockRun(join(root, 'one'));
  const second = await read();
  t.is(second.record, first.record);
  t.deepEqual([first.training, second.training], [false, true]);
  await lock.release();
  await writeTree(join(root, 'one'), runFiles(3));
  t.is((await read()).record!.rows.length, 3);
});

test('reads a run again after a damaged file was restored from a backup', async (t) => {
  const root = await temporary(t);
  await writeTree(join(root, 'one'), runFiles(2));
  const folder = await RunsFolder.open(root);
  const read = async () => await folder.read((await folder.list())[0]!);
  t.is((await read()).trouble, null);
  for (const name of ['config.json', 'snapshot.json']) {
    const file = join(root, 'one', name);
    const text = await readFile(file).catch(() => null);
    await writeFile(file, '{');
    t.regex((await read()).trouble!, new RegExp(`${name} cannot be used`));
    if (text === null) await rm(file);
    else await writeFile(file, text);
    t.is((await read()).trouble, null);
  }
});

test('keeps only what the page shows of a long run', async (t) => {
  const root = await temporary(t);
  await writeTree(join(root, 'one'), runFiles(5000));
  const folder = await RunsFolder.open(root);
  const { record, lastStep } = await folder.read((await folder.list())[0]!);
  t.true(record!.rows.length <= 121, `${record!.rows.length} rows`); // 300 bytes of memory each
  t.is(record!.snapshot, null);
  t.is(lastStep!.step, 5000);
});

test('several pages share the read of a run, and a long run that is training is not read at every update', async (t) => {
  const root = await temporary(t);
  await writeTree(join(root, 'long'), runFiles(10_000));
  let now = 0;
  const folder = await RunsFolder.open(root, () => now);
  const read = async () => await folder.read((await folder.list())[0]!);
  const [first, second] = await Promise.all([read(), read()]);
  t.is(first.record, second.record);
  const [listed] = await folder.list();
  const [whole, same] = await Promise.all([folder.readRecord(listed!), folder.readRecord(listed!)]);
  t.is(whole, same);
  t.not(await folder.readRecord(listed!), whole);
  await writeTree(join(root, 'long'), runFiles(10_001));
  t.is((await read()).lastStep!.step, 10_000);
  now = 2e-3 * listed!.size;
  t.is((await read()).lastStep!.step, 10_001);
  await writeTree(join(root, 'long'), runFiles(3)); // another run in the same folder
  t.is((await read()).lastStep!.step, 3);
});
