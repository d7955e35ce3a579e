// Reads files that torch, NumPy, SciPy and safetensors write during the test, and small committed ones.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import ava, { type ExecutionContext } from 'ava';
import { type MatValue, readMat, readNpy, readSafetensors } from '../../lib/io/index.ts';
import { PickleDict, PickleOpaque, type PickleValue } from '../../lib/io/pickle-values.ts';
import { PthFile, PthTensor } from '../../lib/io/pth.ts';
import { python } from '../python.ts';
import { fixture } from '../support.ts';

const test = ava.serial;
let folder = '';
test.beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-writers-'));
});
test.afterEach.always(() => rm(folder, { recursive: true, force: true }));

function written<T>(t: ExecutionContext, writer: string): T | null {
  const answer = python(t, writer, 'other_writers.py', writer, folder);
  return answer === null ? null : (JSON.parse(answer) as T);
}

const ramp = [0, 1, 2, 3, 4, 5];

async function entriesOf(path: string): Promise<Map<unknown, unknown>> {
  await using file = await PthFile.open(path);
  if (!(file.root instanceof PickleDict)) throw new Error('no dictionary');
  const values = new Map<unknown, unknown>();
  for (const [name, value] of file.root) values.set(name, await shown(file, value));
  return values;
}

async function shown(file: PthFile, value: PickleValue): Promise<unknown> {
  if (value instanceof PthTensor) return Array.from((await file.read(value)).data, Number);
  return value instanceof PickleOpaque ? `opaque: ${value.name}` : value;
}

/** The values that the readers return for files of test/fixtures/other_writers.py. */
const torchValues: Record<string, unknown> = {
  weight: ramp,
  device: 'opaque: torch.device',
  dtype: 'opaque: torch.bfloat16',
  size: [2, 3],
  set: 'opaque: __builtin__.set',
  bytes: 'opaque: _codecs.encode',
  bytearray: 'opaque: __builtin__.bytearray',
  'complex number': 'opaque: __builtin__.complex',
  uint16: [1, 65535],
  uint32: [1, 2 ** 32 - 1],
  uint64: [1, 2 ** 63],
  fp8: 'opaque: a tensor of torch.float8_e4m3fn',
  'complex tensor': 'opaque: a tensor of torch.ComplexFloatStorage',
  sparse: 'opaque: torch._utils._rebuild_sparse_tensor',
  csr: 'opaque: torch._utils._rebuild_sparse_tensor',
  quantized: 'opaque: torch._utils._rebuild_qtensor',
  meta: 'opaque: torch._utils._rebuild_meta_tensor_no_storage',
  tagged: ramp.map((value) => value + 1),
  parameter: ramp.map((value) => value * 2),
  buffer: ramp.map((value) => value * 3),
};

function checkTorch(t: ExecutionContext, name: string, values: Map<unknown, unknown>): void {
  const value = values.get(name);
  if (name === 'counter') {
    if (!(value instanceof PickleDict)) throw new Error(`${name} is not a dictionary`);
    t.deepEqual(
      [...value],
      [
        ['a', 2],
        ['b', 1],
      ],
    );
  } else if (name === 'tuple keys') {
    if (!(value instanceof PickleDict)) throw new Error(`${name} is not a dictionary`);
    t.deepEqual([...value.values()], ['a', 'b', 'c', 'd']);
    t.deepEqual([...value.keys()].slice(1), [null, 1.5, true]);
  } else t.deepEqual(value, torchValues[name], name);
}

test('torch: reads files with any value that torch.load(weights_only=True) reads', async (t) => {
  const known = written<{ names: string[] }>(t, 'torch');
  if (known === null) return;
  t.true(known.names.length > 20);
  const all = await entriesOf(join(folder, 'all.pth'));
  for (const name of known.names) {
    const alone = await entriesOf(join(folder, `${name}.pth`));
    t.deepEqual(alone.get('weight'), ramp, name);
    checkTorch(t, name, alone);
    checkTorch(t, name, all);
  }
  for (const protocol of [2, 4, 5]) {
    const values = await entriesOf(join(folder, `unknown${protocol}.pth`));
    t.deepEqual(values.get('weight'), ramp);
    t.is(values.get('path'), 'opaque: pathlib.PurePosixPath');
    t.is(values.get('dtype of numpy'), 'opaque: numpy.dtype');
    t.true(values.get('optimizer') instanceof PickleDict);
  }
});

test('torch: reads a committed file with all of these values', async (t) => {
  const values = await entriesOf(fixture('pth/values.pth'));
  t.true(values.size > 20);
  for (const name of values.keys()) checkTorch(t, String(name), values);
});

test('NumPy: reads every element type, order and header', async (t) => {
  const expected = written<Record<string, { shape: number[]; data: number[] }>>(t, 'numpy');
  if (expected === null) return;
  t.true(Object.keys(expected).length > 50);
  for (const [name, { shape, data }] of Object.entries(expected)) {
    const read = await readNpy(join(folder, name));
    t.deepEqual(read.shape, shape, name);
    t.deepEqual(Array.from(read.data, Number), data, `${name}: ${read.descr}`);
  }
});

const headers: Record<string, string> = {
  'of Python 2': "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
  'with unicode text': "{u'descr': u'<f4', u'fortran_order': False, u'shape': (2, 3)}",
  'with double quotes': '{"shape": (2, 3), "fortran_order": False, "descr": "<f4"}',
  'over several lines': "{'descr':\n '<f4',\n 'fortran_order': False,\n 'shape': [2, 3]}",
};
for (const [name, header] of Object.entries(headers))
  test(`reads a .npy header ${name}`, async (t) => {
    const path = join(folder, 'header.npy');
    const text = `${header}\n`;
    const data = Buffer.from(Float32Array.from(ramp).buffer);
    await writeFile(
      path,
      Buffer.concat([
        Buffer.from(`\x93NUMPY\x01\0${String.fromCharCode(text.length)}\0${text}`, 'latin1'),
        data,
      ]),
    );
    const read = await readNpy(path);
    t.deepEqual([read.shape, read.data], [[2, 3], Float32Array.from(ramp)]);
  });

for (const [name, header] of [
  ['an expression', "{'descr': '<f4', 'fortran_order': False, 'shape': (1+1, 3)}"],
  ['a call', "{'descr': '<f4', 'fortran_order': bool(), 'shape': (2, 3)}"],
  ['a shape in one number', "{'descr': '<f4', 'fortran_order': False, 'shape': (6)}"],
  ['a float', "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0, 3)}"],
  ['more after it', "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} {}"],
] as const)
  test(`a .npy header with ${name} is rejected`, async (t) => {
    const path = join(folder, 'header.npy');
    await writeFile(
      path,
      Buffer.from(`\x93NUMPY\x01\0${String.fromCharCode(header.length)}\0${header}`, 'latin1'),
    );
    await t.throwsAsync(readNpy(path), { code: 'ERR_HOROBALL_FORMAT' });
  });

function kindOf(value: MatValue | undefined): string {
  if (value === undefined) return 'absent';
  return value.kind === 'unsupported' ? value.class : value.kind;
}

test('SciPy and MATLAB: reads variables next to sparse matrices, objects and functions', async (t) => {
  const known = written<Record<string, string[] | null>>(t, 'scipy');
  if (known === null) return;
  for (const name of ['mixed0.mat', 'mixed1.mat']) await checkMixed(t, join(folder, name));
  let read = 0;
  for (const [path, names] of Object.entries(known)) {
    const variables = await readMat(path).catch((error: Error & { code: string }) => error);
    if (!(variables instanceof Error)) {
      read++;
      t.deepEqual(
        [...variables.keys()],
        (names ?? [...variables.keys()]).filter((name) => !name.startsWith('__')),
        path,
      );
    } else if (names !== null && !/^(corrupted|malformed|bad)_?/.test(basename(path))) {
      t.is((variables as Error & { code: string }).code, 'ERR_HOROBALL_FORMAT', path);
      t.regex(
        variables.message,
        /not a MATLAB level 5|MATLAB 7\.3|contains (a sparse|an object|a function)/,
        basename(path),
      );
    }
  }
  t.true(read > 60, `${read} files read`);
  const functions = Object.keys(known).find((path) => path.endsWith('some_functions.mat'));
  const variables = await readMat(functions!);
  t.deepEqual(
    ['a', 'sqr'].map((name) => kindOf(variables.get(name))),
    ['numbers', 'function'],
  );
});

test('SciPy: reads a committed file with sparse matrices among other variables', (t) =>
  checkMixed(t, fixture('mat/mixed.mat')));

async function checkMixed(t: ExecutionContext, path: string): Promise<void> {
  const variables = await readMat(path);
  t.is(kindOf(variables.get('sparse')), 'sparse');
  const before = variables.get('before');
  t.deepEqual(before?.kind === 'numbers' && before.real, Float64Array.of(0, 3, 1, 4, 2, 5));
  const cell = variables.get('cell');
  t.deepEqual(cell?.kind === 'cell' && cell.cells.map(kindOf), ['numbers', 'text', 'sparse']);
  const struct = variables.get('struct');
  const fields = struct?.kind === 'struct' ? struct.elements[0]! : new Map<string, MatValue>();
  t.deepEqual(
    [...fields].map(([name, value]) => [name, kindOf(value)]),
    [
      ['label', 'numbers'],
      ['inner', 'sparse'],
    ],
  );
  const after = variables.get('after');
  t.deepEqual(after?.kind === 'numbers' && [after.real[0], after.imaginary?.[0]], [1, 2]);
}

test('SciPy: 80 MB of zeros exceed maxBytes by default, and are read with a larger one', async (t) => {
  if (written(t, 'scipy') === null) return;
  const path = join(folder, 'big.mat');
  await t.throwsAsync(readMat(path), {
    code: 'ERR_HOROBALL_FORMAT',
    message: /maxBytes \(67108864\).*Pass a larger/,
  });
  const big = (await readMat(path, { maxBytes: 2 ** 27 })).get('big');
  t.is(big?.kind === 'numbers' && big.real.length, 10_000_000);
  await t.throwsAsync(readMat(path, { maxBytes: Number.NaN }), { code: 'ERR_HOROBALL_RANGE' });
});

test('safetensors: an unsupported element type only matters if its tensor is requested', async (t) => {
  const known = written<{ names: string[] }>(t, 'safetensors');
  if (known === null) return;
  t.deepEqual(
    (await readSafetensors(join(folder, 'numpy.safetensors'))).tensors.get('a')?.data,
    Float32Array.from(ramp),
  );
  const path = join(folder, 'mixed.safetensors');
  const names = known.names.filter((name) => !/^f8|complex/.test(name));
  const { tensors } = await readSafetensors(path, { names });
  t.deepEqual([...tensors.keys()].toSorted(), names.toSorted());
  t.deepEqual(tensors.get('bfloat')?.data, Float32Array.of(0, 1, 2, 3));
  for (const name of ['f8 a', 'complex'])
    await t.throwsAsync(readSafetensors(path, { names: [name] }), {
      code: 'ERR_HOROBALL_FORMAT',
      message: /is not supported/,
    });
});

test('safetensors: accepts null as metadata, and unknown element types', async (t) => {
  const path = join(folder, 'null.safetensors');
  const write = async (header: object, bytes: number): Promise<void> => {
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    await writeFile(path, Buffer.concat([length, text, Buffer.alloc(bytes)]));
  };
  const a = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };
  await write({ __metadata__: null, a }, 4);
  const { tensors, metadata } = await readSafetensors(path);
  t.deepEqual([tensors.get('a')?.data, metadata], [new Float32Array(1), {}]);
  await write({ a, b: { dtype: 'F4', shape: [3], data_offsets: [4, 6] } }, 6);
  t.deepEqual([...(await readSafetensors(path, { names: ['a'] })).tensors.keys()], ['a']);
  await t.throwsAsync(readSafetensors(path), {
    code: 'ERR_HOROBALL_FORMAT',
    message: /the element type "F4" of "b" is not supported/,
  });
});
