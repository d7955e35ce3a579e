import { shapeError, typeError } from '../errors.ts';
import { checkKept } from '../matrix.ts';
import { type FileToWrite, writeAll } from './atomic.ts';
import { crcOf } from './checksums.ts';
import { type Dtype, dtypeOf, elementCount, kinds, sizesIn, type TensorData } from './elements.ts';

export const magic: Buffer = Buffer.from('\x93NUMPY', 'latin1');
/** The limit of NumPy's own reader. */
export const maxAxes = 64;

/** NumPy's type names, without the byte order. */
export const dtypes: Readonly<Record<string, Dtype>> = {
  f8: 'F64',
  f4: 'F32',
  f2: 'F16',
  i8: 'I64',
  u8: 'U64',
  i4: 'I32',
  u4: 'U32',
  i2: 'I16',
  u2: 'U16',
  i1: 'I8',
  u1: 'U8',
  b1: 'BOOL',
};

/** A .npy file to write; see `writeNpy`. */
export interface NpyFile extends FileToWrite {
  /** Returns the CRC-32 of the whole file, as eight hexadecimal digits. */
  checksum(): Promise<string>;
}

/** Returns the file that `writeNpy` writes, to be written with others. */
export function npyFile(path: string, data: TensorData, shape?: readonly number[]): NpyFile {
  const dtype = dtypeOf(data);
  if (dtype === undefined) throw typeError('writeNpy', 'data', 'a typed array of numbers', data);
  const { length } = data;
  const sides = sizesIn(shape ?? [length], maxAxes);
  if (sides === null) {
    throw typeError('writeNpy', 'shape', `at most ${maxAxes} integers`, shape);
  }
  if (elementCount(sides) !== length) {
    throw shapeError('writeNpy', 'shape', `a shape of ${length} elements`, `[${sides}]`);
  }
  const name = Object.keys(dtypes).find((key) => dtypes[key] === dtype)!;
  const descr = `${kinds[dtype].bytes === 1 ? '|' : '<'}${name}`;
  const tuple = sides.length === 1 ? `(${sides[0]},)` : `(${sides.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const header = Buffer.alloc(Math.ceil((10 + text.length + 1) / 64) * 64, ' ');
  magic.copy(header);
  header[6] = 1;
  header[7] = 0;
  header.writeUInt16LE(header.length - 10, 8);
  header.write(text, 10, 'latin1');
  header[header.length - 1] = 0x0a;
  const check = (): void => checkKept('writeNpy', 'data', data, length);
  return {
    path,
    bytes: data.byteLength,
    checksum: () => crcOf(data, check, header),
    write: async (file) => {
      await writeAll(file, header);
      check();
      await writeAll(file, data);
      check();
    },
  };
}
