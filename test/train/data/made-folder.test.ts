import { readdirSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import { makeFolder, readManifest } from '../../../lib/train/data/made-folder.ts';
import { temporary, writeTree } from './support.ts';

/** Part of the name of a folder that a killed process left behind. */
const dead = '0d5a2b1c-93f4-4e0e-8a70-5b6c7d8e9f00';
const making = (manifest: object) => ({
  manifestName: 'made.json',
  manifest,
  isOwn: (name: string) => name === 'a.txt',
  what: 'a test folder',
});
const fill = async (folder: string) => {
  await writeFile(join(folder, 'a.txt'), 'a');
  return { count: 1 };
};

test('a folder is created once, and replaced only for another manifest', async (t) => {
  const root = join(await temporary(t), 'made');
  t.true(await makeFolder(root, making({ seed: 1 }), fill));
  t.deepEqual(await readManifest(root, 'made.json'), { seed: 1, count: 1 });
  t.false(await makeFolder(root, making({ seed: 1 }), () => Promise.reject(new Error('not called'))));
  t.true(await makeFolder(root, making({ seed: 2 }), async () => ({})));
  t.deepEqual(await readdir(root), ['made.json']);
});

test('a folder with a file of the user is not replaced, whatever its manifest and whenever the file was added', async (t) => {
  const root = join(await temporary(t), 'made');
  const error = { code: 'ERR_HOROBALL_DATA_LAYOUT', message: /with other contents/ };
  const never = () => Promise.reject(new Error('not called'));
  await writeTree(root, { 'made.json': '{"other":1}' });
  await t.throwsAsync(makeFolder(root, making({ seed: 1 }), never), error, 'a manifest of another program');
  await rm(root, { recursive: true });
  await makeFolder(root, making({ seed: 1 }), fill);
  await writeTree(root, { '.DS_Store': '', 'thesis.txt': 'years of work' });
  t.false(await makeFolder(root, making({ seed: 1 }), never));
  await t.throwsAsync(makeFolder(root, making({ seed: 2 }), never), error);
  await rm(join(root, 'thesis.txt'));
  const late = async () => {
    await writeTree(root, { 'thesis.txt': 'years of work' });
    return {};
  };
  await t.throwsAsync(makeFolder(root, making({ seed: 2 }), late), error);
  t.deepEqual((await readdir(root)).sort(), ['.DS_Store', 'a.txt', 'made.json', 'thesis.txt']);
  await rm(join(root, 'thesis.txt'));
  t.true(await makeFolder(root, making({ seed: 2 }), fill));
});

test('a link to a folder is kept, and its target is filled', async (t) => {
  const parent = await temporary(t);
  const [link, target] = [join(parent, 'made'), join(parent, 'disk')];
  await symlink(target, link, 'junction');
  const error = { code: 'ERR_HOROBALL_DATA_LAYOUT' };
  await t.throwsAsync(
    makeFolder(link, making({}), () => Promise.reject(new Error('not called'))),
    error,
  );
  await mkdir(target);
  for (const seed of [1, 2]) {
    t.true(await makeFolder(link, making({ seed }), fill));
    t.deepEqual(await readManifest(target, 'made.json'), { seed, count: 1 });
  }
  t.deepEqual((await readdir(parent)).sort(), ['disk', 'made']);
  t.true((await lstat(link)).isSymbolicLink());
});

test('a mount point, which cannot be replaced, is rejected before anything is made', async (t) => {
  const shared = '/dev/shm';
  const devices = await Promise.all([shared, '/dev'].map((each) => stat(each).catch(() => null)));
  if (devices[0] === null || devices[0]?.dev === devices[1]?.dev)
    return t.pass('it is not a mount point here');
  const file = join(shared, `${crypto.randomUUID()}.json`);
  await writeFile(file, '{"seed":1}');
  t.teardown(() => rm(file));
  const other = { ...making({ seed: 2 }), manifestName: basename(file) };
  const made = makeFolder(shared, other, () => Promise.reject(new Error('not called')));
  await t.throwsAsync(made, { code: 'ERR_HOROBALL_DATA_LAYOUT', message: /got \/dev\/shm, a mount point/ });
});

test('a failure leaves no files', async (t) => {
  const parent = await temporary(t);
  const broken = async (folder: string) => {
    await fill(folder);
    throw new Error('broken');
  };
  await t.throwsAsync(makeFolder(join(parent, 'made'), making({}), broken), { message: 'broken' });
  t.deepEqual(await readdir(parent), []);
});

test('removes leftovers of a killed process, and keeps files of a running one', async (t) => {
  const parent = await temporary(t);
  await writeTree(parent, { [`made.partial-${dead}/a.txt`]: '', 'made.partial-mine/a.txt': '' });
  await makeFolder(join(parent, 'made'), making({}), async (folder) => {
    await makeFolder(join(parent, 'made'), making({}), fill); // as if by another process in the meantime
    t.true((await readdir(folder)).length === 0);
    return {};
  });
  t.deepEqual(
    (await readdir(parent)).sort(),
    ['made', 'made.partial-mine'],
    'and keeps a folder of the user',
  );
  t.is(await readFile(join(parent, 'made', 'a.txt'), 'utf8'), 'a');
});

test('a folder is locked throughout its creation, so that no other process removes it', async (t) => {
  const parent = await temporary(t);
  const open = new Set<string>();
  let isDone = false;
  const made = makeFolder(join(parent, 'made'), making({}), fill).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    const names = readdirSync(parent);
    for (const name of names.filter((each) => /\.partial-[\da-f-]+$/.test(each)))
      if (!names.includes(`${name}.lock`)) open.add(name);
    await nextTurn();
  }
  t.true(await made);
  t.deepEqual([...open], []);
});

test('removes temporary lock files of killed processes, and keeps those of running ones', async (t) => {
  const parent = await temporary(t);
  const lock = `made.partial-${dead}.lock.0f0e3f6c-6a4c-4c1e-9d57-0a1b2c3d4e5f`;
  const empty = `made.partial-${dead.replace('0', '1')}.lock`;
  await writeTree(parent, { [lock]: '{"pid":1,"host":"other"}', [empty]: '' });
  await makeFolder(join(parent, 'made'), making({ seed: 1 }), fill);
  t.deepEqual((await readdir(parent)).sort(), ['made', lock, empty]);
  const hourAgo = new Date(Date.now() - 3_600_000);
  await utimes(join(parent, empty), hourAgo, hourAgo);
  await makeFolder(join(parent, 'made'), making({ seed: 2 }), fill);
  t.deepEqual((await readdir(parent)).sort(), ['made', lock]);
});

test('uses an empty folder, and rejects one with other contents', async (t) => {
  const root = await temporary(t);
  await mkdir(join(root, 'empty'));
  t.true(await makeFolder(join(root, 'empty'), making({}), fill));
  await writeTree(root, { 'mine/notes.txt': 'keep' });
  await t.throwsAsync(makeFolder(join(root, 'mine'), making({}), fill), {
    code: 'ERR_HOROBALL_DATA_LAYOUT',
    message: /expected a test folder or a new folder, got .*mine with other contents/,
  });
});
