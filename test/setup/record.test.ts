// The records that setup keeps of libtorch and the addon are validated when they are read.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
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

test.serial('an invalid choice of libtorch is ignored', async (t) => {
  const before = process.env['XDG_CACHE_HOME'];
  t.teardown(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  });
  const cache = await temporary(t);
  process.env['XDG_CACHE_HOME'] = cache;
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
