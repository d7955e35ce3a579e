// Tests setup and doctor as processes: exit codes, messages of one sentence, JSON lines.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import test from 'ava';

import { fakeFiles, temporary, writeTree } from './fake-libtorch.ts';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

function horoball(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env } });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (out.stdout += text));
    child.stderr.on('data', (text) => (out.stderr += text));
    child.on('close', (code) => resolve({ code, ...out }));
  });
}

const sentences = (text: string): string[] => text.split('\n').filter((line) => line !== '');

test('help and version succeed; a wrong command or option is a usage error', async (t) => {
  const help = await horoball(['--help']);
  t.is(help.code, 0);
  for (const name of ['setup', 'doctor', 'train']) t.regex(help.stdout, new RegExp(`^  ${name}\\b`, 'm'));
  t.is((await horoball(['--version'])).code, 0);
  t.is((await horoball(['setup', '--help'])).code, 0);
  t.is((await horoball(['setup', '--libtroch', 'x'])).code, 2);
  t.is((await horoball(['settup'])).code, 2);
});

test('doctor reports its findings as text and as JSON', async (t) => {
  const { code, stdout } = await horoball(['doctor', '--json']);
  t.is(code, 0);
  const found = JSON.parse(stdout);
  t.like(found, { node: process.version, core: { ok: true }, addon: { ok: true, current: true } });
  const words = await horoball(['doctor']);
  t.is(words.stderr, '');
  t.regex(words.stdout, new RegExp(`^libtorch +${found.libtorch.version} `, 'm'));
  t.regex(words.stdout, /\n\nEverything works\.\n$/);
});

test('doctor: missing parts are reported on stdout too, with exit code 1', async (t) => {
  const env = { LIBTORCH: join(await temporary(t), 'nowhere') };
  const words = await horoball(['doctor'], env);
  t.deepEqual([words.code, words.stderr], [1, '']);
  t.regex(
    words.stdout,
    /^addon +not usable: .*\n\nThe core works: .* To train, run `npx horoball setup`\.\n$/ms,
  );
  const { code, stdout, stderr } = await horoball(['doctor', '--json'], env);
  t.deepEqual([code, stderr], [1, '']);
  t.like(JSON.parse(stdout), { core: { ok: true }, addon: { ok: false } });
});

test('doctor: reports a problem if LIBTORCH_USE_PYTORCH=1 selects a python3 without torch', async (t) => {
  const { code, stdout } = await horoball(['doctor'], {
    LIBTORCH_USE_PYTORCH: '1',
    PATH: await temporary(t),
  });
  t.is(code, 0);
  t.regex(
    stdout,
    /^libtorch +not (?:usable: |found by the search, but the training addon loads).*\n\nTraining works with the libtorch that setup chose earlier\.\n$/ms,
  );
});

test('setup does nothing the second time', async (t) => {
  const { code, stdout, stderr } = await horoball(['setup', '--json']);
  t.is(code, 0, stderr);
  t.false(JSON.parse(stdout).changed);
  t.regex(stderr, /^The training addon is up to date: /);
});

test.serial('a missing LIBTORCH causes a one-sentence error and exit code 1', async (t) => {
  const env = { LIBTORCH: join(await temporary(t), 'nowhere') };
  const { code, stdout, stderr } = await horoball(['setup', '--json'], env);
  t.is(code, 1);
  t.is(sentences(stderr).length, 1);
  t.regex(stderr, /LIBTORCH is set.*nowhere/);
  t.like(JSON.parse(stdout), { type: 'error', code: 'ERR_HOROBALL_NO_TORCH' });
});

test.serial('a libtorch that cannot be loaded is rejected before anything is built', async (t) => {
  const fake = await writeTree(await temporary(t), fakeFiles());
  const { code, stderr } = await horoball(['setup'], { LIBTORCH: fake });
  t.is(code, 1);
  t.regex(stderr, /cannot be loaded/);
});

test('the error for training with the wrong libtorch says which command to run', async (t) => {
  const folder = await temporary(t);
  const fake = await writeTree(join(folder, 'fake'), fakeFiles());
  const native = new URL('../../lib/train/lane/native.js', import.meta.url).href;
  const script = `const m = await import('${native}');
    try { m.torchInfo() } catch (e) { console.log(JSON.stringify([m.torchAvailable(), e.code, e.message])) }`;
  const file = join(folder, 'probe.mjs');
  await writeFile(file, script);
  const probe = (env: NodeJS.ProcessEnv): Promise<unknown[]> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [file], { env: { ...process.env, ...env } });
      let stdout = '';
      child.stdout.on('data', (text) => (stdout += text));
      child.on('close', () => resolve(JSON.parse(stdout)));
    });
  const [available, code, message] = await probe({ LIBTORCH: fake });
  t.deepEqual([available, code], [false, 'ERR_HOROBALL_TORCH_LOAD']);
  t.regex(String(message), /npx horoball setup/);
  const missing = await probe({ LIBTORCH: join(folder, 'gone') });
  t.deepEqual(missing.slice(0, 2), [false, 'ERR_HOROBALL_NO_TORCH']);
});

test('--libtorch with a folder that is not a libtorch leaves no files', async (t) => {
  const cache = await temporary(t);
  const file = join(cache, 'torch.whl');
  await writeFile(file, 'not a wheel');
  const { code, stderr } = await horoball(['setup', '--libtorch', file], { XDG_CACHE_HOME: cache });
  t.is(code, 1);
  t.regex(stderr, /torch\.whl cannot be used/);
  t.false(existsSync(join(cache, 'horoball', 'libtorch', 'current')));
  const absent = await horoball(['setup', '--libtorch', join(cache, 'x.zip')], { XDG_CACHE_HOME: cache });
  t.is(absent.code, 1);
  t.regex(absent.stderr, /no such file/);
});

/** Runs setup with a lock file of this content. A setup that takes over the lock fails later: torch.whl is not a wheel. */
async function setupWithLock(holder: string | object): Promise<Outcome & { left: string[] }> {
  const cache = await mkdtemp(join(tmpdir(), 'horoball-lock-'));
  try {
    const file = join(cache, 'torch.whl');
    await writeFile(file, 'not a wheel');
    await mkdir(join(cache, 'horoball'));
    await mkdir(join(cache, 'horoball', 'download-aBc123')); // left by a killed setup
    const text = typeof holder === 'string' ? holder : JSON.stringify(holder);
    await writeFile(join(cache, 'horoball', 'setup.lock'), text);
    const outcome = await horoball(['setup', '--libtorch', file], { XDG_CACHE_HOME: cache });
    return { ...outcome, left: await readdir(join(cache, 'horoball')).catch(() => []) };
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

const host = hostname();
const linux = process.platform === 'linux' ? test : test.skip;

test('setup takes over the lock of an ended process, and respects that of one that runs or may run', async (t) => {
  for (const ended of ['999999999', { pid: 999_999_999, host }, '', '{"pid":']) {
    const { code, stderr, left } = await setupWithLock(ended);
    t.is(code, 1);
    t.regex(stderr, /torch\.whl cannot be used/, JSON.stringify(ended));
    t.deepEqual(left, ['libtorch']);
  }
  const { code, stderr, left } = await setupWithLock({ pid: process.pid, host });
  t.is(code, 1);
  t.regex(stderr, new RegExp(`process ${process.pid} is already running setup in .*delete .*setup\\.lock`));
  t.deepEqual(left, ['download-aBc123', 'setup.lock'], 'another setup may be using the download');
});

linux('after a restart, a lock whose pid belongs to an unrelated process does not block setup', async (t) => {
  const space = await readlink('/proc/self/ns/pid');
  const { stderr, left } = await setupWithLock({ pid: process.pid, host, space, began: '1' });
  t.regex(stderr, /torch\.whl cannot be used/);
  t.false(left.includes('setup.lock'));
  // A restarted container has another PID namespace, so it is unknown whether the process still runs in the old one.
  const restarted = await setupWithLock({ pid: 1, host, space: 'pid:[1]', began: '1' });
  t.regex(restarted.stderr, /process 1 in another container on .*If it has ended, delete .*setup\.lock/);
  t.true(restarted.left.includes('setup.lock'));
});
