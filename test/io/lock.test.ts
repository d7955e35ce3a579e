import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('a killed process holds nothing before its parent has asked for it', async (t) => {
  const lock = join(await temporary(t), 'lock');
  // The shell becomes a program that never asks for its child.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 30'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => parent.kill());
  const pid = Number(String((await once(parent.stdout, 'data'))[0]));
  const state = async () => /\) (.)/.exec(await readFile(`/proc/${pid}/stat`, 'utf8'))?.[1];
  while ((await state()) !== 'Z') await sleep(5);
  await writeFile(lock, JSON.stringify({ pid, host: hostname() }));
  t.is(await lockHolder(lock), null);
  t.is(await takeLock(lock), null);
});

onLinux('a later process with the same number holds nothing', async (t) => {
  const lock = join(await temporary(t), 'lock');
  await writeFile(lock, JSON.stringify({ pid: process.ppid, host: hostname(), began: '1' }));
  t.is(await takeLock(lock), null);
  t.is(await lockHolder(lock), process.pid);
});
