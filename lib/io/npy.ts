import { coded } from '../errors.ts';
import { readAll, writeTogether } from './atomic.ts';
import { bytesIn } from './bytes.ts';
import {
  allocate,
  type Dtype,
  elementCount,
  isSizes,
  kinds,
  shapeText,
  type TensorData,
  widened,
} from './elements.ts';
import { dtypes, magic, maxAxes, npyFile } from './npy-file.ts';
import { type PythonLiteral, parsePythonLiteral } from './python-literal.ts';
import { reading } from './regular.ts';
import { gatherStrided } from './strided.ts';
import type { OpenFile } from './thread-file.ts';

/** An array from a .npy file. */
export interface NpyArray {
  /** NumPy's name of the element type in the file, such as `<f4`. */
  readonly descr: string;
  readonly shape: readonly number[];
  /** Row-major; float16 is widened to float32, bool is bytes of 0 and 1. */
  readonly data: TensorData;
}

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

const maxHeader = 1 << 20;

/**
 * Reads a .npy file (versions 1 to 3): numbers and booleans of either byte order, in C or Fortran order.
 * Objects, strings and records are rejected, never unpickled.
 *
 * @throws Error `ERR_HOROBALL_FORMAT` if the file is damaged or contains anything else; file system errors
 * @example
 * const path = join(tmpdir(), 'horoball-example.npy');
 * await writeNpy(path, new Float32Array([1, 2, 3, 4]), [2, 2]);
 * const { shape, data } = await readNpy(path);
 * shape; // => [2, 2]
 */
export async function readNpy(path: string): Promise<NpyArray> {
  return await reading(path, 'readNpy', async (file) => {
    const { size } = await file.stat();
    const { text, start } = await readHeader(path, file);
    const { descr, fortran, shape } = parseHeader(path, text);
    const type = descr.replace(/^[<>|=]/, '');
    const dtype = Object.hasOwn(dtypes, type) ? dtypes[type] : undefined;
    if (dtype === undefined) throw unsupported(path, `element type '${descr.slice(0, 40)}'`);
    const length = shape.includes(0) ? 0 : elementCount(shape);
    const { bytes } = kinds[dtype];
    if (!(length * bytes <= size - start)) {
      throw invalidFile(
        path,
        `shape ${shapeText(shape)} needs ${length * bytes} bytes, but it has ${size - start}`,
      );
    }
    const raw = allocate(dtype, length);
    if ((await readAll(file, raw, start)) < raw.byteLength) throw invalidFile(path, 'its data is truncated');
    if (descr[0] === '>') swapBytes(raw, bytes);
    const ordered = fortran && length > 0 ? rowMajor(raw, shape, dtype) : raw;
    return { descr, shape, data: await widened(dtype, ordered) };
  });
}

async function readHeader(path: string, file: OpenFile): Promise<{ text: string; start: number }> {
  const prefix = Buffer.alloc(12);
  const got = await readAll(file, prefix, 0);
  if (got < 10 || !prefix.subarray(0, 6).equals(magic))
    throw invalidFile(path, 'it does not start with the magic string');
  const version = prefix[6]!;
  if (version < 1 || version > 3) throw invalidFile(path, `unknown version ${version}`);
  const at = version === 1 ? 10 : 12;
  const length = version === 1 ? prefix.readUInt16LE(8) : prefix.readUInt32LE(8);
  if (got < at) throw invalidFile(path, 'its header is truncated');
  if (length > maxHeader)
    throw invalidFile(
      path,
      `it declares a header of ${length} bytes, which exceeds the limit of ${maxHeader}`,
    );
  const header = Buffer.alloc(length);
  if ((await readAll(file, header, at)) < length) throw invalidFile(path, 'its header is truncated');
  return { text: header.toString(version === 3 ? 'utf8' : 'latin1'), start: at + length };
}

/** Parses the header, a Python dictionary with three known keys. */
function parseHeader(path: string, text: string): Header {
  let header: PythonLiteral;
  try {
    header = parsePythonLiteral(text);
  } catch (cause) {
    throw Object.assign(invalidFile(path, `its header cannot be parsed: ${(cause as Error).message}`), {
      cause,
    });
  }
  if (!(header instanceof Map)) throw invalidFile(path, 'its header is not a dictionary');
  const descr = header.get('descr');
  const fortran = header.get('fortran_order');
  const shape = header.get('shape');
  if (Array.isArray(descr)) throw unsupported(path, 'a structured element type');
  if (typeof descr !== 'string' || typeof fortran !== 'boolean' || !Array.isArray(shape))
    throw invalidFile(path, 'its header has a missing key');
  if (shape.length > maxAxes) throw invalidFile(path, `it has more than ${maxAxes} axes`);
  if (!isSizes(shape)) throw invalidFile(path, 'its shape is not a tuple of nonnegative integers');
  return { descr, fortran, shape };
}

/** Number of bytes that are swapped at a time, a multiple of the size of every element. */
const swapAtOnce = 1 << 28;

function swapBytes(data: TensorData, bytes: number): void {
  for (let at = 0; at < data.byteLength; at += swapAtOnce) {
    const { buffer, byteOffset, length } = bytesIn(data, at, at + swapAtOnce);
    const part = Buffer.from(buffer, byteOffset, length);
    if (bytes === 2) part.swap16();
    if (bytes === 4) part.swap32();
    if (bytes === 8) part.swap64();
  }
}

function rowMajor(data: TensorData, shape: readonly number[], dtype: Dtype): TensorData {
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  const out = allocate(dtype, data.length);
  gatherStrided(data, shape, strides, out);
  return out;
}

/**
 * Writes a .npy file (version 1, C order) atomically.
 *
 * @param shape - dimensions whose product is the length of `data`; default one dimension
 * @throws TypeError or RangeError with a code if the array cannot be written; file system errors
 * @example
 * await writeNpy(join(tmpdir(), 'horoball-points.npy'), new Float32Array([1, 2, 3, 4]), [2, 2]);
 */
export async function writeNpy(path: string, data: TensorData, shape?: readonly number[]): Promise<void> {
  await writeTogether([npyFile(path, data, shape)]);
}

/** Returns the error for a valid file that is not an array of numbers. */
function unsupported(path: string, type: string): Error {
  return coded(
    'ERR_HOROBALL_FORMAT',
    `[readNpy] ${path}: cannot be read, because ${type} is not supported. Convert the array to numbers.`,
  );
}

function invalidFile(path: string, reason: string): Error {
  return coded('ERR_HOROBALL_FORMAT', `[readNpy] ${path}: not a valid .npy file: ${reason}`);
}
