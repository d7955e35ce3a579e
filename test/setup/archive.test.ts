import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import test, { type ExecutionContext } from 'ava';
import { zipSync } from 'fflate';

import { unpackLibTorch } from '../../lib/setup/archive.ts';
import { librarySuffix } from '../../lib/setup/libraries.ts';
import { archiveOf, fakeFiles, temporary } from './fake-libtorch.ts';

const library = `lib/libtorch_cpu${librarySuffix}`;

async function unpack(
  t: ExecutionContext,
  bytes: Uint8Array,
  accept: (folder: string) => Promise<unknown> = async () => undefined,
): Promise<{ folder: string; to: string; steps: number[][] }> {
  const folder = await temporary(t);
  const [file, to] = [join(folder, 'a.zip'), join(folder, 'libtorch')];
  await writeFile(file, bytes);
  const steps: number[][] = [];
  try {
    await unpackLibTorch(file, to, accept, (done, total) => steps.push([done, total]));
  } finally {
    t.deepEqual(
      (await readdir(folder)).filter((name) => name.includes('partial')),
      [],
      'nothing half-written',
    );
  }
  return { folder, to, steps };
}

/** A wheel: the files under torch/, others beside them, and RECORD with the hashes (of `recorded`). */
function wheel(files: Record<string, string>, recorded = files): Uint8Array {
  const lines = Object.entries(recorded).map(([name, text]) => {
    const hash = createHash('sha256').update(text).digest('base64url');
    return `torch/${name},sha256=${hash},${text.length}`;
  });
  const record = [...lines, 'torch-2.13.0.dist-info/RECORD,,', ''].join('\n');
  const entries = Object.entries(files).map(([name, text]) => [`torch/${name}`, Buffer.from(text)] as const);
  return zipSync({
    ...Object.fromEntries(entries),
    'torch/__init__.py': Buffer.from('import this'),
    'torch-2.13.0.dist-info/RECORD': Buffer.from(record),
  });
}

test('an archive gives lib and include, with progress to the last byte', async (t) => {
  const { to, steps } = await unpack(t, archiveOf('libtorch', { ...fakeFiles(), 'share/cmake/x': 'no' }));
  t.deepEqual((await readdir(to)).sort(), ['include', 'lib']);
  t.is(await readFile(join(to, library), 'utf8'), 'not a library');
  const [done, total] = steps.at(-1)!;
  t.is(done, total);
});

test('a wheel gives the same, checked against its RECORD', async (t) => {
  const { to } = await unpack(t, wheel(fakeFiles()));
  t.deepEqual((await readdir(to)).sort(), ['include', 'lib']);
  const other = { ...fakeFiles(), [library]: 'another library' };
  const expected = { code: 'ERR_HOROBALL_ARCHIVE', message: /SHA-256 of torch\/lib\/libtorch_cpu/ };
  await t.throwsAsync(unpack(t, wheel(fakeFiles(), other)), expected);
});

test('a damaged archive, or one of something else, is refused', async (t) => {
  const good = Buffer.from(
    zipSync({ [`libtorch/${library}`]: [Buffer.from('not a library'), { level: 0 }] }),
  );
  good[good.indexOf('not a library')]! ^= 1;
  const code = 'ERR_HOROBALL_ARCHIVE';
  await t.throwsAsync(unpack(t, good), { code, message: /CRC-32/ });
  await t.throwsAsync(unpack(t, Buffer.from('not a zip')), { code });
  await t.throwsAsync(unpack(t, archiveOf('numpy', fakeFiles())), { code, message: /no libtorch/ });
  await t.throwsAsync(unpack(t, good.subarray(0, good.length - 30)), { code });
});

test('what is not accepted leaves what was there before', async (t) => {
  const folder = await temporary(t);
  const [file, to] = [join(folder, 'a.zip'), join(folder, 'libtorch')];
  const version = async (text: string, accept: () => Promise<unknown>): Promise<void> => {
    await writeFile(file, archiveOf('libtorch', { ...fakeFiles(), [library]: text }));
    await unpackLibTorch(file, to, accept, () => undefined);
  };
  await version('first', async () => undefined);
  const refusal = version('second', async () => {
    throw new Error('it does not load');
  });
  await t.throwsAsync(refusal, { message: 'it does not load' });
  t.is(await readFile(join(to, library), 'utf8'), 'first');
  await version('third', async () => undefined);
  t.is(await readFile(join(to, library), 'utf8'), 'third');
});
