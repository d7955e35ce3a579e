import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import test, { type ExecutionContext } from 'ava';
import { zipSync } from 'fflate';

import { checkSha256, recoverFolder, unpackLibTorch } from '../../lib/setup/archive.ts';
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

/** A wheel: files under torch/, other files next to them, and RECORD with the hashes of `recorded`. */
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

test('unpacks lib and include from an archive, and reports progress up to the last byte', async (t) => {
  const { to, steps } = await unpack(t, archiveOf('libtorch', { ...fakeFiles(), 'share/cmake/x': 'no' }));
  t.deepEqual((await readdir(to)).sort(), ['include', 'lib']);
  t.is(await readFile(join(to, library), 'utf8'), 'not a library');
  const [done, total] = steps.at(-1)!;
  t.is(done, total);
});

test('unpacks a wheel, and checks it against its RECORD', async (t) => {
  const { to } = await unpack(t, wheel(fakeFiles()));
  t.deepEqual((await readdir(to)).sort(), ['include', 'lib']);
  const other = { ...fakeFiles(), [library]: 'another library' };
  const expected = { code: 'ERR_HOROBALL_ARCHIVE', message: /SHA-256 of torch\/lib\/libtorch_cpu/ };
  await t.throwsAsync(unpack(t, wheel(fakeFiles(), other)), expected);
});

test('a damaged or unrelated archive is rejected', async (t) => {
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

/** Returns a wheel with a changed field in the central directory entry of its RECORD. */
function withRecordField(offset: number, value: number): Buffer {
  const bytes = Buffer.from(wheel(fakeFiles()));
  const name = bytes.lastIndexOf('torch-2.13.0.dist-info/RECORD');
  bytes.writeUInt16LE(value, name - 46 + offset);
  return bytes;
}

test('a wheel whose RECORD cannot be read is rejected with a code', async (t) => {
  const code = 'ERR_HOROBALL_ARCHIVE';
  const [flags, method, packedSize, size, start] = [8, 10, 20, 24, 42];
  const message = /a\.zip cannot be used: /;
  for (const [offset, value] of [
    [flags, 1],
    [method, 99],
    [packedSize, 5],
    [size, 5],
    [start, 3],
  ] as const)
    await t.throwsAsync(unpack(t, withRecordField(offset, value)), { code, message }, `${offset}`);
});

test('a rejected archive leaves the previous folder unchanged', async (t) => {
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

test('the previous folder is restored if the new one cannot take its place', async (t) => {
  const folder = await temporary(t);
  const [file, to] = [join(folder, 'a.zip'), join(folder, 'libtorch')];
  await writeFile(file, archiveOf('libtorch', fakeFiles()));
  await mkdir(to);
  await writeFile(join(to, 'previous'), '');
  const vanish = (made: string): Promise<void> => rm(made, { recursive: true });
  await t.throwsAsync(
    unpackLibTorch(file, to, vanish, () => undefined),
    { code: 'ENOENT' },
  );
  t.deepEqual((await readdir(folder)).sort(), ['a.zip', 'libtorch']);
  t.deepEqual(await readdir(to), ['previous']);
});

test('every file of a wheel must be in its RECORD', async (t) => {
  const { [library]: _, ...recorded } = fakeFiles();
  const code = 'ERR_HOROBALL_ARCHIVE';
  const message = /the wheel's RECORD has no SHA-256 for torch\/lib\/libtorch_cpu/;
  await t.throwsAsync(unpack(t, wheel(fakeFiles(), recorded)), { code, message });
  await t.throwsAsync(unpack(t, archiveOf('torch', fakeFiles())), { code, message: /no SHA-256/ });
});

test('removes leftovers of killed calls, and never leaves the old libtorch incomplete', async (t) => {
  const folder = await temporary(t);
  const [file, to] = [join(folder, 'a.zip'), join(folder, 'libtorch')];
  await writeFile(file, archiveOf('libtorch', fakeFiles()));
  for (const name of ['.libtorch.1.partial', '.libtorch.2.old', '.other.1.partial'])
    await mkdir(join(folder, name));
  await mkdir(join(to, 'stale'), { recursive: true });
  await unpackLibTorch(
    file,
    to,
    async () => undefined,
    () => undefined,
  );
  t.deepEqual((await readdir(folder)).sort(), ['.other.1.partial', 'a.zip', 'libtorch']);
  t.deepEqual((await readdir(to)).sort(), ['include', 'lib']);
});

test('a download with another SHA-256 is rejected', async (t) => {
  const file = join(await temporary(t), 'a.zip');
  await writeFile(file, 'abc');
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'; // the example of FIPS 180-4
  await checkSha256(file, abc.toUpperCase());
  const message = /expected SHA-256 0+, got ba7816bf/;
  await t.throwsAsync(checkSha256(file, '0'.repeat(64)), { code: 'ERR_HOROBALL_ARCHIVE', message });
});

test('libtorch survives a kill between the two renames that replace it', async (t) => {
  const folder = await temporary(t);
  const [file, to] = [join(folder, 'a.zip'), join(folder, 'libtorch')];
  await writeFile(file, archiveOf('libtorch', fakeFiles()));
  await mkdir(join(to, 'lib'), { recursive: true });
  await writeFile(join(to, 'lib', 'old'), '');
  const script = `
    import fs from 'node:fs/promises';
    import { syncBuiltinESMExports } from 'node:module';
    const { rename } = fs;
    let renames = 0;
    fs.rename = async (...paths) => {
      if (++renames === 2) process.kill(process.pid, 'SIGKILL');
      await rename(...paths);
    };
    syncBuiltinESMExports();
    const { unpackLibTorch } = await import(${JSON.stringify(new URL('../../lib/setup/archive.js', import.meta.url).href)});
    await unpackLibTorch(${JSON.stringify(file)}, ${JSON.stringify(to)}, async () => {}, () => {});
  `;
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  t.is(signal, 'SIGKILL', stderr);
  t.false(existsSync(to), 'killed in between');
  await recoverFolder(to);
  t.deepEqual(await readdir(join(to, 'lib')), ['old']);
  t.deepEqual((await readdir(folder)).sort(), ['a.zip', 'libtorch'], 'the incomplete folder is removed');
  await recoverFolder(to);
  t.deepEqual(await readdir(join(to, 'lib')), ['old'], 'nothing to recover');
});

test('skips invalid file names, and rejects an archive whose names conflict', async (t) => {
  const { to } = await unpack(
    t,
    archiveOf('libtorch', { ...fakeFiles(), 'include/a\0b': '', 'lib/c:d': '' }),
  );
  t.deepEqual(await readdir(join(to, 'include')), ['torch']);
  for (const name of [`${library}/inside`, `include/${'x'.repeat(300)}`])
    await t.throwsAsync(unpack(t, archiveOf('libtorch', { ...fakeFiles(), [name]: '' })), {
      code: 'ERR_HOROBALL_ARCHIVE',
      message: /cannot be used: the archive contains invalid entry names/,
    });
});

test('closes its streams if a file in the archive is corrupt', async (t) => {
  const large = { ...fakeFiles(), [library]: 'x'.repeat(3_000_000) };
  const entries = Object.entries(large).map(
    ([name, text]) => [`libtorch/${name}`, Buffer.from(text)] as const,
  );
  const whole = Buffer.from(zipSync(Object.fromEntries(entries), { level: 0 }));
  whole.fill(1, 500_000, 600_000); // the CRC-32 is wrong
  await t.throwsAsync(unpack(t, whole), { code: 'ERR_HOROBALL_ARCHIVE' });
  await new Promise((resolve) => setTimeout(resolve, 50)); // an unhandled stream error would end the process here
});

test('a RECORD or files that inflate to far more than the archive are rejected', async (t) => {
  const code = 'ERR_HOROBALL_ARCHIVE';
  const record = zipSync({
    [`torch/${library}`]: Buffer.from('not a library'),
    'torch-2.13.0.dist-info/RECORD': Buffer.alloc(2 ** 23 + 1),
  });
  await t.throwsAsync(unpack(t, record), {
    code,
    message: /its RECORD has 8388609 bytes \(the limit is 8388608\)/,
  });
  const files = zipSync({ [`libtorch/${library}`]: Buffer.alloc(2 ** 26) });
  await t.throwsAsync(unpack(t, files), {
    code,
    message: /it unpacks to 67108864 bytes, more than 64 times its size of \d+$/,
  });
});

test('a pipe in place of an archive is rejected without waiting', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const folder = await temporary(t);
  const pipe = join(folder, 'a.zip');
  spawnSync('mkfifo', [pipe]);
  const refused = { code: 'ERR_HOROBALL_FORMAT', message: /expected a regular file/ };
  const unpacked = unpackLibTorch(
    pipe,
    join(folder, 'libtorch'),
    async () => undefined,
    () => {},
  );
  await t.throwsAsync(unpacked, refused);
  await t.throwsAsync(checkSha256(pipe, ''), refused);
});
