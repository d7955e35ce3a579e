import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ava from 'ava';
import { zipSync } from 'fflate';
import type { Dtype, TensorData } from '../../lib/io/elements.ts';
import { PickleOpaque } from '../../lib/io/pickle.ts';
import { PthFile } from '../../lib/io/pth.ts';
import { dict, fixture, floats, format, onDisk, refuses, tensor, unsafe } from './pth-files.ts';

// Serial, because each rejection must take at most one second, and concurrent tests would slow it down.
const test = ava.serial;

const plain = {
  '0.weight': { shape: [2, 3], data: [0, 1, 2, 3, 4, 5] },
  '0.bias': { shape: [2], data: [10, 11] },
  '1.weight': { shape: [2], data: [20, 21] },
  '1.bias': { shape: [2], data: [30, 31] },
};

for (const name of ['plain.pth', 'plain4.pth'])
  test(`reads a state dict: ${name}`, async (t) => t.deepEqual(await floats(fixture(name)), plain));

test('reads a file written without checksums', async (t) => {
  t.deepEqual(await floats(fixture('nocrc.pth')), { weight: { shape: [3], data: [1, 1, 1] } });
});

test('reads plain containers and scalars next to the tensors', async (t) => {
  const file = await PthFile.open(fixture('wrapped.pth'));
  const root = dict(file.root);
  t.is(root.get('epoch'), 7);
  t.is(root.get('big'), 2n ** 70n);
  t.is(root.get('negative'), -(2 ** 40));
  t.deepEqual(root.get('pair'), [1.5, 'é']);
  t.deepEqual(root.get('size'), [2, 3]);
  t.deepEqual(
    [...dict(root.get('args'))],
    [
      ['lr', 3e-5],
      ['name', 'vit'],
      ['flags', [true, null]],
    ],
  );
  t.deepEqual(
    [...dict(root.get('state_dict')).keys()],
    Object.keys(plain).map((name) => `module.${name}`),
  );
  const parameter = await file.read(tensor(root.get('parameter')));
  t.deepEqual(parameter.data, new Float32Array(plain['0.weight'].data));
  t.deepEqual((await file.read(tensor(root.get('tagged')))).data, new Float32Array([1, 1]));
  await file.close();
});

test('reads every element type, and widens narrow floats', async (t) => {
  const file = await PthFile.open(fixture('types.pth'));
  const expected: Record<string, TensorData> = {
    F64: new Float64Array([1.5, -2.25]),
    F32: new Float32Array([1.5, -2.25]),
    F16: new Float32Array([1.5, -2.25, 65504, 2 ** -24]),
    BF16: new Float32Array([1.5, -2.25, 226 * 2 ** 120]),
    I64: new BigInt64Array([-(2n ** 40n), 5n]),
    I32: new Int32Array([-(2 ** 31), 5]),
    I16: new Int16Array([-(2 ** 15), 5]),
    I8: new Int8Array([-128, 5]),
    U8: new Uint8Array([255, 5]),
    BOOL: new Uint8Array([1, 0, 1]),
  };
  t.deepEqual([...dict(file.root).keys()], Object.keys(expected));
  for (const [name, value] of dict(file.root)) {
    const read = await file.read(tensor(value));
    t.deepEqual(read, { dtype: name as Dtype, shape: [read.data.length], data: expected[String(name)]! });
  }
  await file.close();
});

test('reads tensors with strides, offsets and shared storages', async (t) => {
  const ramp = Array.from({ length: 24 }, (_, i) => i / 8 - 1);
  const at = (i: number, j: number, k: number): number => ramp[12 * i + 4 * j + k]!;
  const transposed: number[] = [];
  for (let k = 0; k < 4; k++)
    for (let i = 0; i < 2; i++) for (let j = 0; j < 3; j++) transposed.push(at(i, j, k));
  t.deepEqual(await floats(fixture('strided.pth')), {
    base: { shape: [2, 3, 4], data: ramp },
    transposed: { shape: [4, 2, 3], data: transposed },
    row: { shape: [4], data: [20, 21, 22, 23].map((i) => ramp[i]!) },
    column: { shape: [2, 2], data: [at(0, 1, 0), at(0, 1, 2), at(1, 1, 0), at(1, 1, 2)] },
    expanded: { shape: [3, 2], data: [7, 7, 7, 7, 7, 7] },
    scalar: { shape: [], data: [3.5] },
    empty: { shape: [0, 4], data: [] },
  });
});

test('detects damage of a storage of which each tensor is only a part', async (t) => {
  const bytes = await readFile(fixture('strided.pth'));
  const at = bytes.indexOf(Buffer.from(new Float32Array([19 / 8 - 1, 20 / 8 - 1]).buffer));
  t.true(at > 0);
  bytes[at + 5]! ^= 16; // in the row that starts at element 20
  await using file = await PthFile.open(await onDisk(bytes));
  for (const name of ['row', 'row', 'column'])
    await t.throwsAsync(file.read(tensor(dict(file.root).get(name))), {
      code: 'ERR_HOROBALL_FORMAT',
      message: /CRC-32 of 'strided\/data\/0' does not match/,
    });
});

test('rejects a pickle that calls os.system, and names the function', (t) =>
  refuses(t, fixture('evil.pth'), unsafe, /evil\.pth: 'posix\.system' is not allowed: only tensors/));

test('rejects a pickled module, and names its class', (t) =>
  refuses(t, fixture('module.pth'), unsafe, /'torch\.nn\.modules\.container\.Sequential' is not allowed/));

test('rejects the old format, with the command that converts it', async (t) => {
  for (const name of ['legacy.pth', 'legacy4.pth'])
    await refuses(
      t,
      fixture(name),
      format,
      /before 1\.6.*python3 -c 'import torch; torch\.save\(torch\.load\(/,
    );
});

test('reads a tensor next to a negated view, which is returned as opaque', async (t) => {
  await using file = await PthFile.open(fixture('negated.pth'));
  const root = dict(file.root);
  t.deepEqual([...(await file.read(tensor(root.get('plain')))).data], [2, -4]);
  const negated = root.get('negated');
  t.true(negated instanceof PickleOpaque && /a negated view \(save/.test(negated.name));
});

test('rejects files of other formats', async (t) => {
  await refuses(t, await onDisk(new TextEncoder().encode('<html>')), format, /not a PyTorch file/);
  await refuses(t, await onDisk(new Uint8Array(0)), format, /not a PyTorch file/);
  const zip = zipSync({ 'a.txt': new Uint8Array(3) }, { level: 0 });
  await refuses(t, await onDisk(zip), format, /not one that torch\.save wrote/);
  const script = zipSync(
    { 'm/data.pkl': new Uint8Array(3), 'm/constants.pkl': new Uint8Array(3) },
    { level: 0 },
  );
  await refuses(t, await onDisk(script), format, /TorchScript/);
  await t.throwsAsync(PthFile.open(join(tmpdir(), 'horoball-absent.pth')), { code: 'ENOENT' });
});

test('rejects a truncated or damaged archive', async (t) => {
  const bytes = await readFile(fixture('plain.pth'));
  await refuses(t, await onDisk(bytes.subarray(0, 1500)), format, /zip archive is damaged/);
  const flipped = Buffer.from(bytes);
  flipped[flipped.indexOf('0.weight')] = 0x31;
  await refuses(t, await onDisk(flipped), format, /CRC-32 of 'plain\/data\.pkl' does not match/);
  const storage = Buffer.from(bytes);
  storage.writeFloatLE(9, storage.indexOf(Buffer.from(new Float32Array([20, 21]).buffer)));
  await refuses(t, await onDisk(storage), format, /\.pth: the zip .* CRC-32 of 'plain\/data\/\d' does not/);
});
