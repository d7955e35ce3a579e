import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, readlink, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { Lock, lockHolder } from '../../lib/io/lock.ts';
import { Shim } from '../faults/shim.ts';
import { temporary } from '../train/data/support.ts';

/** Tries to acquire the lock. Returns the current holder, or null if the caller has acquired it. */
async function takeLock(path: string): Promise<string | null> {
  const [busy, conflict] = [new Error(), { holder: '', advice: '' }];
  try {
    await Lock.take(path, (holder, advice) =>
      Object.assign(busy, Object.assign(conflict, { holder, advice })),
    );
    return null;
  } catch (error) {
    if (error !== busy) throw error;
    const isSure = process.platform === 'linux' && conflict.holder === 'another call in this process';
    if (!isSure && !conflict.advice.includes(path))
      throw new Error(`the advice names no file to delete: ${conflict.advice}`);
    return conflict.holder;
  }
}

const own = { pid: process.pid, host: hostname() };

test('exactly one competitor takes over a stale lock and leaves no other files', async (t) => {
  const folder = await temporary(t);
  const lock = join(folder, 'lock');
  for (const dead of ['999999999\n', JSON.stringify({ pid: 999999999, host: hostname() }), '', '{"pid"']) {
    await writeFile(lock, dead);
    const got = await Promise.all(Array.from({ length: 8 }, () => takeLock(lock)));
    t.is(got.filter((holder) => holder === null).length, 1, dead);
    t.is((await lockHolder(lock))?.holder, 'another call in this process');
    t.deepEqual(await readdir(folder), ['lock']);
    await rm(lock);
    t.deepEqual(await readdir(folder), []);
  }
});

test('the next attempt removes the files of killed competitors, and no others', async (t) => {
  const folder = await temporary(t);
  const lock = join(folder, '.training');
  const left = (suffix = '') => join(folder, `.training${suffix}.${crypto.randomUUID()}`);
  const dead = { pid: 999_999_999, host: hostname() };
  const [empty, fresh, living, elsewhere] = [left(), left(), left(), left()];
  await writeFile(left(), JSON.stringify(dead));
  await writeFile(left('.next'), JSON.stringify(dead));
  await writeFile(left('.next.next'), JSON.stringify(dead));
  for (const file of [empty, fresh]) await writeFile(file, '');
  await utimes(empty, 0, 0);
  await writeFile(living, JSON.stringify(own));
  await writeFile(elsewhere, JSON.stringify({ ...dead, host: `not-${hostname()}` }));
  const others = ['.training.notes', '.trainings', `training.${crypto.randomUUID()}`];
  for (const name of others) await writeFile(join(folder, name), JSON.stringify(dead));
  t.is(await takeLock(lock), null);
  const kept = [fresh, living, elsewhere].map((file) => basename(file));
  t.deepEqual((await readdir(folder)).sort(), ['.training', ...kept, ...others].sort());
});

test('the next attempt removes the files of competitors killed at any point while they took the lock', async (t) => {
  const folder = await temporary(t);
  const lock = join(folder, 'lock');
  const module = new URL('../../lib/io/lock.js', import.meta.url).href;
  const calls = ['openSync', 'writeSync', 'link', 'rm'];
  for (const call of calls) {
    const script = `
      const fs = require('node:fs');
      const of = ${JSON.stringify(call)} in fs.promises && !${JSON.stringify(call)}.endsWith('Sync') ? fs.promises : fs;
      const { ${call}: original } = of;
      of.${call} = (...args) => { const result = original(...args); process.kill(process.pid, 'SIGKILL'); return result; };
      require('node:module').syncBuiltinESMExports();
      import('${module}').then(({ Lock }) => Lock.take(${JSON.stringify(lock)}, () => new Error('busy')));`;
    t.is(spawnSync(process.execPath, ['-e', script]).signal, 'SIGKILL', call);
  }
  t.true((await readdir(folder)).length > 1, 'the kills left files');
  const now = Date.now() / 1000 - 120;
  for (const name of await readdir(folder)) await utimes(join(folder, name), now, now);
  t.is(await takeLock(lock), null);
  t.deepEqual(await readdir(folder), ['lock']);
});

test('a lock has one holder, also within a process, and only the holder can release it', async (t) => {
  const path = join(await temporary(t), 'lock');
  const busy = (): Error => new Error('busy');
  const lock = await Lock.take(path, busy);
  t.is(await takeLock(path), 'another call in this process');
  if (process.platform === 'linux') t.is((await lockHolder(path))?.advice, 'Wait until it ends.');
  await rm(path);
  t.is(await lock.reacquire(), null, 'a missing lock file is written again');
  t.is(await takeLock(path), 'another call in this process');
  await rm(path);
  const other = await Lock.take(path, () => new Error('busy'));
  t.is(await lock.reacquire(), 'another call in this process');
  await lock.release();
  t.is(await takeLock(path), 'another call in this process', 'the file was not the first one to remove');
  t.is(await other.reacquire(), null);
  await other.release();
  t.is(await takeLock(path), null);
});

test('a lock file that cannot be removed does not hide the error of the work', async (t) => {
  const folder = await temporary(t);
  const path = join(folder, 'lock');
  const work = async (): Promise<void> => {
    await using _ = await Lock.take(path, () => new Error('busy'));
    await rm(path);
    await mkdir(path);
    throw new Error('the work failed');
  };
  await t.throwsAsync(work(), { message: 'the work failed' });
});

test('respects locks of a running process, of another host and of another container', async (t) => {
  const lock = join(await temporary(t), 'lock');
  const elsewhere = `not-${hostname()}`;
  for (const [holder, said] of [
    [{ pid: process.ppid, host: hostname() }, `process ${process.ppid}`],
    [{ pid: 999_999_999, host: elsewhere }, `process 999999999 on the host ${elsewhere}`],
    [{ ...own, space: 'pid:[1]' }, `process ${process.pid} in another container on ${hostname()}`],
  ] as const) {
    await writeFile(lock, JSON.stringify(holder));
    t.is(await takeLock(lock), said);
    t.is((await lockHolder(lock))?.holder, said);
  }
});

test('the lock of a worker excludes other threads of its process until the worker ends', async (t) => {
  const lock = join(await temporary(t), 'lock');
  const module = new URL('../../lib/io/lock.js', import.meta.url).href;
  const script = `import('${module}').then(async ({ Lock }) => {
    await Lock.take(${JSON.stringify(lock)}, () => new Error('busy'));
    require('node:worker_threads').parentPort.postMessage('taken');
    setInterval(() => {}, 1000);
  })`;
  const worker = new Worker(script, { eval: true });
  await once(worker, 'message');
  t.is(await takeLock(lock), 'another call in this process');
  await worker.terminate();
  if (process.platform !== 'linux') return;
  t.is(await takeLock(lock), null);
});

const onLinux = process.platform === 'linux' ? test : test.skip;

/** Returns the PID of a zombie process; null if the shell was so slow that it reaped the child. */
async function startedZombie(t: ExecutionContext): Promise<number | null> {
  // The shell is replaced by a program that never waits for its child.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 30'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => parent.kill());
  const pid = Number(String((await once(parent.stdout, 'data'))[0]));
  for (;;) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    if (text === null) return null;
    if (/\) Z/.test(text)) return pid;
    await sleep(5);
  }
}

onLinux('a zombie process holds no lock', async (t) => {
  const lock = join(await temporary(t), 'lock');
  let pid: number | null = null;
  while (pid === null) pid = await startedZombie(t);
  await writeFile(lock, JSON.stringify({ pid, host: hostname() }));
  t.is(await lockHolder(lock), null);
  t.is(await takeLock(lock), null);
});

/** Acquires a lock in a process in another PID namespace, as in a container with this host name (default: the machine's). */
async function containerTakes(lock: string, name?: string): Promise<{ kill(): Promise<void> } | null> {
  const module = new URL('../../lib/io/lock.js', import.meta.url).href;
  const script = `const { Lock } = await import('${module}');
    globalThis.lock = await Lock.take(${JSON.stringify(lock)}, () => new Error('busy'));
    console.log('taken');
    setInterval(() => {}, 1000);`;
  const node = [process.execPath, '--input-type=module', '-e', script];
  const named = name === undefined ? node : ['sh', '-c', `hostname ${name} && exec "$@"`, 'sh', ...node];
  const own = ['--pid', '--uts', '--fork', '--kill-child', '--mount-proc'];
  const child = spawn('unshare', [...own, ...named]);
  const taken = await Promise.race([
    once(child.stdout, 'data').then(() => true),
    once(child, 'close').then(() => false),
    once(child, 'error').then(() => false),
  ]);
  if (!taken) return null;
  const kill = async (): Promise<void> => {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  };
  return { kill };
}

onLinux('the lock of a container is held while it runs, and free once it is killed', async (t) => {
  const lock = join(await temporary(t), 'lock');
  const container = await containerTakes(lock);
  if (container === null) {
    t.pass('this user may not create a PID namespace');
    return;
  }
  t.regex((await takeLock(lock)) ?? '', /^process \d+ in another container on /);
  await container.kill();
  t.is(await lockHolder(lock), null);
  t.is(await takeLock(lock), null);
});

onLinux('the lock of a killed container is free, also in its successor with another host name', async (t) => {
  const lock = join(await temporary(t), 'lock');
  const container = await containerTakes(lock, 'first-name');
  if (container === null) {
    t.pass('this user may not create these namespaces');
    return;
  }
  t.is(JSON.parse(await readFile(lock, 'utf8')).host, 'first-name');
  t.regex((await takeLock(lock)) ?? '', /^process \d+ in another container on first-name$/);
  t.regex((await lockHolder(lock))!.advice, /^\S*lock is still locked, so the process is running\. Wait/);
  await container.kill();
  const successor = await containerTakes(lock, 'second-name');
  t.is(JSON.parse(await readFile(lock, 'utf8')).host, 'second-name');
  await successor!.kill();
  t.is(await takeLock(lock), null);
});

onLinux(
  'a lock of another host name is held unless this kernel proves that its holder has ended',
  async (t) => {
    const lock = join(await temporary(t), 'lock');
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const elsewhere = { pid: 999_999_999, host: `not-${hostname()}`, space: 'pid:[1]', locked: true };
    for (const [holder, isHeld] of [
      [{ ...elsewhere, boot }, false],
      [{ ...elsewhere, boot, locked: undefined }, true], // written without the core: another container may be running
      [{ ...elsewhere, boot, locked: undefined, space: undefined }, true],
      [{ ...elsewhere, boot: 'another' }, true],
      [{ ...elsewhere, boot: undefined }, true],
      [{ ...elsewhere, boot, locked: undefined, space: await readlink('/proc/self/ns/pid') }, false], // renamed machine
    ] as const) {
      await writeFile(lock, JSON.stringify(holder));
      const found = await lockHolder(lock);
      t.is(found !== null, isHeld, JSON.stringify(holder));
      if (found === null) continue;
      t.true(
        found.advice.includes(`delete ${lock} to take over. It has ended if its container or machine has`),
      );
    }
  },
);

onLinux(
  'a lock from before a reboot is free; one of another machine with the same name, or of a clone of this one, is held',
  async (t) => {
    const lock = join(await temporary(t), 'lock');
    const began = /\) (.*)$/s.exec(await readFile('/proc/self/stat', 'utf8'))![1]!.split(' ')[19]!;
    const space = await readlink('/proc/self/ns/pid');
    await writeFile(lock, JSON.stringify({ ...own, began, space, boot: 'another' }));
    const holder = `process ${process.pid} on another machine named ${hostname()}`;
    t.is(await takeLock(lock), holder, 'written since this machine was started');
    t.is((await lockHolder(lock))?.holder, holder);
    const before = Date.now() / 1000 - uptime() - 60;
    await utimes(lock, before, before);
    t.is(await lockHolder(lock), null);
    await writeFile(lock, JSON.stringify({ ...own, began, machine: 'another', boot: 'another' }));
    t.true(
      (await readFile('/etc/machine-id', 'utf8').catch(() => '')) === '' || (await lockHolder(lock)) !== null,
    );
  },
);

test('a lock in a moved folder is free once its holder releases it', async (t) => {
  const folder = await temporary(t);
  const [before, after] = [join(folder, 'before'), join(folder, 'after')];
  await mkdir(before);
  const lock = await Lock.take(join(before, 'lock'), () => new Error('busy'));
  await rename(before, after);
  t.is((await lockHolder(join(after, 'lock')))?.holder, 'another call in this process');
  await lock.release();
  if (process.platform === 'linux') t.is(await takeLock(join(after, 'lock')), null);
});

onLinux('a lock file that cannot be written leaves nothing behind, and the error names it', async (t) => {
  const folder = await temporary(t);
  const lock = join(folder, 'none', 'lock');
  const error = await t.throwsAsync<NodeJS.ErrnoException>(Lock.take(lock, () => new Error('busy')));
  t.deepEqual([error.code, error.path], ['ENOENT', lock]);
  // The child cannot write a single byte to files, as if the disk were full.
  const module = new URL('../../lib/io/lock.js', import.meta.url).href;
  const code = `process.on('SIGXFSZ', () => {});
    const { Lock } = await import('${module}');
    await Lock.take(${JSON.stringify(join(folder, 'lock'))}, () => new Error('busy')).catch(({ code, path }) => console.log(code, path));`;
  const child = spawnSync(
    'sh',
    ['-c', 'ulimit -f 0; exec "$@" | cat', 'sh', process.execPath, '--input-type=module', '-e', code],
    { encoding: 'utf8' },
  );
  t.is(child.stdout.trim(), `EFBIG ${join(folder, 'lock')}`);
  t.deepEqual(await readdir(folder), []);
});

test('a lock file without a start time may be that of an earlier process with the ID of this one', async (t) => {
  const lock = join(await temporary(t), 'lock');
  await writeFile(lock, JSON.stringify(own));
  t.deepEqual(await lockHolder(lock), {
    holder: 'another call in this process',
    advice: `Wait until it ends. If an earlier process with the same ID left ${lock}, delete it.`,
  });
});

onLinux('a later process with the same PID holds no lock', async (t) => {
  const lock = join(await temporary(t), 'lock');
  await writeFile(lock, JSON.stringify({ pid: process.ppid, host: hostname(), began: '1' }));
  t.is(await takeLock(lock), null);
  t.is((await lockHolder(lock))?.holder, 'another call in this process');
});

test('a pipe in place of a lock file is rejected; a file that is too long or has control characters blocks no one', async (t) => {
  const folder = await temporary(t);
  const path = join(folder, 'lock');
  const busy = (): Error => new Error('busy');
  if (process.platform !== 'win32') {
    spawnSync('mkfifo', [path]);
    await t.throwsAsync(Lock.take(path, busy), { code: 'ERR_HOROBALL_FORMAT', message: /pipe/ });
    await rm(path);
  }
  for (const text of [
    JSON.stringify({ pid: 1, host: '\u001b[2J' }),
    JSON.stringify({ pid: 1, host: 'x'.repeat(1000) }),
    '['.repeat(100_000),
  ]) {
    await writeFile(path, text);
    const lock = await Lock.take(path, busy);
    await lock.release();
  }
  t.deepEqual(await readdir(folder), []);
});

onLinux('an ended thread holds no lock, even though its process is running', async (t) => {
  const lock = join(await temporary(t), 'lock');
  const stat = await readFile(`/proc/${process.pid}/stat`, 'utf8');
  const began = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
  const of = (thread: object): string => JSON.stringify({ ...own, began, thread });
  await writeFile(lock, of({ id: process.pid, began })); // the main thread of this process
  t.is(await takeLock(lock), 'another call in this process');
  for (const thread of [
    { id: 4_000_000, began },
    { id: process.pid, began: '1' },
  ]) {
    await writeFile(lock, of(thread));
    t.is(await takeLock(lock), null, JSON.stringify(thread));
    await rm(lock);
  }
});

onLinux('a lock has one holder on a file system without hard links', async (t) => {
  await using shim = await Shim.compile();
  if (shim === null) return t.pass('no C compiler');
  const folder = await temporary(t);
  const module = new URL('../../lib/io/lock.js', import.meta.url).href;
  const code = `const { Lock } = await import('${module}');
    const take = () => Lock.take('${join(folder, 'lock')}', () => new Error()).then(() => 'taken', () => 'busy');
    console.log(await take(), await take());`;
  const fault = { operation: 'link', error: 'EPERM', first: 1, count: 1e9 } as const;
  const { stdout } = await shim.run(['--input-type=module', '-e', code], folder, fault);
  t.is(stdout.trim(), 'taken busy');
});

test("a damaged lock file stays held as long as the kernel's lock is held", async (t) => {
  const path = join(await temporary(t), 'lock');
  const lock = await Lock.take(path, () => new Error('held'));
  const sound = await readFile(path);
  for (const damage of [sound.subarray(0, 0), sound.subarray(0, 9), Buffer.from(`!${sound}`)]) {
    await writeFile(path, damage);
    t.is((await lockHolder(path))?.holder, 'a process');
    t.is(await takeLock(path), 'a process');
    t.deepEqual(await readFile(path), damage);
  }
  await writeFile(path, sound);
  await lock.release();
  await writeFile(path, sound.subarray(0, 9));
  t.is(await takeLock(path), null);
});

test('a lock whose descriptor a program inherited is held until that program ends', async (t) => {
  if (process.platform !== 'linux')
    return t.pass('the state of locks of other processes is known on Linux only');
  const path = join(await temporary(t), 'lock');
  const [lockUrl, commandUrl] = ['io/lock', 'setup/command'].map(
    (name) => new URL(`../../lib/${name}.js`, import.meta.url).href,
  );
  const code = `const { Lock } = await import('${lockUrl}');
    const { run } = await import('${commandUrl}');
    const lock = await Lock.take('${path}', (holder) => new Error(holder));
    run('sh', ['-c', 'echo $$; exec sleep 60'], { descriptor: lock.descriptor, onLine: console.log });`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code]);
  const [text] = (await once(holder.stdout, 'data')) as [Buffer];
  const program = Number(text.toString());
  t.teardown(() => {
    try {
      process.kill(program, 'SIGKILL');
    } catch {
      // the program has already ended
    }
  });
  holder.kill('SIGKILL');
  await once(holder, 'close');
  t.is(await takeLock(path), `process ${holder.pid}`);
  process.kill(program, 'SIGKILL');
  while ((await takeLock(path)) !== null) await sleep(10);
  t.pass();
});
