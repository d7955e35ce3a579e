import { readOptions } from '../check.ts';
import { type Coded, coded, rangeError } from '../errors.ts';
import { readAll } from './atomic.ts';
import { type Dtype, dtypeOf, elementCount, kinds, type TensorData } from './elements.ts';
import { MatBudget, maxFile } from './mat-budget.ts';
import { compressedType, damaged, type Element, ElementReader, matrixType } from './mat-elements.ts';
import type { MatNumbers, MatStruct, MatUnsupported, MatValue } from './mat-values.ts';
import { reading } from './regular.ts';

/** MATLAB's numeric classes by number: the name and the element type. */
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
/** Unsupported classes: they are not data, or annotation files do not use them. */
const refusedClasses: Readonly<Record<number, string>> = {
  3: 'object',
  5: 'sparse',
  16: 'function',
  17: 'opaque',
};
const [cellClass, structClass, charClass, opaqueClass] = [1, 2, 4, 17];

const maxDepth = 64;
const headerLength = 128;
/** The maximum number of variables: each compressed one takes about 50 microseconds, however short it is. */
const maxVariables = 2 ** 13;
/**
 * Memory charged for an array, an element of a struct array, one of its fields, and a row of text: about what JavaScript
 * takes, but more for an element, to limit the time.
 */
const [arrayBytes, elementBytes, fieldBytes, rowBytes] = [256, 256, 32, 32];
/** Memory charged for an empty array, to limit the time: 64 MiB of empty arrays deflate to a file of 65 kB. */
const emptyBytes = 512;

/** Options of {@link readMat}. */
export interface ReadMatOptions {
  /**
   * Maximum inflated size of all compressed variables together, in bytes; default 2^26 (64 MiB). The values may take
   * this much memory in addition to 16 times the file size.
   */
  readonly maxBytes?: number;
}

/**
 * Reads a MATLAB level 5 file (written by `save -v7` or `save -v6`): numbers, text, cells and structs, compressed or
 * not, of either byte order. Objects, functions and sparse matrices become values of kind `unsupported`.
 * Files that contain nothing else, and files of level 7.3 (HDF5) or level 4, are rejected with an error that states the
 * reason.
 *
 * @returns the variables by name
 * @throws Error `ERR_HOROBALL_FORMAT` if the file is damaged, contains nothing that is supported, or exceeds `maxBytes`;
 * or a file system error
 * @example
 * const labels = (await readMat('labels.mat')).get('labels');
 * if (labels?.kind === 'numbers') console.log(labels.shape, labels.real);
 */
export async function readMat(path: string, options: ReadMatOptions = {}): Promise<Map<string, MatValue>> {
  const { maxBytes = 2 ** 26 } = readOptions('readMat', options, ['maxBytes']);
  if (typeof maxBytes !== 'number' || !(maxBytes >= 0))
    throw rangeError('readMat', 'maxBytes', 'a number of at least 0', maxBytes);
  return await reading(path, 'readMat', async (file) => {
    const { size } = await file.stat();
    try {
      if (size > maxFile) throw coded('ERR_HOROBALL_FORMAT', `the file is larger than ${maxFile} bytes`);
      const bytes = Buffer.alloc(size);
      const got = await readAll(file, bytes, 0);
      return await readVariables(bytes.subarray(0, got), new MatBudget(maxBytes, size));
    } catch (cause) {
      const { code, message } = cause as Coded;
      if (!code?.startsWith('ERR_HOROBALL_')) throw cause;
      throw Object.assign(coded(code, `[readMat] ${path}: ${message}`), { cause });
    }
  });
}

async function readVariables(bytes: Buffer, budget: MatBudget): Promise<Map<string, MatValue>> {
  const little = checkHeader(bytes);
  const variables = new Map<string, MatValue>();
  const body = bytes.subarray(headerLength);
  checkCount(new ElementReader(body, little));
  const reader = new ElementReader(body, little);
  while (reader.remaining > 0) {
    let element = reader.next();
    if (element.type === compressedType) {
      element = new ElementReader(await budget.inflate(element.bytes, little), little).next();
    }
    const { name, value } = readMatrix(reader, element, budget.take, 0);
    if (name !== '') variables.set(name, value); // an unnamed variable: MATLAB's internal data of objects
  }
  const unsupported = [...variables.values()].filter((value) => value.kind === 'unsupported');
  if (unsupported.length > 0 && unsupported.length === variables.size) throw refused(unsupported[0]!.class);
  return variables;
}

/** Throws for too many variables, before any of them is read. A damaged element is reported later, when it is read. */
function checkCount(reader: ElementReader): void {
  for (let count = 1; reader.remaining >= 8; count++) {
    if (count > maxVariables) throw damaged(`it has more than ${maxVariables} variables`);
    try {
      reader.next();
    } catch {
      return;
    }
  }
}

/** Checks the header. Returns whether the numbers are little-endian. */
function checkHeader(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 116);
  const order = bytes.toString('latin1', 126, 128);
  const version = bytes.toString('latin1', 124, 126);
  const hdf5 = order === 'IM' ? '\0\x02' : '\x02\0';
  if (start.startsWith('MATLAB 7.3') || version === hdf5 || bytes.toString('latin1', 1, 4) === 'HDF') {
    throw coded(
      'ERR_HOROBALL_FORMAT',
      "MATLAB 7.3 files (HDF5) are not supported. Save the file again in MATLAB with save('name.mat', '-v7').",
    );
  }
  if (bytes.length < headerLength || (order !== 'IM' && order !== 'MI')) {
    throw coded('ERR_HOROBALL_FORMAT', 'the file is not a MATLAB level 5 file');
  }
  return order === 'IM';
}

interface Named {
  readonly name: string;
  readonly value: MatValue;
}

type Take = (bytes: number) => void;

function readMatrix(outer: ElementReader, element: Element, take: Take, depth: number): Named {
  if (element.type !== matrixType) throw damaged(`expected an array, got type ${element.type}`);
  if (depth > maxDepth) throw damaged(`arrays are nested more than ${maxDepth} levels deep`);
  take(element.bytes.length === 0 ? emptyBytes : arrayBytes);
  if (element.bytes.length === 0) return { name: '', value: emptyNumbers() };
  const reader = outer.inside(element);
  const flags = reader.words(reader.next())[0] ?? 0;
  const kind = flags & 0xff;
  if (kind === opaqueClass) return { name: nameOf(reader), value: unsupported(kind) }; // it has no shape
  const shape = reader.words(reader.next());
  const name = nameOf(reader);
  if (refusedClasses[kind] !== undefined) return { name, value: unsupported(kind) };
  const count = shape.includes(0) ? 0 : elementCount(shape);
  // Each element takes at least one byte, so this also bounds the memory.
  if (shape.length < 2 || shape.some((side) => side < 0) || count > element.bytes.length) {
    throw damaged(`an array of shape ${shape.slice(0, 8).join(' x ')} has ${element.bytes.length} bytes`);
  }
  return { name, value: readValue(reader, { flags, shape, count, depth, take }) };
}

/**
 * Reads a name of at most 4096 bytes: MATLAB allows 63 characters, and class names with namespaces are not much longer.
 */
function nameOf(reader: ElementReader): string {
  const element = reader.next();
  if (element.bytes.length > 4096) throw damaged(`a name has ${element.bytes.length} bytes`);
  return reader.text(element);
}

function unsupported(kind: number): MatUnsupported {
  return { kind: 'unsupported', class: refusedClasses[kind]! };
}

interface Head {
  readonly flags: number;
  readonly shape: readonly number[];
  readonly count: number;
  readonly depth: number;
  readonly take: Take;
}

/** Returns a new empty array, because a caller may change it. */
function emptyNumbers(): MatNumbers {
  return { kind: 'numbers', class: 'double', logical: false, shape: [0, 0], real: new Float64Array(0) };
}

function readValue(reader: ElementReader, head: Head): MatValue {
  const { shape, count, depth, take } = head;
  const kind = head.flags & 0xff;
  if (kind === charClass) return { kind: 'text', shape, rows: readRows(reader, head) };
  if (kind === cellClass) {
    take(8 * count);
    const cells: MatValue[] = []; // not `Array.from`, which would allocate for a count that may be false
    for (let i = 0; i < count; i++) cells.push(readMatrix(reader, reader.next(), take, depth + 1).value);
    return { kind: 'cell', shape, cells };
  }
  if (kind === structClass) return readStruct(reader, head);
  if (numeric[kind] !== undefined) return readNumbers(reader, head);
  throw damaged(`unknown class ${kind}`);
}

function readNumbers(reader: ElementReader, { flags, shape, count, take }: Head): MatNumbers {
  const type = numeric[flags & 0xff]!;
  const [name, dtype] = type;
  const part = (): TensorData => {
    const element = reader.next();
    take(kinds[dtype].bytes * count);
    const data = reader.numbers(element);
    if (data.length !== count) throw damaged(`expected ${count} numbers, got ${data.length}`);
    return converted(data, type);
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

/**
 * Converts data to the type of its class: integers are often stored in fewer bytes than their class has. MATLAB and SciPy
 * never store a value outside the range of its integer class, so such a value is an error.
 */
function converted(data: TensorData, [name, dtype]: (typeof numeric)[number]): TensorData {
  if (dtypeOf(data) === dtype) return data;
  const out = kinds[dtype].make(data.length);
  const isFloat = out instanceof Float64Array || out instanceof Float32Array;
  const isBig = out instanceof BigInt64Array || out instanceof BigUint64Array;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    const exact = !isBig ? Number(value) : Number.isInteger(Number(value)) ? BigInt(value) : null;
    if (exact !== null) out[i] = exact;
    if (!isFloat && out[i] !== exact) throw damaged(`expected a value of ${name}, got ${value}`);
  }
  return out;
}

/** Reads the rows of a character matrix, whose characters are in column-major order. */
function readRows(reader: ElementReader, { shape, count, take }: Head): string[] {
  const rows = shape[0]!;
  const element = reader.remaining > 0 ? reader.next() : null;
  const length = element?.bytes.length ?? 0;
  // Deducts the memory of the rows (without columns, the data do not limit their number), of the text (V8 needs two bytes
  // per character if any character is wide), and of the arrays with the characters, which several rows require.
  take(rowBytes * rows + 2 * length + (rows === 1 ? 0 : 8 * length));
  const text = element === null ? '' : reader.text(element);
  if (rows === 1) return [text];
  const characters = text.length === count ? codeUnits(text) : codePoints(text);
  if (characters.length !== count) throw damaged('text is truncated');
  const line = characters.slice(0, rows === 0 ? 0 : count / rows);
  return Array.from({ length: rows }, (_, row) => {
    for (let i = 0; i < line.length; i++) line[i] = characters[row + i * rows]!;
    return textOf(line);
  });
}

type Characters = Uint16Array | Uint32Array;

function codeUnits(text: string): Uint16Array {
  const out = new Uint16Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

/** Splits text into code points: the stored shape of UTF-8 text counts these, not UTF-16 code units. */
function codePoints(text: string): Uint32Array {
  const out = new Uint32Array(text.length);
  let count = 0;
  for (let at = 0; at < text.length; count++) {
    const point = text.codePointAt(at)!;
    out[count] = point;
    at += point > 0xffff ? 2 : 1;
  }
  return out.subarray(0, count);
}

/** Arguments per call of `fromCodePoint`: engines accept only some tens of thousands. */
const sliceLength = 2 ** 13;

function textOf(characters: Characters): string {
  let text = '';
  for (let at = 0; at < characters.length; at += sliceLength)
    text += String.fromCodePoint(...characters.subarray(at, at + sliceLength));
  return text;
}

function readStruct(reader: ElementReader, { shape, count, depth, take }: Head): MatStruct {
  const width = reader.words(reader.next())[0] ?? 0;
  const element = reader.next();
  take(element.bytes.length + (width > 0 ? fieldBytes * (element.bytes.length / width) : 0));
  const names = reader.text(element);
  if (width < 1 || names.length % width !== 0) throw damaged('the field names of a struct are truncated');
  const fields = Array.from({ length: names.length / width }, (_, i) => {
    return names.slice(i * width, (i + 1) * width).split('\0', 1)[0]!;
  });
  if (fields.length === 0 && count > 1) throw damaged('a struct array has no fields');
  const elements: Map<string, MatValue>[] = [];
  for (let i = 0; i < count; i++) {
    take(elementBytes + fieldBytes * fields.length);
    const values = new Map<string, MatValue>();
    for (const field of fields) values.set(field, readMatrix(reader, reader.next(), take, depth + 1).value);
    elements.push(values);
  }
  return { kind: 'struct', shape, fields, elements };
}

const convert = 'Convert it to a struct, cell or numeric array.';
/** Descriptions of the unsupported classes, and advice. */
const refusedTexts: Readonly<Record<string, readonly [description: string, advice: string]>> = {
  object: ['an object', convert],
  sparse: ['a sparse matrix', 'Save full(x) instead.'],
  function: ['a function handle', 'Save func2str(f) instead.'],
  opaque: ['an object of a class such as table or string', convert],
};

function refused(name: string): Coded {
  const [description, advice] = refusedTexts[name]!;
  return coded(
    'ERR_HOROBALL_FORMAT',
    `the MAT file contains ${description}, which is not supported. ${advice}`,
  );
}
