// The program itself, in a process of its own: exit codes, one clear sentence, JSON lines.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
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

test('help and version are successes, a wrong word or option is a usage error', async (t) => {
  const help = await horoball(['--help']);
  t.is(help.code, 0);
  for (const name of ['setup', 'doctor', 'train']) t.regex(help.stdout, new RegExp(`^  ${name}\\b`, 'm'));
  t.is((await horoball(['--version'])).code, 0);
  t.is((await horoball(['setup', '--help'])).code, 0);
  t.is((await horoball(['setup', '--libtroch', 'x'])).code, 2);
  t.is((await horoball(['settup'])).code, 2);
});

test('doctor says how everything stands, in words and in JSON', async (t) => {
  const { code, stdout } = await horoball(['doctor', '--json']);
  t.is(code, 0);
  const found = JSON.parse(stdout);
  t.like(found, { node: process.version, core: { ok: true }, addon: { ok: true, current: true } });
  const words = await horoball(['doctor']);
  t.is(words.stderr, '');
  t.regex(words.stdout, new RegExp(`^libtorch +${found.libtorch.version} `, 'm'));
  t.regex(words.stdout, /\n\nAll is well\.\n$/);
});

test('doctor: what is missing is a finding on stdout too, and exit code 1', async (t) => {
  const env = { LIBTORCH: join(await temporary(t), 'nowhere') };
  const words = await horoball(['doctor'], env);
  t.deepEqual([words.code, words.stderr], [1, '']);
  t.regex(words.stdout, /^addon +not usable: .*\n\nThe core works; training needs the addon\.\n$/ms);
  const { code, stdout, stderr } = await horoball(['doctor', '--json'], env);
  t.deepEqual([code, stderr], [1, '']);
  t.like(JSON.parse(stdout), { core: { ok: true }, addon: { ok: false } });
});

test('doctor: a python3 without torch that setup was told to take is no reason to say that all is well', async (t) => {
  const { code, stdout } = await horoball(['doctor'], {
    LIBTORCH_USE_PYTORCH: '1',
    PATH: await temporary(t),
  });
  t.is(code, 0);
  t.regex(
    stdout,
    /^libtorch +not usable: .*\n\nTraining works, with the libtorch that setup chose before\.\n$/ms,
  );
});

test('setup has nothing to do the second time', async (t) => {
  const { code, stdout, stderr } = await horoball(['setup', '--json']);
  t.is(code, 0, stderr);
  t.false(JSON.parse(stdout).changed);
  t.regex(stderr, /^Nothing to do: /);
});

test('a LIBTORCH that is not there is one sentence and exit code 1', async (t) => {
  const env = { LIBTORCH: join(await temporary(t), 'nowhere') };
  const { code, stdout, stderr } = await horoball(['setup', '--json'], env);
  t.is(code, 1);
  t.is(sentences(stderr).length, 1);
  t.regex(stderr, /LIBTORCH is set.*nowhere/);
  t.like(JSON.parse(stdout), { type: 'error', code: 'ERR_HOROBALL_NO_TORCH' });
});

test('a libtorch that does not load is refused before anything is built on it', async (t) => {
  const fake = await writeTree(await temporary(t), fakeFiles());
  const { code, stderr } = await horoball(['setup'], { LIBTORCH: fake });
  t.is(code, 1);
  t.regex(stderr, /does not load/);
});

test('training with the wrong libtorch says what to run', async (t) => {
  const folder = await temporary(t);
  const fake = await writeTree(join(folder, 'fake'), fakeFiles());
  const native = new URL('../../lib/train/native.js', import.meta.url).href;
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
  const gone = await probe({ LIBTORCH: join(folder, 'gone') });
  t.deepEqual(gone.slice(0, 2), [false, 'ERR_HOROBALL_NO_TORCH']);
});

test('--libtorch with something that is no libtorch leaves nothing behind', async (t) => {
  const cache = await temporary(t);
  const file = join(cache, 'torch.whl');
  await writeFile(file, 'not a wheel');
  const { code, stderr } = await horoball(['setup', '--libtorch', file], { XDG_CACHE_HOME: cache });
  t.is(code, 1);
  t.regex(stderr, /torch\.whl cannot be used/);
  t.false(existsSync(join(cache, 'horoball', 'libtorch', 'current')));
  const absent = await horoball(['setup', '--libtorch', join(cache, 'x.zip')], { XDG_CACHE_HOME: cache });
  t.is(absent.code, 1);
  t.regex(absent.stderr, /there is no such file/);
});
