// Checks the order of system calls, which determines the state after a power failure, and the effects of failed calls, large
// arrays and killed processes.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test from 'ava';
import { readAll, writeAll } from '../../lib/io/atomic.ts';
import { writeNpy } from '../../lib/io/npy.ts';
import { writeSafetensors } from '../../lib/io/safetensors.ts';
import { writeLines } from '../../lib/io/text.ts';
import type { OpenFile } from '../../lib/io/thread-file.ts';
import { type Fault, Shim } from '../faults/shim.ts';

const program = (file: string, text: string): string[] => {
  const from = new URL('../../lib/io/text.js', import.meta.url).href;
  const code = `const { writeText } = await import('${from}');
    await writeText('${file}', '${text}').catch(({ code }) => console.log(code));`;
  return ['--input-type=module', '-e', code];
};

test('syncs a file before renaming it, and its folder after that', async (t) => {
  await using shim = await Shim.compile();
  if (shim === null) return t.pass('no C compiler, or not Linux');
  const folder = await mkdtemp(join(tmpdir(), 'horoball-atomic-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const calls = await shim.calls(program(join(folder, 'a'), 'new'), folder);
  const named = calls.map(
    ({ operation, file }) => `${operation} ${basename(file).replace(/^\..*\.tmp$/, 'temporary')}`,
  );
  const last = basename(folder);
  t.deepEqual(named, [
    ...['create temporary', 'write temporary', 'sync temporary', 'rename a'],
    ...[`open ${last}`, `sync ${last}`],
  ]);
});

test('if any call fails, the error has its code, and the file has the old or the new text', async (t) => {
  await using shim = await Shim.compile();
  if (shim === null) return t.pass('no C compiler, or not Linux');
  const folder = await mkdtemp(join(tmpdir(), 'horoball-atomic-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'a');
  const faults: Fault[] = [
    { operation: 'create', error: 'EMFILE', first: 1 },
    { operation: 'write', error: 'ENOSPC', first: 1 },
    { operation: 'sync', error: 'EIO', first: 1 },
    { operation: 'rename', error: 'ENOSPC', first: 1 },
    { operation: 'sync', error: 'EIO', first: 2 },
    { operation: 'write', error: 'short', first: 1 },
  ];
  for (const [i, fault] of faults.entries()) {
    await writeFile(file, 'old');
    const { code, stdout } = await shim.run(program(file, 'new'), folder, fault);
    t.is(code, 0);
    t.is(stdout.trim(), fault.error === 'short' ? '' : fault.error);
    t.is(await readFile(file, 'utf8'), i < 4 ? 'old' : 'new');
  }
});

test('arrays of more than 4 GiB are read and written in parts', async (t) => {
  let data: Float32Array;
  try {
    data = new Float32Array(2 ** 30 + 2); // takes no memory until it is used
  } catch {
    return t.pass('too little address space');
  }
  const [wanted, most] = [data.byteLength, 2 ** 30];
  const ends: number[] = [];
  const file = {
    read: async (part: Uint8Array, offset: number, length: number, position: number) => {
      ends.push(part.byteOffset + offset + length, position + length);
      return { bytesRead: Math.min(length, most) };
    },
    write: async (part: Uint8Array, offset: number, length: number) => {
      ends.push(part.byteOffset + offset + length);
      return { bytesWritten: Math.min(length, most) };
    },
  } as unknown as OpenFile;
  t.is(await readAll(file, data, 100), wanted);
  t.deepEqual(ends.slice(-2), [wanted, wanted + 100]);
  await writeAll(file, data);
  t.is(ends.at(-1), wanted);
  t.true(ends.length < 100);
});

test('writers of large arrays remove the temporary files of killed processes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-atomic-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const data = new Float32Array(2 ** 20);
  for (const [name, write] of [
    ['a.npy', writeNpy],
    ['a.safetensors', (path: string) => writeSafetensors(path, { data: { shape: [2 ** 20], data } })],
  ] as const) {
    const abandoned = join(folder, `.${name}.${crypto.randomUUID()}.tmp`);
    await writeFile(abandoned, 'part');
    await utimes(abandoned, 0, 0);
    await write(join(folder, name), data);
    t.false((await readdir(folder)).includes(basename(abandoned)));
  }
});

test('lines replace a file once all of them are written; a pipe receives them', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-atomic-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'lines.jsonl');
  const lines = Array.from({ length: 2500 }, (_, i) => `line ${i}`);
  await writeLines(file, lines);
  const text = `${lines.join('\n')}\n`;
  t.is(await readFile(file, 'utf8'), text);
  function* interrupted(): Generator<string> {
    yield* lines;
    throw new Error('interrupted');
  }
  await t.throwsAsync(writeLines(file, interrupted()), { message: 'interrupted' });
  const letters = ['a', 'b'].map((letter) => Array<string>(5000).fill(letter));
  t.is(await readFile(file, 'utf8'), text);
  await Promise.all(letters.map((each) => writeLines(file, each)));
  t.is(new Set((await readFile(file, 'utf8')).split('\n')).size, 2, 'the lines of one writer, and the end');
  t.deepEqual(await readdir(folder), ['lines.jsonl']);
  if (process.platform === 'win32') return;
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const [read] = await Promise.all([readFile(pipe, 'utf8'), writeLines(pipe, lines)]);
  t.is(read, text);
});
