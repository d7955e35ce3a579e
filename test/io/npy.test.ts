import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { readNpy, type TensorData, writeNpy } from '../../lib/io/index.ts';
import { failure } from '../support.ts';

let folder = '';
let count = 0;
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));
const newPath = () => join(folder, `${++count}.npy`);

interface Parts {
  descr?: string;
  fortran?: boolean;
  shape?: string;
  version?: number;
  data?: Uint8Array;
  header?: string;
  claimed?: number;
}

/** Writes a .npy file, which may be invalid, and returns its path. */
async function file(parts: Parts): Promise<string> {
  const { descr = "'<f4'", fortran = false, shape = '(2,)', version = 1, data = new Uint8Array(8) } = parts;
  const text =
    parts.header ??
    `{'descr': ${descr}, 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`);
  const prefix = Buffer.alloc(version === 1 ? 10 : 12);
  prefix.write('\x93NUMPY', 'latin1');
  prefix[6] = version;
  if (version === 1) prefix.writeUInt16LE(parts.claimed ?? header.length, 8);
  else prefix.writeUInt32LE(parts.claimed ?? header.length, 8);
  const path = newPath();
  await writeFile(path, Buffer.concat([prefix, header, data]));
  return path;
}

test('reads any nonzero byte of a bool as 1, like NumPy', async (t) => {
  const path = await file({ descr: "'|b1'", shape: '(4,)', data: Uint8Array.of(0, 1, 2, 255) });
  t.deepEqual((await readNpy(path)).data, Uint8Array.of(0, 1, 1, 1));
});

const bytesOf = (array: TensorData) => new Uint8Array(array.buffer as ArrayBuffer);

const arrays: [descr: string, data: TensorData][] = [
  ['<f8', new Float64Array([Math.PI, -0, 3, 4, 5, Number.NaN])],
  ['<f4', new Float32Array([1.5, 2, 3, 4, 5, 6])],
  ['<i8', new BigInt64Array([-1n, 2n, 3n, 4n, 5n, 6n])],
  ['<u8', new BigUint64Array([1n, 2n, 3n, 4n, 5n, 6n])],
  ['<i4', new Int32Array([-1, 2, 3, 4, 5, 6])],
  ['<u4', new Uint32Array([1, 2, 3, 4, 5, 6])],
  ['<i2', new Int16Array([-1, 2, 3, 4, 5, 6])],
  ['<u2', new Uint16Array([1, 2, 3, 4, 5, 6])],
  ['|i1', new Int8Array([-1, 2, 3, 4, 5, 6])],
  ['|u1', new Uint8Array([1, 2, 3, 4, 5, 6])],
];

for (const [descr, data] of arrays) {
  test(`${descr}: round-trips, also in Fortran order and with the other byte order`, async (t) => {
    const path = newPath();
    await writeNpy(path, data, [2, 3]);
    t.deepEqual(await readNpy(path), { descr, shape: [2, 3], data });
    t.is(((await readFile(path)).indexOf(0x0a) + 1) % 64, 0);
    const columns = data.slice();
    for (let i = 0; i < 6; ++i) columns[(i % 3) * 2 + Math.floor(i / 3)] = data[i] as never;
    const fortran = await file({
      descr: `'${descr}'`,
      fortran: true,
      shape: '(2, 3)',
      data: bytesOf(columns),
    });
    t.deepEqual((await readNpy(fortran)).data, data);
    if (descr[0] === '|') return;
    const swapped = Buffer.from(bytesOf(data.slice()));
    const size = Number(descr[2]);
    for (let at = 0; at < swapped.length; at += size) swapped.subarray(at, at + size).reverse();
    t.deepEqual(
      (await readNpy(await file({ descr: `'>${descr.slice(1)}'`, shape: '(6,)', data: swapped }))).data,
      data,
    );
  });
}

test('widens float16, returns bool as bytes, and keeps the shapes of scalars and empty arrays', async (t) => {
  const half = bytesOf(Uint16Array.of(0x3c00, 0xc000));
  t.deepEqual((await readNpy(await file({ descr: "'<f2'", data: half }))).data, new Float32Array([1, -2]));
  const bool = await readNpy(await file({ descr: "'|b1'", data: Uint8Array.of(1, 0) }));
  t.deepEqual(bool.data, new Uint8Array([1, 0]));
  t.deepEqual((await readNpy(await file({ shape: '()' }))).shape, []);
  const none = await readNpy(await file({ shape: '(0, 3)', fortran: true }));
  t.deepEqual([none.shape, none.data.length], [[0, 3], 0]);
  const path = newPath();
  await writeNpy(path, new Float32Array(3));
  t.deepEqual((await readNpy(path)).shape, [3]);
});

test('reads three axes in Fortran order', async (t) => {
  const data = new Float32Array(24);
  const want = new Float32Array(24).map((_, i) => i);
  for (let i = 0; i < 24; ++i) data[Math.floor(i / 12) + 2 * (Math.floor(i / 4) % 3) + 6 * (i % 4)] = i;
  const got = await readNpy(await file({ shape: '(2, 3, 4)', fortran: true, data: bytesOf(data) }));
  t.deepEqual(got.data, want);
});

test('reads versions 2 and 3 of the format', async (t) => {
  for (const version of [2, 3]) t.deepEqual((await readNpy(await file({ version }))).shape, [2]);
});

const hostile: [what: string, parts: Parts][] = [
  ['a pickled object', { descr: "'|O'" }],
  ['strings', { descr: "'<U5'" }],
  ['dates', { descr: "'<M8[ns]'" }],
  ['records', { descr: "[('a', '<f4')]" }],
  ['complex numbers', { descr: "'<c8'" }],
  ['long doubles', { descr: "'<f16'" }],
  ['an unknown version', { version: 9 }],
  ['a shape beyond the file', { shape: '(3,)' }],
  ['a shape of 2^60', { shape: '(1152921504606846976,)' }],
  ['sides whose product overflows', { shape: '(9007199254740991, 9007199254740991, 9007199254740991)' }],
  ['a negative side', { shape: '(-1,)' }],
  ['code in the shape', { shape: '(__import__("os"),)' }],
  ['a header of 4 GB', { version: 2, claimed: 0xffffffff }],
  ['a header longer than the file', { claimed: 60_000 }],
  ['no shape', { header: "{'descr': '<f4', 'fortran_order': False}" }],
];

for (const [what, parts] of hostile) {
  test(`rejects ${what}`, async (t) => {
    const path = await file(parts);
    const { code, message } = await failure(() => readNpy(path));
    t.is(code, 'ERR_HOROBALL_FORMAT');
    t.true(message.startsWith(`[readNpy] ${path}: `));
    const isValid = [
      'a pickled object',
      'strings',
      'dates',
      'records',
      'complex numbers',
      'long doubles',
    ].includes(what);
    t.is(
      /cannot be read, because .* is not supported\. Convert the array to numbers\.$/.test(message),
      isValid,
    );
  });
}

test('a modified file is read or rejected', async (t) => {
  const bytes = await readFile(await file({ shape: '(2, 1)' }));
  const path = newPath();
  const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.nat(bytes.length), async (changes, cut) => {
      const copy = Buffer.from(bytes);
      for (const { at, to } of changes) copy[at] = to;
      await writeFile(path, copy.subarray(0, cut));
      try {
        await readNpy(path);
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_HOROBALL_FORMAT') throw error;
      }
    }),
    { numRuns: 500, seed: 12 },
  );
  t.pass();
});

test('invalid arrays are rejected', async (t) => {
  t.is((await failure(() => writeNpy(newPath(), [1] as never))).code, 'ERR_HOROBALL_TYPE');
  t.is((await failure(() => writeNpy(newPath(), new Float32Array(3), [2]))).code, 'ERR_HOROBALL_SHAPE');
  for (const shape of [[-2, -2], [0.5, 8], 4, Array<number>(65).fill(1)]) {
    const { code } = await failure(() => writeNpy(newPath(), new Float32Array(4), shape as never));
    t.is(code, 'ERR_HOROBALL_TYPE', String(shape));
  }
});
