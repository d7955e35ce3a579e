import { readdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { dropLock, lockHolder, takeLock } from '../../lib/io/lock.ts';
import { temporary } from '../train/data/support.ts';

test('of many who want a dead lock one gets it, and nothing is left beside it', async (t) => {
  const folder = await temporary(t);
  const lock = join(folder, 'lock');
  for (const dead of ['999999999\n', JSON.stringify({ pid: 999999999, host: hostname() }), '', '{"pid"']) {
    await writeFile(lock, dead);
    const got = await Promise.all(Array.from({ length: 8 }, () => takeLock(lock)));
    t.is(got.filter((holder) => holder === null).length, 1, dead);
    t.is(await lockHolder(lock), process.pid);
    t.deepEqual(await readdir(folder), ['lock']);
    await dropLock(lock);
    t.deepEqual(await readdir(folder), []);
  }
});

test('a process takes what it holds where it may', async (t) => {
  const lock = join(await temporary(t), 'lock');
  t.is(await takeLock(lock), null);
  t.is(await takeLock(lock), process.pid);
  t.is(await takeLock(lock, true), null);
});

test('a lock of a living process is refused, of another machine it says nothing', async (t) => {
  const lock = join(await temporary(t), 'lock');
  await writeFile(lock, JSON.stringify({ pid: process.ppid, host: hostname() }));
  t.is(await takeLock(lock), process.ppid);
  await writeFile(lock, JSON.stringify({ pid: process.ppid, host: `not-${hostname()}` }));
  t.is(await takeLock(lock), null);
});
