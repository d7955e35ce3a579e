import type { FileHandle } from 'node:fs/promises';
import { coded, shapeError, typeError } from '../errors.ts';
import { readAll, reading, writeAll, writeAtomically } from './atomic.ts';
import { type Dtype, dtypeOf, elementCount, isSizes, kinds, type TensorData, widened } from './elements.ts';
import { gatherStrided } from './strided.ts';

/** An array from a .npy file. */
export interface NpyArray {
  /** NumPy's name of the element type in the file, for example `<f4`. */
  readonly descr: string;
  readonly shape: readonly number[];
  /** Row-major; float16 is widened to float32, bool is bytes of 0 and 1. */
  readonly data: TensorData;
}

/** NumPy's names, without the byte order. */
const dtypes: Readonly<Record<string, Dtype>> = {
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

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

const magic = Buffer.from('\x93NUMPY', 'latin1');
const maxHeader = 1 << 20;
/** NumPy reads no more. */
const mostAxes = 64;

/**
 * Reads a .npy file (versions 1 to 3): numbers and booleans of either byte order, in C or Fortran order.
 * Objects, strings and records are refused, never unpickled.
 *
 * @throws Error `ERR_HOROBALL_FORMAT` when the file is not sound or holds something else; the system's own errors
 * @example
 * const path = join(tmpdir(), 'horoball-example.npy');
 * await writeNpy(path, new Float32Array([1, 2, 3, 4]), [2, 2]);
 * const { shape, data } = await readNpy(path);
 * shape; // => [2, 2]
 */
export async function readNpy(path: string): Promise<NpyArray> {
  return await reading(path, async (file) => {
    const { size } = await file.stat();
    const { text, start } = await readHeader(path, file);
    const { descr, fortran, shape } = parseHeader(path, text);
    const dtype = dtypes[descr.slice(1)];
    if (dtype === undefined) throw unsound(path, `elements of type '${descr}' cannot be read`);
    const length = elementCount(shape);
    const { make, bytes } = kinds[dtype];
    if (!(length * bytes <= size - start)) {
      throw unsound(path, `shape [${shape}] needs ${length * bytes} bytes, it has ${size - start}`);
    }
    const raw = make(length);
    if ((await readAll(file, raw, start)) < raw.byteLength) throw unsound(path, 'its data is cut short');
    if (descr[0] === '>') swapBytes(raw, bytes);
    const ordered = fortran && length > 0 ? rowMajor(raw, shape, dtype) : raw;
    return { descr, shape, data: await widened(dtype, ordered) };
  });
}

async function readHeader(path: string, file: FileHandle): Promise<{ text: string; start: number }> {
  const prefix = Buffer.alloc(12);
  const got = await readAll(file, prefix, 0);
  if (got < 10 || !prefix.subarray(0, 6).equals(magic)) throw unsound(path, 'it does not begin as one');
  const version = prefix[6]!;
  if (version < 1 || version > 3) throw unsound(path, `version ${version} is not known`);
  const at = version === 1 ? 10 : 12;
  const length = version === 1 ? prefix.readUInt16LE(8) : prefix.readUInt32LE(8);
  if (got < at || length > maxHeader) throw unsound(path, `its header claims ${length} bytes`);
  const header = Buffer.alloc(length);
  if ((await readAll(file, header, at)) < length) throw unsound(path, 'its header is cut short');
  return { text: header.toString(version === 3 ? 'utf8' : 'latin1'), start: at + length };
}

/** The header is a Python dictionary of three known keys. */
function parseHeader(path: string, text: string): Header {
  const descr = /'descr'\s*:\s*'([<>|=][A-Za-z]\d{1,3})'/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const sides = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  if (descr === undefined) throw unsound(path, 'its elements are not plain numbers');
  if (fortran === undefined || sides === undefined) throw unsound(path, 'its header cannot be read');
  const shape = sides
    .split(',')
    .map((side) => side.trim())
    .filter((side) => side !== '')
    .map(Number);
  if (!shape.every(Number.isSafeInteger)) throw unsound(path, `shape [${shape}] is too large`);
  return { descr, fortran: fortran === 'True', shape };
}

function swapBytes(data: TensorData, bytes: number): void {
  const view = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (bytes === 2) view.swap16();
  if (bytes === 4) view.swap32();
  if (bytes === 8) view.swap64();
}

function rowMajor(data: TensorData, shape: readonly number[], dtype: Dtype): TensorData {
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  const out = kinds[dtype].make(data.length);
  gatherStrided(data, shape, strides, out);
  return out;
}

/**
 * Writes a .npy file (version 1, C order), whole or not at all.
 *
 * @param shape - default one axis
 * @throws TypeError or RangeError with a code when it cannot be written; the system's own errors
 * @example
 * await writeNpy(join(tmpdir(), 'horoball-points.npy'), new Float32Array([1, 2, 3, 4]), [2, 2]);
 */
export async function writeNpy(path: string, data: TensorData, shape?: readonly number[]): Promise<void> {
  const dtype = dtypeOf(data);
  if (dtype === undefined) throw typeError('writeNpy', 'data', 'a typed array of numbers', data);
  const sides = shape ?? [data.length];
  if (!isSizes(sides) || sides.length > mostAxes) {
    throw typeError('writeNpy', 'shape', `at most ${mostAxes} integers`, shape);
  }
  if (elementCount(sides) !== data.length) {
    throw shapeError('writeNpy', 'shape', `one of ${data.length} elements`, `[${sides}]`);
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
  await writeAtomically(path, async (file) => {
    await writeAll(file, header);
    await writeAll(file, data);
  });
}

function unsound(path: string, reason: string): Error {
  return coded('ERR_HOROBALL_FORMAT', `[readNpy] ${path}: not a .npy file that can be read: ${reason}`);
}
