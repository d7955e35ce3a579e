// The records that setup keeps of libtorch and the addon are validated when they are read.
import { execFileSync } from 'node:child_process';
import { link, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cachedAddons } from '../../lib/setup/paths.ts';
import { findAddon, type LibTorch, readChoice, writeChoice } from '../../lib/setup/record.ts';
import { temporary } from './fake-libtorch.ts';

const libtorch: LibTorch = { origin: 'cache', lib: '/l', include: '/i', version: '2.13.0', cuda: false };
const damaged = [
  '',
  'null',
  '[]',
  '['.repeat(100_000),
  JSON.stringify({ ...libtorch, lib: null }),
  JSON.stringify({ ...libtorch, cuda: 'no' }),
  JSON.stringify({ lib: '/l' }),
];

/** Sets the cache to an empty folder until the end of the test, and returns the folder. */
async function emptyCache(t: ExecutionContext): Promise<string> {
  const before = process.env['XDG_CACHE_HOME'];
  t.teardown(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  });
  const cache = await temporary(t);
  process.env['XDG_CACHE_HOME'] = cache;
  return cache;
}

test.serial('a choice of libtorch is replaced as a whole', async (t) => {
  const file = join(await emptyCache(t), 'horoball', 'libtorch.json');
  await writeChoice(libtorch);
  await link(file, `${file}.before`);
  await writeChoice({ ...libtorch, lib: '/other' });
  t.is(readChoice()?.lib, '/other');
  t.is(JSON.parse(await readFile(`${file}.before`, 'utf8')).lib, '/l');
});

test.serial('an invalid choice of libtorch is ignored', async (t) => {
  const cache = await emptyCache(t);
  t.is(readChoice(), undefined);
  await writeChoice(libtorch);
  t.deepEqual(readChoice(), libtorch);
  for (const text of damaged) {
    await writeFile(join(cache, 'horoball', 'libtorch.json'), text);
    t.is(readChoice(), undefined, text.slice(0, 80));
  }
});

test.serial('an addon with an invalid record is not used', async (t) => {
  const folder = await temporary(t);
  const second = join(folder, 'second');
  await mkdir(second);
  for (const at of [folder, second]) await writeFile(join(at, 'train.node'), '');
  const record = { libtorch, fingerprint: 'f' };
  await writeFile(join(second, 'train.json'), JSON.stringify(record));
  for (const text of [
    ...damaged,
    JSON.stringify({ libtorch }),
    JSON.stringify({ ...record, fingerprint: 1 }),
  ]) {
    await writeFile(join(folder, 'train.json'), text);
    t.deepEqual(findAddon([folder, second]), { file: join(second, 'train.node'), record }, text.slice(0, 80));
  }
});

const posix = process.platform === 'win32' ? test.skip : test.serial;

posix('a pipe in place of a record or an addon is not read', async (t) => {
  const cache = join(await emptyCache(t), 'horoball');
  await mkdir(cache);
  execFileSync('mkfifo', [join(cache, 'libtorch.json')]);
  t.is(readChoice(), undefined);
  const record = { libtorch, fingerprint: 'f' };
  await writeFile(join(cache, 'train.node'), '');
  execFileSync('mkfifo', [join(cache, 'train.json')]);
  t.is(findAddon([cache]), undefined);
  await rm(join(cache, 'train.json'));
  await writeFile(join(cache, 'train.json'), JSON.stringify(record));
  t.deepEqual(findAddon([cache])?.record, record);
  await rm(join(cache, 'train.node'));
  execFileSync('mkfifo', [join(cache, 'train.node')]);
  t.is(findAddon([cache]), undefined);
});

posix('a damaged folder of addons in the cache does not hide the addon of the package', async (t) => {
  await emptyCache(t);
  const built = findAddon();
  t.not(built, undefined);
  await mkdir(cachedAddons(), { recursive: true });
  await symlink('/nowhere', join(cachedAddons(), 'torch-1'));
  t.deepEqual(findAddon(), built);
  await rm(cachedAddons(), { recursive: true });
  await writeFile(cachedAddons(), '');
  t.deepEqual(findAddon(), built);
});
