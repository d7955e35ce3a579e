import type { FileHandle } from 'node:fs/promises';
import { coded, shapeError, typeError } from '../errors.ts';
import { readAll, reading, writeAll, writeAtomically } from './atomic.ts';
import { type Dtype, dtypeOf, elementCount, isSizes, kinds, type TensorData, widened } from './elements.ts';

/** A tensor as it was in the file; F16 and BF16 are widened to float32, BOOL is bytes of 0 and 1. */
export interface SafeTensor {
  /** The element type in the file. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: TensorData;
}

/** What {@link readSafetensors} gives. */
export interface Safetensors {
  readonly tensors: Map<string, SafeTensor>;
  readonly metadata: Record<string, string>;
}

/** A tensor to write: its element type is its array's. */
export interface TensorToWrite {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

interface Entry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The format's own limit on the header. */
const maxHeader = 100_000_000;

/**
 * Reads a safetensors file. The header is checked before anything is allocated: lengths, element types,
 * shapes, and that the tensors fill the file without gap or overlap.
 *
 * @param options.names - read only these tensors
 * @throws Error `ERR_HOROBALL_FORMAT` when the file is not a sound safetensors file; the system's own errors
 * @example
 * const path = join(tmpdir(), 'horoball-example.safetensors');
 * await writeSafetensors(path, { points: { shape: [1, 2], data: new Float32Array([3, 4]) } });
 * const { tensors, metadata } = await readSafetensors(path);
 * tensors.get('points').data; // => new Float32Array([3, 4])
 */
export async function readSafetensors(
  path: string,
  options: { names?: Iterable<string> | undefined } = {},
): Promise<Safetensors> {
  const wanted = options.names === undefined ? undefined : new Set(options.names);
  return await reading(path, async (file) => {
    const { size } = await file.stat();
    const { text, start } = await readHeader(path, file, size);
    const { entries, metadata } = parseHeader(path, text, size - start);
    const tensors = new Map<string, SafeTensor>();
    for (const entry of entries) {
      if (wanted !== undefined && !wanted.has(entry.name)) continue;
      tensors.set(entry.name, await readTensor(path, file, start, entry));
    }
    return { tensors, metadata };
  });
}

async function readHeader(
  path: string,
  file: FileHandle,
  size: number,
): Promise<{ text: string; start: number }> {
  const prefix = Buffer.alloc(8);
  if ((await readAll(file, prefix, 0)) < 8) throw unsound(path, 'it is shorter than 8 bytes');
  const length = prefix.readBigUInt64LE();
  if (length > BigInt(Math.min(maxHeader, size - 8))) {
    throw unsound(path, `its header claims ${length} bytes`);
  }
  const header = Buffer.alloc(Number(length));
  if ((await readAll(file, header, 8)) < header.length) throw unsound(path, 'its header is cut short');
  return { text: header.toString('utf8'), start: 8 + header.length };
}

function parseHeader(
  path: string,
  text: string,
  dataSize: number,
): { entries: Entry[]; metadata: Record<string, string> } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw unsound(path, 'its header is not JSON');
  }
  if (!isRecord(header)) throw unsound(path, 'its header is not a JSON object');
  const { __metadata__: metadata = {}, ...rest } = header;
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw unsound(path, '__metadata__ is not an object of strings');
  }
  const entries = Object.entries(rest).map(([name, value]) => parseEntry(path, name, value));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(path, entries, dataSize);
  return { entries, metadata: metadata as Record<string, string> };
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  if (!isRecord(value)) throw unsound(path, `the entry of ${quote(name)} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(kinds, dtype)) {
    throw unsound(path, `${quote(name)} has the element type ${quote(dtype)}, which cannot be read`);
  }
  if (!isSizes(shape)) throw unsound(path, `the shape of ${quote(name)} is not a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw unsound(path, `the offsets of ${quote(name)} are not two sizes`);
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== elementCount(shape) * kinds[dtype as Dtype].bytes) {
    throw unsound(path, `${quote(name)} has ${end - begin} bytes for shape [${shape}] of ${dtype}`);
  }
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

function checkCoverage(path: string, entries: readonly Entry[], dataSize: number): void {
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin < at) throw unsound(path, `${quote(name)} overlaps another tensor`);
    if (begin > at) throw unsound(path, `there is a gap before ${quote(name)}`);
    at = end;
  }
  if (at !== dataSize) throw unsound(path, `it has ${dataSize} bytes of data where its header says ${at}`);
}

async function readTensor(path: string, file: FileHandle, start: number, entry: Entry): Promise<SafeTensor> {
  const { name, dtype, shape, begin, end } = entry;
  const raw = kinds[dtype].make(elementCount(shape));
  if ((await readAll(file, raw, start + begin)) < end - begin) {
    throw unsound(path, `${quote(name)} is cut short`);
  }
  return { dtype, shape, data: await widened(dtype, raw) };
}

/**
 * Writes a safetensors file, whole or not at all. Wider elements come first, so that every tensor is aligned.
 *
 * @param tensors - arrays with their shapes, by name
 * @param options.metadata - strings for the header's `__metadata__`
 * @throws TypeError or RangeError with a code when a tensor cannot be written; the system's own errors
 * @example
 * const path = join(tmpdir(), 'horoball-points.safetensors');
 * await writeSafetensors(path, { points: { shape: [2, 2], data: new Float32Array(4) } });
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite> | Readonly<Record<string, TensorToWrite>>,
  options: { metadata?: Readonly<Record<string, string>> | undefined } = {},
): Promise<void> {
  const list = [...(tensors instanceof Map ? tensors : Object.entries(tensors))].map(([name, tensor]) => {
    const dtype = checkTensor(name, tensor);
    return { name, shape: tensor.shape, data: tensor.data, dtype };
  });
  list.sort((a, b) => kinds[b.dtype].bytes - kinds[a.dtype].bytes || (a.name < b.name ? -1 : 1));
  const header: [string, unknown][] = [];
  const { metadata } = options;
  if (metadata !== undefined) {
    if (!isRecord(metadata) || !Object.values(metadata).every((text) => typeof text === 'string')) {
      throw typeError('writeSafetensors', 'metadata', 'an object of strings', metadata);
    }
    header.push(['__metadata__', metadata]);
  }
  let at = 0;
  for (const { name, dtype, shape, data } of list) {
    header.push([name, { dtype, shape, data_offsets: [at, at + data.byteLength] }]);
    at += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const padded = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  text.copy(padded, 8);
  await writeAtomically(path, async (file) => {
    await writeAll(file, padded);
    for (const { data } of list) await writeAll(file, data);
  });
}

function checkTensor(name: string, tensor: TensorToWrite): Dtype {
  const operation = 'writeSafetensors';
  if (!isRecord(tensor)) throw typeError(operation, name, 'a tensor to write', tensor);
  const { shape, data } = tensor;
  const dtype = dtypeOf(data);
  if (name === '__metadata__') throw typeError(operation, 'tensors', 'another name', `'${name}'`);
  if (dtype === undefined) throw typeError(operation, name, 'a typed array of numbers', data);
  if (!isSizes(shape)) throw typeError(operation, name, 'a shape of integers', shape);
  if (elementCount(shape) !== data.length) {
    throw shapeError(operation, name, `the elements of shape [${shape}]`, String(data.length));
  }
  return dtype;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Any value of a hostile header, short and on one line. */
function quote(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 80);
}

function unsound(path: string, reason: string): Error {
  return coded('ERR_HOROBALL_FORMAT', `[readSafetensors] ${path}: not a sound safetensors file: ${reason}`);
}
