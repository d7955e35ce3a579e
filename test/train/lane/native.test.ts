import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import {
  cancelOf,
  checkWorkingFolder,
  native,
  randomState,
  searchDevice,
  setRandomState,
  setThreads,
  torchAvailable,
  torchInfo,
  waitFor,
} from '../../../lib/train/lane/native.ts';
import { temporary } from '../data/support.ts';

const run = promisify(execFile);

test('the addon is loaded once, and reports its libtorch', (t) => {
  t.true(torchAvailable());
  t.is(native(), native());
  const { version, lib } = torchInfo();
  t.regex(version, /^\d+\.\d+\.\d+/);
  t.true(existsSync(lib));
  t.notThrows(checkWorkingFolder);
});

const usesMkl =
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  'glibcVersionRuntime' in (process.report.getReport() as { header: object }).header;
(usesMkl ? test : test.skip)("MKL asks our function whether the processor is one of Intel's", async (t) => {
  const folder = await temporary(t);
  const script = `const { torchInfo } = await import(${JSON.stringify(new URL('../../../lib/train/lane/native.js', import.meta.url).href)}); torchInfo();`;
  await run(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, LD_DEBUG: 'bindings', LD_DEBUG_OUTPUT: join(folder, 'bindings') },
  });
  const bindings = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
  const bound = bindings.join('').match(/.*libtorch_cpu\.so .*`mkl_serv_intel_cpu_true'/g) ?? [];
  for (const line of bound) t.regex(line, /libtorch_cpu\.so \[\d+\] to \S+mkl_kernels\.so/);
  if (bound.length === 0) t.log('this libtorch has no MKL');
  t.true(bindings.join('').includes('mkl_kernels.so'), 'the library is loaded');
});

test.serial('setThreads sets the number of threads', (t) => {
  t.throws(() => setThreads(1025), { code: 'ERR_HOROBALL_RANGE', message: /from 1 to 1024/ });
  const { threads } = torchInfo();
  for (const count of [1, 3, 2]) {
    setThreads(count);
    t.is(torchInfo().threads, count);
  }
  for (const count of [0, -1, 2 ** 31]) t.throws(() => setThreads(count), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => setThreads('2' as never), { instanceOf: TypeError, code: 'ERR_HOROBALL_TYPE' });
  t.is(torchInfo().threads, 2);
  setThreads(threads);
});

test.serial('a random state is restored, and any other array is rejected', async (t) => {
  const state = await randomState();
  t.true(state.length > 100);
  await setRandomState(state);
  t.deepEqual(await randomState(), state);
  const error = await t.throwsAsync<Error & { code?: string }>(setRandomState(new Uint8Array(3)));
  t.regex(error?.code ?? '', /^ERR_HOROBALL_/);
  t.deepEqual(await randomState(), state, 'nothing has changed');
});

test('searches run on the CPU if the network does, or if the core has no kernels for its device', (t) => {
  t.is(searchDevice('cpu'), 'cpu');
  t.is(searchDevice('cuda:99'), 'cpu');
});

test('a signal has one cancellation flag; calls without a signal have none', async (t) => {
  const { signal } = new AbortController();
  t.is(cancelOf('state', signal), cancelOf('state', signal));
  t.not(cancelOf('state', signal), cancelOf('state', new AbortController().signal));
  t.is(cancelOf('state', undefined), null);
  t.is(await waitFor('state', {}, async (cancel) => cancel), null);
  await t.throwsAsync(
    waitFor('state', null as never, async () => {}),
    {
      code: 'ERR_HOROBALL_TYPE',
      message: /^\[state\] options: expected an object, got null/,
    },
  );
});

test('canceled work rejects with the reason of the signal; other errors are unchanged', async (t) => {
  const cancelled = Object.assign(new Error('canceled'), { code: 'ERR_HOROBALL_CANCELLED' });
  const reason = new Error('enough');
  t.is(
    await t.throwsAsync(
      waitFor('state', { signal: AbortSignal.abort(reason) }, () => Promise.reject(cancelled)),
    ),
    reason,
  );
  const open = new AbortController().signal;
  t.is(await t.throwsAsync(waitFor('state', { signal: open }, () => Promise.reject(cancelled))), cancelled);
  const other = new Error('no memory');
  t.is(
    await t.throwsAsync(waitFor('state', { signal: AbortSignal.abort(reason) }, () => Promise.reject(other))),
    other,
  );
});

const module_ = fileURLToPath(new URL('../../../lib/train/lane/native.js', import.meta.url));

/** Returns the error of `torchInfo` in a process with this value of LIBTORCH. */
async function failure(libtorch: string): Promise<{ code: string; message: string; available: boolean }> {
  const code = `const { torchAvailable, torchInfo } = await import(${JSON.stringify(module_)});
    const available = torchAvailable();
    try { torchInfo(); } catch ({ code, message }) { console.log(JSON.stringify({ code, message, available })); }`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, LIBTORCH: libtorch },
  });
  return JSON.parse(stdout);
}

test('the error for a LIBTORCH without libtorch names it and the fix', async (t) => {
  const folder = await temporary(t);
  const { code, message, available } = await failure(folder);
  t.is(code, 'ERR_HOROBALL_NO_TORCH');
  t.false(available);
  t.true(message.startsWith(`[train] libtorch: expected libtorch in ${folder}`), message);
  t.regex(message, /Run `npx horoball setup`\.$/);
});
