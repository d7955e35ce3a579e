// Reads small files that once took minutes or gigabytes, or crashed the process, in child processes with limits on CPU time
// and memory.
import { spawnSync } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ava from 'ava';
import { zipSync } from 'fflate';
import { type HostileCases, matCases } from './mat-hostile-cases.ts';
import { MatWriter } from './mat-writer.ts';
import { archive, bytesOf, text, u32 } from './pickle-writer.ts';
import type { Ending } from './read-child.ts';

const test = ava.serial;
const child = join('dist', 'test', 'io', 'read-child.js');
/** Limits per file: CPU time in milliseconds, and memory in MB. */
const [mostCpu, mostMemory] = [1000, 300];
let folder = '';
ava.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-hostile-'));
});
ava.after.always(() => rm(folder, { recursive: true, force: true }));

/**
 * Reads a file in another process. Returns the fastest of up to three reads, because other processes can slow a read.
 */
function ending(reader: string, path: string): Ending {
  const endings: Ending[] = [];
  do endings.push(endingOnce(reader, path));
  while (endings.length < 3 && endings.at(-1)!.cpu >= mostCpu);
  return endings.reduce((best, each) => (each.cpu < best.cpu ? each : best));
}

function endingOnce(reader: string, path: string): Ending {
  const { stdout, stderr, error } = spawnSync(process.execPath, [child, reader, path], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (error !== undefined || stdout === '') throw new Error(`${error?.message ?? ''} ${stderr}`);
  return JSON.parse(stdout) as Ending;
}

const doubling = 60;
/** Nested tuples, each of which contains the next one twice; as text, they would have more than 2^60 characters. */
const sharedTuples = bytesOf(')q\0', '(h\0h\0tq\0'.repeat(doubling), text('x'), 0x93, '.');
const deepTuples = bytesOf(')', Buffer.alloc(50_000, 0x85), text('x'), 0x93, '.');
/** Writes `count` tensors of two elements: the first and the last of a shared storage of `length` float32 numbers. */
const distantPairs = (length: number, count: number): Uint8Array => {
  const storage = bytesOf(
    text('storage'),
    'ctorch\nFloatStorage\n',
    text('0'),
    text('cpu'),
    'J',
    u32(length),
  );
  const shape = bytesOf('J', u32(2), 0x85, 'J', u32(length - 1), 0x85);
  const pair = bytesOf('ctorch._utils\n_rebuild_tensor_v2\n((', storage, 'tQJ', u32(0), shape, 0x89, 'NtR');
  const entries = Array.from({ length: count }, (_, i) => bytesOf(text(`t${i}`), pair, 's'));
  return archive(bytesOf('}', ...entries, '.'), { 'x/data/0': new Uint8Array(4 * length) });
};

const storageReferences = (folder: string, key: string): Uint8Array => {
  const storage = bytesOf(
    '(',
    text('storage'),
    'ctorch\nFloatStorage\n',
    text(key),
    text('cpu'),
    'K\x00tq\x000',
  );
  const pickle = bytesOf(0x80, 2, storage, 'h\0Q0'.repeat(170_000), 'N.');
  return zipSync(
    { [`${folder}/data.pkl`]: pickle, [`${folder}/data/${key}`]: new Uint8Array(0) },
    { level: 0 },
  );
};

/** Writes weights in which the biases of many blocks are one tensor of 2^20 zeros. */
const sharedBiases = (blocks: number): Uint8Array => {
  const tensor = (key: string, length: number, shape: Uint8Array): Uint8Array => {
    const storage = bytesOf(
      text('storage'),
      'ctorch\nFloatStorage\n',
      text(key),
      text('cpu'),
      'J',
      u32(length),
    );
    return bytesOf('ctorch._utils\n_rebuild_tensor_v2\n((', storage, 'tQJ', u32(0), shape, 0x89, 'NtR');
  };
  const bias = tensor('0', 2 ** 20, bytesOf('J', u32(2 ** 20), 0x85, 'K\x01', 0x85));
  const weight = tensor('1', 6, bytesOf('K\x02K\x03', 0x86, 'K\x03K\x01', 0x86));
  const names = Array.from({ length: blocks }, (_, i) => bytesOf(text(`blocks.${i}.attn.qkv.bias`), 'h\0s'));
  const pickle = bytesOf(bias, 'q\x000}', text('weight'), weight, 's', ...names, '.');
  return archive(pickle, { 'x/data/0': new Uint8Array(2 ** 22), 'x/data/1': new Uint8Array(24) });
};

const header = (json: string): Buffer => {
  const length = Buffer.byteLength(json);
  const bytes = Buffer.alloc(8 + length);
  bytes.writeBigUInt64LE(BigInt(length));
  bytes.write(json, 8);
  return bytes;
};
const npyHeader = (shape: string, version = 2): Buffer => {
  const line = `{'descr': '<f8', 'fortran_order': True, 'shape': ${shape}, }\n`;
  const bytes = Buffer.alloc(12 + line.length);
  bytes.write('\x93NUMPY', 'latin1');
  bytes[6] = version;
  bytes.writeUInt32LE(line.length, 8);
  bytes.write(line, 12, 'latin1');
  return bytes;
};

const format = 'ERR_HOROBALL_FORMAT';
const unsafe = 'ERR_HOROBALL_PICKLE_REFUSED';
const cases: HostileCases = {
  'a class named by a tuple of shared tuples': ['pth', () => archive(sharedTuples), format, /not text/],
  'a class named by a tuple 50,000 deep': ['pth', () => archive(deepTuples), format, /not text/],
  'a namespace that is filled with the same 100,000 attributes again and again': [
    'pth',
    () => {
      const entries = Array.from({ length: 100_000 }, (_, i) => bytesOf(text(`k${i}`), 'Ns'));
      const state = bytesOf('}q\0', ...entries, '0');
      return archive(bytesOf(state, 'cargparse\nNamespace\n)R', 'h\0b'.repeat(100_000), '.'));
    },
    unsafe,
    /more than 524288 steps/,
  ],
  'integers of 65 bits and more, which all have one hash, as keys': [
    'pth',
    () => {
      const key = (i: number): Uint8Array => bytesOf(0x8a, 12, new Uint8Array(8), u32(i + 1));
      return archive(bytesOf('}', ...Array.from({ length: 100_000 }, (_, i) => bytesOf(key(i), 'Ns')), '.'));
    },
    unsafe,
    /large numbers as keys/,
  ],
  'a million dictionaries of one byte each': [
    'pth',
    () => archive(bytesOf(']', `(${'}'.repeat(60_000)}e`.repeat(16), '.')),
    unsafe,
    /more than \d+ steps/,
  ],
  'a thousand tensors of two distant elements, each of which reads 4 MB': [
    'pth',
    () => distantPairs(1_000_000, 1000),
    unsafe,
    /expand to over 16 times the file size/,
  ],
  '340,000 tensors that share two tuples of 64 sides': [
    'pth',
    () => {
      const storage = bytesOf(text('storage'), 'ctorch\nByteStorage\n', text('0'), text('cpu'), 'J', u32(1));
      const ones = bytesOf('(', 'K\x01'.repeat(64), 't');
      const args = bytesOf('((', storage, 'tQJ', u32(0), ones, ones, 0x89, 'Ntq\x010');
      const many = `(${'h\0h\x01R'.repeat(1000)}e`.repeat(340);
      const pickle = bytesOf('ctorch._utils\n_rebuild_tensor_v2\nq\x000', args, ']', many, '.');
      return archive(pickle, { 'x/data/0': new Uint8Array(1) });
    },
    unsafe,
    /more than \d+ steps/,
  ],
  '150,000 classes with names of 1800 characters': [
    'pth',
    () => {
      const name = bytesOf(text('a'.repeat(900)), 'q\0', '0');
      return archive(
        bytesOf(name, ...new Array<Uint8Array>(150_000).fill(bytesOf('h\0h\0', 0x93, '0')), 'N.'),
      );
    },
    unsafe,
    /more than \d+ steps/,
  ],
  '170,000 references to a storage with a key of 16,200 characters': [
    'pth',
    () => storageReferences('x', 'k'.repeat(16_200)),
    format,
    /a storage descriptor does not have the layout that torch writes/,
  ],
  '170,000 references to a storage in a folder with a name of 16,200 characters': [
    'pth',
    () => storageReferences('x'.repeat(16_200), '0'),
    format,
    /not one that torch.save wrote/,
  ],
  '60,000 integers of 1024 bytes': [
    'pth',
    () => {
      const long = bytesOf(0x8b, u32(1024), Buffer.alloc(1024, 0x7f), '0');
      return archive(bytesOf(...new Array<Uint8Array>(60_000).fill(long), 'N.'));
    },
    unsafe,
    /more than \d+ steps/,
  ],
  '50,000 names of one tensor of a million zeros': [
    'weights',
    () => sharedBiases(50_000),
    'ERR_HOROBALL_WEIGHTS',
    /the network does not have blocks\.0\.attn\.qkv\.bias, blocks\.1\./,
  ],
  'metadata of 20 million bytes of empty fields': [
    'onnx',
    () => {
      const entry = Buffer.alloc(2 ** 20, Buffer.from([0x1a, 0]));
      return Buffer.concat(
        Array.from({ length: 20 }, () => [Buffer.from([0x72, 0x80, 0x80, 0x40]), entry]).flat(),
      );
    },
    'read',
    /^$/,
  ],
  '64 axes, all but one of side 1, in Fortran order': [
    'npy',
    () => {
      const head = npyHeader(`(1_000_000,${'1,'.repeat(63)})`.replaceAll('_', ''));
      return Buffer.concat([head, Buffer.alloc(8_000_000)]);
    },
    'read',
    /^$/,
  ],
  '300,000 axes': ['npy', () => npyHeader(`(${'1,'.repeat(300_000)})`), format, /more than 64 axes/],
  'a million columns': [
    'csv',
    () => bytesOf(`${'x,'.repeat(1e6)}\n`),
    'ERR_HOROBALL_DATA_LAYOUT',
    /at most 1000 columns/,
  ],
  'four million rows of one comma': [
    'csv',
    () => bytesOf(`path,label\n${',\n'.repeat(4e6)}`),
    'ERR_HOROBALL_DATA_LAYOUT',
    /a path and a label in row 1/,
  ],
  'ancestors with names of a megabyte': [
    'csv',
    () => {
      const deep = Array.from({ length: 21 }, (_, i) => i).join('/');
      const rows = Array.from({ length: 8 }, (_, i) => `${i},€${i},${'x'.repeat(2 ** 20)}${i}/${deep}`);
      return Buffer.from(`path,label,tree\n${rows.join('\n')}`);
    },
    'ERR_HOROBALL_DATA_LAYOUT',
    /names in the column 'tree' of at most \d+ characters in total, .*, got more\. Shorten the names\./,
  ],
  'a header of brackets': ['npy', () => npyHeader('('.repeat(1_000_000)), format, /more than 16 levels deep/],
  'a header of 16 MB of text with one wide character and a checksum': [
    'safetensors',
    () => {
      const sums = { 'horoball.crc32': '', 'horoball.header_crc32': '00000000' };
      return header(JSON.stringify({ __metadata__: { a: `€${'a'.repeat(16e6)}`, ...sums } }));
    },
    format,
    /the checksum of its header is wrong/,
  ],
  'checksums of 1.9 million tensors in a file without any': [
    'safetensors',
    () => {
      const sums = { 'horoball.crc32': '0'.repeat(8 * 1.9e6), 'horoball.header_crc32': '00000000' };
      return header(JSON.stringify({ __metadata__: sums }));
    },
    format,
    /the checksum of its header is wrong/,
  ],
  'a header of 90 MB of brackets': [
    'safetensors',
    () => header('['.repeat(9e7)),
    format,
    /header of 90000000 bytes, which exceeds the limit of 16777216/,
  ],
  'a header of 16 MB of brackets': [
    'safetensors',
    () => header('['.repeat(1.6e7)),
    format,
    /nested more than 64 levels deep/,
  ],
  'a header of 5.5 million empty lists': [
    'safetensors',
    () => header(`{"a":[${'[],'.repeat(5.5e6)}[]]}`),
    format,
    /more than 524288 values/,
  ],
  'a header of 16 MB of one unfinished string': [
    'safetensors',
    () => header(`"${'a'.repeat(1.6e7)}`),
    format,
    /is not JSON/,
  ],
};

for (const [name, [reader, bytes, code, message]] of Object.entries({ ...cases, ...matCases }))
  test(`${reader}: ${name}`, async (t) => {
    const path = join(folder, `hostile.${reader}`);
    await writeFile(path, bytes());
    const end = ending(reader, path);
    t.log(`${end.cpu.toFixed(0)} ms, ${end.memory.toFixed(0)} MB: ${end.message.slice(0, 160)}`);
    t.is(end.code, code);
    t.regex(end.message, message);
    t.true(end.cpu < mostCpu, `${end.cpu} ms`);
    t.true(end.memory < mostMemory, `${end.memory} MB`);
  });

const holes: Record<string, Uint8Array> = {
  npy: npyHeader(`(${2 ** 37 - 64},)`),
  safetensors: header(
    `{"weight":{"dtype":"F64","shape":[${2 ** 37 - 32}],"data_offsets":[0,${2 ** 40 - 256}]}}`.padEnd(248),
  ),
  mat: new MatWriter().around([]),
  pth: bytesOf('PK\x03\x04'),
  weights: bytesOf('PK\x03\x04'),
};
for (const [reader, start] of Object.entries(holes))
  test(`${reader}: a sparse file of 2^40 bytes`, async (t) => {
    const path = join(folder, `holes.${reader}`);
    const file = await open(path, 'w');
    await file.write(start);
    await file.truncate(2 ** 40);
    await file.close();
    const { code, message, cpu, memory } = ending(reader, path);
    t.is(code, format);
    t.regex(message, /1099511627776 bytes of which \d+ are on the disk/);
    t.true(cpu < mostCpu && memory < mostMemory, `${cpu} ms, ${memory} MB`);
    await rm(path);
  });

for (const reader of ['npy', 'safetensors', 'mat', 'pth', 'weights', 'onnx'])
  test(`${reader}: pipes and devices are rejected without waiting`, (t) => {
    if (process.platform === 'win32') return t.pass();
    const pipe = join(folder, 'pipe');
    spawnSync('mkfifo', [pipe]);
    for (const path of [pipe, '/dev/zero']) {
      const { code, message } = ending(reader, path);
      t.is(code, format);
      t.regex(message, /expected a regular file, got a pipe or device/);
    }
  });
