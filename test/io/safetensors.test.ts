import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import { readSafetensors, type TensorToWrite, writeSafetensors } from '../../lib/io/index.ts';
import { failure } from '../support.ts';

let folder = '';
let count = 0;
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));
const newPath = () => join(folder, `${++count}.safetensors`);

/** Writes a file with this header and this many bytes of data, and returns its path. */
async function file(header: unknown, dataBytes: number, claimed?: bigint): Promise<string> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(claimed ?? BigInt(text.length));
  const path = newPath();
  await writeFile(path, Buffer.concat([prefix, text, Buffer.alloc(dataBytes, 1)]));
  return path;
}

const arrays: TensorToWrite['data'][] = [
  new Float64Array([Math.PI, Number.NaN, -0]),
  new Float32Array([1.5, Infinity, 0]),
  new BigInt64Array([-1n, 2n ** 62n, 0n]),
  new BigUint64Array([2n ** 64n - 1n, 1n, 0n]),
  new Int32Array([-(2 ** 31), 1, 2]),
  new Uint32Array([2 ** 32 - 1, 1, 2]),
  new Int16Array([-32768, 1, 2]),
  new Uint16Array([65535, 1, 2]),
  new Int8Array([-128, 1, 2]),
  new Uint8Array([255, 1, 2]),
];

test('every element type round-trips, and tensors are aligned', async (t) => {
  const path = newPath();
  const tensors = Object.fromEntries(arrays.map((data, i) => [`t${i}`, { shape: [3, 1], data }]));
  await writeSafetensors(path, tensors, { metadata: { made: 'here', empty: '' } });
  const { tensors: got, metadata } = await readSafetensors(path);
  t.deepEqual(metadata, { made: 'here', empty: '' });
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    t.deepEqual(got.get(name)?.data, data);
    t.deepEqual(got.get(name)?.shape, shape);
  }
  const bytes = await readFile(path);
  t.is(Number(bytes.readBigUInt64LE()) % 8, 0);
});

test('round-trips scalars, empty tensors, views of larger arrays and any names', async (t) => {
  const path = newPath();
  const large = new Float32Array(10).map((_, i) => i);
  const tensors = new Map<string, TensorToWrite>([
    ['', { shape: [], data: new Float64Array([7]) }],
    ['__proto__', { shape: [0, 5], data: new Float32Array(0) }],
    ['é.weight', { shape: [2, 2], data: large.subarray(3, 7) }],
  ]);
  await writeSafetensors(path, tensors);
  const { tensors: got } = await readSafetensors(path);
  t.deepEqual([...got.keys()].sort(), ['', '__proto__', 'é.weight']);
  t.deepEqual(got.get('é.weight')?.data, new Float32Array([3, 4, 5, 6]));
  t.deepEqual(got.get('__proto__')?.shape, [0, 5]);
  const { tensors: one } = await readSafetensors(path, { names: ['', 'absent'] });
  t.deepEqual([...one.keys()], ['']);
});

test('widens F16 and BF16 exactly, and returns BOOL as bytes', async (t) => {
  const entry = (dtype: string, begin: number, end: number, shape: number[]) => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  const header = {
    half: entry('F16', 0, 12, [6]),
    brain: entry('BF16', 12, 18, [3]),
    flags: entry('BOOL', 18, 20, [2]),
  };
  const path = await file(header, 0);
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0xfc00, 0x8000);
  const brains = Uint16Array.of(0x3f80, 0xc040, 0x7f80);
  const data = Buffer.concat([Buffer.from(halves.buffer), Buffer.from(brains.buffer), Buffer.of(1, 0)]);
  await writeFile(path, Buffer.concat([await readFile(path), data]));
  const { tensors } = await readSafetensors(path);
  t.deepEqual(tensors.get('half'), {
    dtype: 'F16',
    shape: [6],
    data: new Float32Array([1, -2, 2 ** -24, 65504, -Infinity, -0]),
  });
  t.deepEqual(tensors.get('brain')?.data, new Float32Array([1, -3, Infinity]));
  t.deepEqual(tensors.get('flags')?.data, new Uint8Array([1, 0]));
});

const f32 = (shape: unknown, offsets: unknown) => ({ dtype: 'F32', shape, data_offsets: offsets });
const u8 = (shape: unknown, offsets: unknown) => ({ dtype: 'U8', shape, data_offsets: offsets });
const hostile: readonly [what: string, header: unknown, dataBytes: number, claimed?: bigint][] = [
  ['a header of 2^60 bytes', {}, 0, 2n ** 60n],
  ['a header of 2^64 - 1 bytes', {}, 0, 2n ** 64n - 1n],
  ['a header longer than the file', {}, 0, 3n],
  ['a header that is not JSON', '{"a":', 0],
  ['a header that is a list', '[]', 0],
  ['a header that is null', 'null', 0],
  ['metadata that is not strings', { __metadata__: { a: 1 } }, 0],
  ['an entry that is a number', { a: 5 }, 0],
  ['an unknown element type', { a: { ...f32([1], [0, 4]), dtype: 'F4' } }, 4],
  ['an inherited name as element type', { a: { ...f32([1], [0, 4]), dtype: 'toString' } }, 4],
  ['a shape that is a string', { a: f32('11', [0, 4]) }, 4],
  ['a negative side', { a: f32([-1, -1], [0, 4]) }, 4],
  ['a fractional side', { a: f32([0.5, 2], [0, 4]) }, 4],
  ['sides whose product overflows', { a: f32([2 ** 40, 2 ** 40], [0, 4]) }, 4],
  ['offsets beyond the file', { a: f32([2 ** 40], [0, 2 ** 42]) }, 4],
  ['offsets backwards', { a: f32([1], [8, 4]) }, 8],
  ['one offset', { a: f32([1], [0]) }, 4],
  ['tensors that share one byte', { a: u8([2], [0, 2]), b: u8([2], [1, 3]) }, 3],
  ['overlapping tensors', { a: f32([2], [0, 8]), b: f32([2], [4, 12]) }, 12],
  ['the same bytes twice', { a: f32([2], [0, 8]), b: f32([2], [0, 8]) }, 8],
  ['a gap between tensors', { a: f32([1], [0, 4]), b: f32([1], [8, 12]) }, 12],
  ['bytes that belong to no tensor', { a: f32([1], [0, 4]) }, 8],
  ['fewer bytes than the header says', { a: f32([2], [0, 8]) }, 4],
];

for (const [what, header, dataBytes, claimed] of hostile) {
  test(`rejects ${what}`, async (t) => {
    const path = await file(header, dataBytes, claimed);
    const { code, message } = await failure(() => readSafetensors(path));
    t.is(code, 'ERR_HOROBALL_FORMAT');
    t.true(message.startsWith(`[readSafetensors] ${path}: `) && message.length < path.length + 300, message);
  });
}

test('rejects a file of fewer than 8 bytes; a missing one gives the system error', async (t) => {
  const path = newPath();
  await writeFile(path, 'short');
  t.is((await failure(() => readSafetensors(path))).code, 'ERR_HOROBALL_FORMAT');
  t.is((await failure(() => readSafetensors(newPath()))).code, 'ENOENT');
});

test('a modified file is read or rejected', async (t) => {
  const sound = newPath();
  await writeSafetensors(sound, {
    a: { shape: [4], data: new Float32Array(4) },
    b: { shape: [], data: new Uint8Array(1) },
  });
  const bytes = await readFile(sound);
  const path = newPath();
  const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.nat(bytes.length),
      async (changes, cut) => {
        const copy = Buffer.from(bytes);
        for (const { at, to } of changes) copy[at] = to;
        await writeFile(path, cut % 3 === 0 ? copy.subarray(0, cut) : copy);
        try {
          const { tensors } = await readSafetensors(path);
          for (const { shape, data } of tensors.values()) {
            if (shape.reduce((a, b) => a * b, 1) !== data.length) throw new Error('shape and data differ');
          }
        } catch (error) {
          if ((error as { code?: string }).code !== 'ERR_HOROBALL_FORMAT') throw error;
        }
      },
    ),
    { numRuns: 500, seed: 11 },
  );
  t.pass();
});

test('writes a Map of another realm, and refuses objects that only look like one', async (t) => {
  const tensor = { shape: [1], data: Float32Array.of(2) };
  const foreign = runInNewContext('new Map()') as Map<string, TensorToWrite>;
  const path = newPath();
  await writeSafetensors(path, foreign.set('a', tensor));
  t.deepEqual((await readSafetensors(path)).tensors.get('a')!.data, tensor.data);
  for (const wrong of [new Proxy(new Map([['a', tensor]]), {}), Object.create(Map.prototype) as never])
    t.like(await failure(() => writeSafetensors(newPath(), wrong)), {
      code: 'ERR_HOROBALL_TYPE',
      message:
        '[writeSafetensors] tensors: expected a Map, got a proxy or an object that only inherits from Map',
    });
});

test('rejects what would give a file that cannot be read', async (t) => {
  const path = newPath();
  const one = { shape: [1], data: new Uint8Array(1) };
  const many = new Map(Array.from({ length: 70_000 }, (_, i) => [`t${i}`, one]));
  const write = (tensors: Map<string, TensorToWrite>, metadata: Record<string, string> = {}) =>
    failure(() => writeSafetensors(path, tensors, { metadata }));
  t.regex((await write(many)).message, /tensors: expected a header .* has more than 524288 values$/);
  const few = new Map([['t', one]]);
  const { code, message } = await write(few, { long: 'x'.repeat(2 ** 24) });
  t.is(code, 'ERR_HOROBALL_RANGE');
  t.regex(message, /expected a header of at most 16 MiB .* one that has 1677\d{4} bytes$/);
  for (const key of ['horoball.crc32', 'horoball.header_crc32'])
    t.is((await write(few, { [key]: '00000000' })).code, 'ERR_HOROBALL_TYPE');
  t.false(existsSync(path));
});

test('an array that changes during the call is an error with checksums, and the earlier file is kept', async (t) => {
  const path = newPath();
  const data = new Float32Array(1000).fill(1);
  const write = () => writeSafetensors(path, { a: { shape: [1000], data } }, { checksums: true });
  await write();
  const writing = write();
  data.fill(2);
  const error = await t.throwsAsync(writing, { code: 'ERR_HOROBALL_RANGE' } as object);
  t.regex(error!.message, /a: expected values that stay the same until the call ends/);
  t.is((await readSafetensors(path)).tensors.get('a')!.data[0], 1);
});

test('metadata that change during the call do not change the file', async (t) => {
  for (const checksums of [false, true]) {
    const path = newPath();
    let readings = 0;
    const metadata: Record<string, unknown> = {};
    Object.defineProperty(metadata, 'a', { enumerable: true, get: () => (readings++ === 0 ? 'b' : 1) });
    const written = writeSafetensors(path, {}, { metadata: metadata as never, checksums });
    metadata['c'] = 1;
    await written;
    t.deepEqual((await readSafetensors(path)).metadata, { a: 'b' });
  }
});

test('writes files atomically', async (t) => {
  const place = await mkdtemp(join(folder, 'atomic-'));
  const path = join(place, 'x.safetensors');
  await writeSafetensors(path, { a: { shape: [1], data: new Float32Array([1]) } });
  const bad: [Record<string, unknown>, string][] = [
    [{ a: { shape: [2], data: new Float32Array(1) } }, 'ERR_HOROBALL_SHAPE'],
    [{ a: { shape: [1.5], data: new Float32Array(1) } }, 'ERR_HOROBALL_TYPE'],
    [{ a: { shape: [1], data: [1] } }, 'ERR_HOROBALL_TYPE'],
    [{ __metadata__: { shape: [1], data: new Float32Array(1) } }, 'ERR_HOROBALL_TYPE'],
    [{ a: null }, 'ERR_HOROBALL_TYPE'],
  ];
  for (const [tensors, code] of bad) {
    t.is((await failure(() => writeSafetensors(path, tensors as never))).code, code);
  }
  const metadata = { a: 1 } as never;
  t.is((await failure(() => writeSafetensors(path, {}, { metadata }))).code, 'ERR_HOROBALL_TYPE');
  const folderThere = join(place, 'folder');
  await writeSafetensors(folderThere, {});
  const absent = join(place, 'absent', 'x');
  await t.throwsAsync(writeSafetensors(absent, {}), { code: 'ENOENT' });
  t.is((await writeSafetensors(absent, {}).catch((error: NodeJS.ErrnoException) => error))?.path, absent);
  t.deepEqual((await readdir(place)).sort(), ['folder', 'x.safetensors']);
  t.is((await readSafetensors(path)).tensors.get('a')?.data[0], 1);
});

test('detects every flipped bit by checksums, which the returned metadata omits', async (t) => {
  const path = newPath();
  const points = { shape: [2], data: new Float32Array([1, 2]) };
  const tensors = {
    points,
    labels: { shape: [3], data: new Uint8Array([3, 4, 5]) },
    none: { shape: [0], data: new Uint8Array() },
  };
  await writeSafetensors(path, tensors, { metadata: { a: 'ä' }, checksums: true });
  const { tensors: read, metadata } = await readSafetensors(path);
  t.deepEqual(read.get('points')!.data, points.data);
  t.deepEqual(metadata, { a: 'ä' });
  const whole = await readFile(path);
  const unnoticed: string[] = [];
  for (let bit = 0; bit < 8 * whole.length; bit++) {
    const flipped = Buffer.from(whole);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(path, flipped);
    const code = await readSafetensors(path).then(
      () => 'read',
      (error) => error.code,
    );
    if (code !== 'ERR_HOROBALL_FORMAT') unnoticed.push(`${bit >> 3}.${bit & 7}: ${code}`);
  }
  t.deepEqual(unnoticed, []);
});
