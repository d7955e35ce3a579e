import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { type Coded, coded } from '../errors.ts';
import { type Dtype, dtypeOf, elementCount, kinds, type TensorData } from './elements.ts';
import { compressedType, damaged, type Element, ElementReader, matrixType } from './mat-elements.ts';
import { naming } from './trouble.ts';

/** An array of a MAT file. Elements stand column by column, as MATLAB stores them. */
export type MatValue = MatNumbers | MatText | MatCell | MatStruct;

export interface MatNumbers {
  readonly kind: 'numbers';
  /** MATLAB's class: `double`, `uint8`, ... */
  readonly class: string;
  /** Bytes of 0 and 1 that MATLAB calls true and false. */
  readonly logical: boolean;
  readonly shape: readonly number[];
  readonly real: TensorData;
  readonly imaginary?: TensorData;
}

export interface MatText {
  readonly kind: 'text';
  readonly shape: readonly number[];
  /** One string for each row; MATLAB pads them to one length. */
  readonly rows: readonly string[];
}

export interface MatCell {
  readonly kind: 'cell';
  readonly shape: readonly number[];
  readonly cells: readonly MatValue[];
}

export interface MatStruct {
  readonly kind: 'struct';
  readonly shape: readonly number[];
  readonly fields: readonly string[];
  readonly elements: readonly ReadonlyMap<string, MatValue>[];
}

/** MATLAB's numeric classes by number: name and element type. */
const numeric: Readonly<Record<number, readonly [name: string, dtype: Dtype]>> = {
  6: ['double', 'F64'],
  7: ['single', 'F32'],
  8: ['int8', 'I8'],
  9: ['uint8', 'U8'],
  10: ['int16', 'I16'],
  11: ['uint16', 'U16'],
  12: ['int32', 'I32'],
  13: ['uint32', 'U32'],
  14: ['int64', 'I64'],
  15: ['uint64', 'U64'],
};
/** What is not data, or not data that anybody keeps in an annotation file. */
const refusedClasses: Readonly<Record<number, string>> = {
  3: 'object',
  5: 'sparse',
  16: 'function',
  17: 'opaque',
};
const [cellClass, structClass, charClass] = [1, 2, 4];

const maxDepth = 64;
const headerLength = 128;

/** Options of {@link readMat}. */
export interface ReadMatOptions {
  /** Most bytes that all compressed variables may have together when inflated; default 2^26 (64 MiB). */
  readonly maxBytes?: number;
}

/**
 * Reads a MATLAB level 5 file (what `save -v7` and `save -v6` write): numbers, text, cells and structs, compressed or
 * not, of either byte order. Level 7.3 (HDF5), level 4, objects, functions and sparse matrices are refused by name.
 *
 * @returns the variables by name
 * @throws Error `ERR_HOROBALL_FORMAT` when the file is not sound or holds something else; the system's own errors
 * @example
 * const labels = (await readMat('labels.mat')).get('labels');
 * if (labels?.kind === 'numbers') console.log(labels.shape, labels.real);
 */
export async function readMat(
  path: string,
  { maxBytes = 2 ** 26 }: ReadMatOptions = {},
): Promise<Map<string, MatValue>> {
  const bytes = await naming(path, readFile(path));
  try {
    return await readVariables(bytes, maxBytes);
  } catch (cause) {
    const { code, message } = cause as Coded;
    throw Object.assign(coded(code, `[readMat] ${path}: ${message}`), { cause });
  }
}

async function readVariables(bytes: Buffer, maxBytes: number): Promise<Map<string, MatValue>> {
  const little = checkHeader(bytes);
  const variables = new Map<string, MatValue>();
  const reader = new ElementReader(bytes.subarray(headerLength), little);
  let left = maxBytes;
  while (reader.remaining > 0) {
    let element = reader.next();
    if (element.type === compressedType) {
      const whole = await inflated(element.bytes, left);
      left -= whole.length;
      element = new ElementReader(whole, little).next();
    }
    const { name, value } = readMatrix(reader, element, 0);
    variables.set(name, value);
  }
  return variables;
}

/** True for little-endian numbers. */
function checkHeader(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 116);
  if (start.startsWith('MATLAB 7.3') || bytes.toString('latin1', 1, 4) === 'HDF') {
    throw coded(
      'ERR_HOROBALL_FORMAT',
      "MATLAB 7.3 files (HDF5) are not read; save it again in MATLAB with save('name.mat', '-v7')",
    );
  }
  const order = bytes.toString('latin1', 126, 128);
  if (bytes.length < headerLength || (order !== 'IM' && order !== 'MI')) {
    throw coded('ERR_HOROBALL_FORMAT', 'the file is not a MATLAB level 5 file');
  }
  return order === 'IM';
}

const inflateAsync = promisify(inflate);

async function inflated(bytes: Buffer, most: number): Promise<Buffer> {
  try {
    return await inflateAsync(bytes, { maxOutputLength: Math.max(1, most), chunkSize: 2 ** 20 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what =
      code === 'ERR_BUFFER_TOO_LARGE'
        ? 'it inflates to more than is allowed'
        : 'compressed data is not sound';
    throw Object.assign(damaged(what), { cause });
  }
}

interface Named {
  readonly name: string;
  readonly value: MatValue;
}

function readMatrix(outer: ElementReader, element: Element, depth: number): Named {
  if (element.type !== matrixType) throw damaged(`an array was expected, not type ${element.type}`);
  if (depth > maxDepth) throw damaged(`arrays lie more than ${maxDepth} deep in one another`);
  if (element.bytes.length === 0) return { name: '', value: emptyNumbers };
  const reader = outer.inside(element);
  const flags = reader.words(reader.next())[0] ?? 0;
  const shape = reader.words(reader.next());
  const name = reader.text(reader.next());
  const count = elementCount(shape);
  // Each element takes a byte at the least, so this bounds the memory too.
  if (shape.length < 2 || shape.some((side) => side < 0) || count > element.bytes.length) {
    throw damaged(`an array of shape ${shape.slice(0, 8).join(' x ')} has ${element.bytes.length} bytes`);
  }
  return { name, value: readValue(reader, { flags, shape, count, depth }) };
}

interface Head {
  readonly flags: number;
  readonly shape: readonly number[];
  readonly count: number;
  readonly depth: number;
}

const emptyNumbers: MatNumbers = {
  kind: 'numbers',
  class: 'double',
  logical: false,
  shape: [0, 0],
  real: new Float64Array(0),
};

function readValue(reader: ElementReader, head: Head): MatValue {
  const { shape, count, depth } = head;
  const kind = head.flags & 0xff;
  if (kind === charClass) return { kind: 'text', shape, rows: readRows(reader, shape) };
  if (kind === cellClass) {
    const cells = Array.from({ length: count }, () => readMatrix(reader, reader.next(), depth + 1).value);
    return { kind: 'cell', shape, cells };
  }
  if (kind === structClass) return readStruct(reader, head);
  if (numeric[kind] !== undefined) return readNumbers(reader, head);
  const name = refusedClasses[kind];
  throw name === undefined ? damaged(`class ${kind} does not exist`) : refused(name);
}

function readNumbers(reader: ElementReader, { flags, shape, count }: Head): MatNumbers {
  const [name, dtype] = numeric[flags & 0xff]!;
  const part = (): TensorData => {
    const data = reader.numbers(reader.next());
    if (data.length !== count) throw damaged(`${count} numbers were announced, ${data.length} are there`);
    return converted(data, dtype);
  };
  const numbers = {
    kind: 'numbers',
    class: name,
    logical: (flags & 0x200) !== 0,
    shape,
    real: part(),
  } as const;
  return (flags & 0x800) === 0 ? numbers : { ...numbers, imaginary: part() };
}

/** Whole numbers are often stored in fewer bytes than their class has. */
function converted(data: TensorData, dtype: Dtype): TensorData {
  if (dtypeOf(data) === dtype) return data;
  const out = kinds[dtype].make(data.length);
  const big = out instanceof BigInt64Array || out instanceof BigUint64Array;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (big && typeof value === 'number' && !Number.isInteger(value)) throw damaged(`${value} is no integer`);
    out[i] = big ? BigInt(value) : Number(value);
  }
  return out;
}

/** Characters stand column by column. */
function readRows(reader: ElementReader, shape: readonly number[]): string[] {
  const [rows, columns] = [shape[0]!, elementCount(shape.slice(1))];
  const characters = [...(reader.remaining > 0 ? reader.text(reader.next()) : '')];
  if (rows === 1) return [characters.join('')];
  if (characters.length !== rows * columns) throw damaged('text is cut');
  const line = (row: number): string =>
    Array.from({ length: columns }, (_, column) => characters[column * rows + row]).join('');
  return Array.from({ length: rows }, (_, row) => line(row));
}

function readStruct(reader: ElementReader, { shape, count, depth }: Head): MatStruct {
  const width = reader.words(reader.next())[0] ?? 0;
  const names = reader.text(reader.next());
  if (width < 1 || names.length % width !== 0) throw damaged('the field names of a struct are cut');
  const fields = Array.from({ length: names.length / width }, (_, i) => {
    return names.slice(i * width, (i + 1) * width).split('\0', 1)[0]!;
  });
  if (fields.length === 0 && count > 1) throw damaged('a struct array has no fields');
  const elements = Array.from({ length: count }, () => {
    return new Map(fields.map((field) => [field, readMatrix(reader, reader.next(), depth + 1).value]));
  });
  return { kind: 'struct', shape, fields, elements };
}

function refused(name: string): Error {
  return coded('ERR_HOROBALL_FORMAT', `the MAT file holds a MATLAB ${name}, which is not read`);
}
