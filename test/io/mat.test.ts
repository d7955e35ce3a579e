import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { type MatValue, readMat } from '../../lib/io/index.ts';
import { startCpuClock } from '../cpu-clock.ts';
import { fixture } from '../support.ts';
import { MatWriter, type Plain } from './mat-writer.ts';

let folder = '';
test.before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'horoball-mat-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function readBytes(bytes: Buffer, options = {}): Promise<Map<string, MatValue>> {
  const file = path.join(folder, `${files++}.mat`);
  await writeFile(file, bytes);
  return readMat(file, options);
}

/** Converts a value that was read to the form that the writer accepts. */
function plain(value: MatValue): Plain {
  if (value.kind === 'numbers') return Number(value.real[0]);
  if (value.kind === 'text') return value.rows[0]!;
  if (value.kind === 'cell') return value.cells.map(plain);
  if (value.kind === 'unsupported') return value.class;
  return value.elements.map((row) =>
    Object.fromEntries([...row].map(([field, each]) => [field, plain(each)])),
  );
}

for (const name of ['sample', 'plain']) {
  test(`SciPy's ${name}.mat is read correctly`, async (t) => {
    const variables = await readMat(fixture(`mat/${name}.mat`));
    const numbers = (of: string) => {
      const value = variables.get(of);
      if (value?.kind !== 'numbers') throw new Error(`${of} is not a numeric array`);
      return value;
    };
    t.deepEqual(numbers('real').shape, [2, 3]);
    t.deepEqual(numbers('real').real, Float64Array.of(1, 4, 2.5, 5, -3, 1e300));
    const base = -(2n ** 60n);
    t.deepEqual(
      numbers('whole').real,
      BigInt64Array.of(base, base + 3n, base + 1n, base + 4n, base + 2n, base + 5n),
    );
    t.deepEqual([numbers('bytes').class, numbers('bytes').real], ['uint8', Uint8Array.of(0, 255)]);
    t.deepEqual(numbers('single').real, Float32Array.of(0.5));
    t.deepEqual(numbers('complex').real, Float64Array.of(1, -0));
    t.deepEqual(numbers('complex').imaginary, Float64Array.of(2, -3.5));
    t.true(numbers('truth').logical);
    t.deepEqual(numbers('truth').real, Uint8Array.of(1, 0));
    t.deepEqual(variables.get('text'), { kind: 'text', shape: [1, 6], rows: ['häuser'] });
    t.deepEqual(variables.get('lines'), { kind: 'text', shape: [3, 2], rows: ['ab', 'cd', 'ef'] });
    const cell = variables.get('cell')!;
    if (cell.kind !== 'cell') throw new Error('no cell');
    t.deepEqual(cell.shape, [1, 3]);
    t.is(plain(cell.cells[0]!), 'Audi TT');
    t.deepEqual(cell.cells[2], {
      kind: 'numbers',
      class: 'double',
      logical: false,
      shape: [0, 0],
      real: new Float64Array(0),
    });
    t.deepEqual(plain(variables.get('cars')!), [
      { name: 'car_ims/000001.jpg', class: 14 },
      { name: 'car_ims/000002.jpg', class: 3 },
    ]);
  });
}

test('reads the same values in both byte orders, compressed or not', async (t) => {
  const values = {
    list: ['a b', 1.25, ['ü', [2]]],
    table: [
      { name: 'x', value: 3 },
      { name: '', value: -4 },
    ],
  };
  for (const little of [true, false]) {
    for (const compress of [true, false]) {
      const variables = await readBytes(new MatWriter(little).file(values, { compress }));
      for (const [name, value] of Object.entries(values)) t.deepEqual(plain(variables.get(name)!), value);
    }
  }
});

test('rejects other levels and classes by name', async (t) => {
  const code = 'ERR_HOROBALL_FORMAT';
  const hdf5 = Buffer.alloc(600);
  hdf5.write('MATLAB 7.3 MAT-file, Platform: GLNXA64');
  await t.throwsAsync(readBytes(hdf5), { code, message: /7\.3.*'-v7'/ });
  await t.throwsAsync(readBytes(Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')), { code, message: /7\.3/ });
  await t.throwsAsync(readMat(fixture('mat/level4.mat')), { code, message: /not a MATLAB level 5/ });
  await t.throwsAsync(readMat(fixture('mat/sparse.mat')), {
    code,
    message: /contains a sparse matrix, .*Save full\(x\) instead\.$/,
  });
  await t.throwsAsync(readBytes(Buffer.from('path,label\n')), { code });
  await t.throwsAsync(readMat(path.join(folder, 'missing.mat')), { code: 'ENOENT' });
});

test('rejects a value outside the range of its integer class', async (t) => {
  const writer = new MatWriter();
  const read = async (kind: number, type: number, data: ArrayBufferView): Promise<unknown> => {
    const bytes = Buffer.from(data.buffer);
    const count = bytes.length / (data as Int8Array).BYTES_PER_ELEMENT;
    const value = (
      await readBytes(writer.around([writer.matrix(kind, [1, count], 'x', writer.element(type, bytes))]))
    ).get('x');
    return value?.kind === 'numbers' ? value.real : null;
  };
  const [int8, uint8, int32, uint32, int64, uint64] = [8, 9, 12, 13, 14, 15];
  const [int16, double, wide, wideUnsigned] = [3, 9, 12, 13]; // storage types
  for (const [kind, name, type, data] of [
    [int8, 'int8', int16, Int16Array.of(1, 128)],
    [int8, 'int8', int16, Int16Array.of(-129)],
    [uint8, 'uint8', int16, Int16Array.of(256)],
    [uint8, 'uint8', int16, Int16Array.of(-1)],
    [int32, 'int32', double, Float64Array.of(2 ** 31)],
    [int32, 'int32', double, Float64Array.of(1.5)],
    [int32, 'int32', double, Float64Array.of(Number.NaN)],
    [uint32, 'uint32', wide, BigInt64Array.of(2n ** 32n)],
    [int64, 'int64', double, Float64Array.of(2 ** 63)],
    [int64, 'int64', double, Float64Array.of(Number.POSITIVE_INFINITY)],
    [int64, 'int64', wideUnsigned, BigUint64Array.of(2n ** 63n)],
    [uint64, 'uint64', int16, Int16Array.of(-1)],
  ] as const) {
    const got = data[data.length - 1];
    await t.throwsAsync(read(kind, type, data), {
      code: 'ERR_HOROBALL_FORMAT',
      message: new RegExp(`the MAT file is damaged: expected a value of ${name}, got ${got}$`),
    });
  }
  t.deepEqual(await read(int8, int16, Int16Array.of(-128, 127)), Int8Array.of(-128, 127));
  t.deepEqual(await read(uint32, wide, BigInt64Array.of(2n ** 32n - 1n)), Uint32Array.of(2 ** 32 - 1));
  t.deepEqual(await read(int64, double, Float64Array.of(-(2 ** 63))), BigInt64Array.of(-(2n ** 63n)));
  t.deepEqual(await read(uint64, int16, Int16Array.of(7)), BigUint64Array.of(7n));
  t.deepEqual(await read(6, wide, BigInt64Array.of(2n ** 53n + 1n)), Float64Array.of(2 ** 53)); // as MATLAB's double
});

test('empty arrays do not share memory', async (t) => {
  const writer = new MatWriter();
  const empty = writer.element(14, Buffer.alloc(0));
  const file = writer.around([writer.matrix(1, [1, 2], 'pair', empty, empty)]);
  const pair = (await readBytes(file)).get('pair');
  if (pair?.kind !== 'cell') return t.fail();
  (pair.cells[0] as unknown as { shape: number[] }).shape.push(7);
  t.like(pair.cells[1], { kind: 'numbers', shape: [0, 0] });
});

test('rejects hostile files quickly', async (t) => {
  const writer = new MatWriter();
  const one = writer.value(1);
  const huge = writer.matrix(1, [2 ** 30, 2 ** 30], 'x');
  const negative = writer.matrix(1, [-1, -1], 'x');
  const cases: Record<string, Buffer> = {
    'a cell in itself, again and again': writer.around([writer.nested(one, 5000)]),
    'a cell with more elements than bytes': writer.around([huge]),
    'a negative shape': writer.around([negative]),
    'a cell whose elements are missing': writer.around([writer.matrix(1, [1, 3], 'x', one)]),
    'compressed data in compressed data': writer.around([writer.compressed(writer.compressed(one))]),
    'compressed noise': writer.around([Buffer.from([15, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4])]),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    const spent = startCpuClock();
    const message = /^\[readMat\] .*\.mat: the MAT file is damaged: /;
    await t.throwsAsync(readBytes(bytes), { code: 'ERR_HOROBALL_FORMAT', message }, name);
    t.true(spent() < 1000, name);
  }
});

test('splits rows of text by characters, not by bytes or halves of surrogate pairs', async (t) => {
  const mat = new MatWriter();
  for (const [type, encoding] of [
    [16, 'utf8'],
    [17, 'utf16le'],
  ] as const) {
    const text = type === 16 ? 'a\u{1f600}b\u00e9c\u65e5' : 'aAbBcC';
    const file = path.join(folder, `rows-${type}.mat`);
    const element = mat.element(type, Buffer.from(text, encoding));
    await writeFile(file, mat.around([mat.matrix(4, [2, 3], 'x', element)]));
    const value = (await readMat(file)).get('x');
    t.deepEqual(
      value?.kind === 'text' && value.rows,
      type === 16 ? ['abc', '\u{1f600}\u00e9\u65e5'] : ['abc', 'ABC'],
    );
  }
});

test('reads 8,000 lines of text within seconds', async (t) => {
  const [rows, columns] = [8000, 40];
  const text = Array.from({ length: rows * columns }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  const writer = new MatWriter();
  const bytes = writer.file({ lines: text });
  const shape = bytes.indexOf(Buffer.from(Uint32Array.of(1, rows * columns).buffer)); // its dimensions
  bytes.writeInt32LE(rows, shape);
  bytes.writeInt32LE(columns, shape + 4);
  const spent = startCpuClock();
  const value = (await readBytes(bytes)).get('lines');
  t.true(spent() < 3000);
  if (value?.kind !== 'text') return t.fail();
  t.is(value.rows.length, rows);
  const last = rows - 1;
  t.is(value.rows[last], Array.from({ length: columns }, (_, column) => text[column * rows + last]).join(''));
});

test('a truncated or modified file is read or rejected with a code', async (t) => {
  const whole = await readFile(fixture('mat/plain.mat'));
  const read = async (bytes: Buffer): Promise<void> => {
    try {
      await readBytes(bytes);
    } catch (error) {
      t.is((error as { code?: string }).code, 'ERR_HOROBALL_FORMAT', String(error));
    }
  };
  for (let length = 0; length < whole.length; length += 37) await read(whole.subarray(0, length));
  for (let at = 124; at < whole.length; at += 3) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 0xff;
    await read(changed);
  }
  t.pass();
});
