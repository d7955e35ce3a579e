// System errors name the file that the caller passed, and are reported as one sentence.
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { explanationOf, naming, reasonOf } from '../../lib/io/file-errors.ts';
import { readMat, readNpy, readSafetensors, writeNpy } from '../../lib/io/index.ts';
import { PthFile } from '../../lib/io/pth.ts';

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-file-errors-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

/** Returns the error of a call, or, if it succeeds, an error without a code. */
const thrown = (call: () => Promise<unknown>): Promise<NodeJS.ErrnoException> =>
  call().then(
    () => new Error('it did not fail'),
    (error: NodeJS.ErrnoException) => error,
  );

for (const read of [readNpy, readSafetensors, readMat, PthFile.open]) {
  test(`${read.name} names a folder that was passed instead of a file`, async (t) => {
    const { code, path, message } = await thrown(() => read(folder));
    t.deepEqual([code, path], ['EISDIR', folder]);
    t.true(message.includes(folder));
    t.is(
      reasonOf(Object.assign(new Error(message), { code, syscall: 'read' })),
      'it is a folder, not a file',
    );
  });
}

test('the error for an unwritable file names it, not the temporary file, which is removed', async (t) => {
  const taken = join(folder, 'taken.npy');
  await mkdir(taken);
  const { code, path, message } = await thrown(() => writeNpy(taken, new Float32Array(2)));
  t.deepEqual([code, path], ['EISDIR', taken]);
  t.notRegex(message, /^[^']*\.tmp'[^>]*$/);
  t.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith('.tmp')),
    [],
  );
  const within = join(folder, 'file', 'x.npy');
  await writeFile(join(folder, 'file'), '');
  const other = await thrown(() => writeNpy(within, new Float32Array(2)));
  t.deepEqual([other.code, other.path], ['ENOTDIR', within]);
  t.true(other.message.endsWith(`'${within}'`), other.message);
});

test('the error for a full disk names the file being written', async (t) => {
  if (process.platform !== 'linux') return t.pass('no /dev/full');
  const full = await open('/dev/full', 'w');
  const error = await thrown(() => naming('metrics.jsonl', full.appendFile('x')));
  await full.close();
  t.deepEqual([error.code, error.path], ['ENOSPC', 'metrics.jsonl']);
  t.is(explanationOf(error)?.reason, 'the disk is full');
});

test('does not change other errors', async (t) => {
  const error = new Error('mine');
  t.is(await naming('x', Promise.reject(error)).catch((caught: unknown) => caught), error);
  t.is(explanationOf(error), undefined);
  t.is(reasonOf(error), 'mine');
  t.is(reasonOf('text'), 'text');
});
